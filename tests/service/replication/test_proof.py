"""Keys of every usage, algorithm and mode of use, proven by use from one Region in another."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from keyferry.crypto.keyblock import Exportability, ModeOfUse
from keyferry.errors import KeyAttributesError
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
    check_attributes,
    generate_material,
    key_check_value,
)
from keyferry.service.region import Region, open_regions
from keyferry.service.replication.proof.evidence import (
    CHECK_VALUE,
    Verdict,
    check_evidence,
    make_evidence,
)
from keyferry.service.replication.proof.methods import is_made_up, made_up_pan, method_for
from keyferry.service.replication.proof.workbench import Workbench
from keyferry.service.routes import register_operations
from keyferry.service.settings import ServiceSettings
from keyferry.service.store.records import AliasRecord, KeyOrigin, KeyRecord
from keyferry.service.vault.binding import key_binding

T = TypeVar("T")

EAST, WEST = "us-east-1", "us-west-2"
ACCOUNT = "111122223333"
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def valid_attributes() -> Iterator[KeyAttributes]:
    """Every symmetric key that can be created."""
    for usage, algorithm, letter in itertools.product(KeyUsage, KeyAlgorithm, "BCDEGNSVX"):
        attributes = KeyAttributes(
            key_usage=usage,
            key_class=KeyClass.SYMMETRIC_KEY,
            key_algorithm=algorithm,
            modes_of_use=ModesOfUse.from_letter(ModeOfUse(letter)),
        )
        try:
            check_attributes(attributes)
        except KeyAttributesError:
            continue
        yield attributes


ALL = list(valid_attributes())


def name(attributes: KeyAttributes) -> str:
    letter = attributes.modes_of_use.letter.value
    return f"{attributes.key_usage.code} {attributes.key_algorithm.value} {letter}"


class OneKey:
    """A Region's store with one key in it."""

    def __init__(self, record: KeyRecord) -> None:
        self.record = record

    def key_epoch(self) -> bytes:
        return b"epoch"

    def key(self, account: str, key_id: str) -> KeyRecord | None:
        here = (self.record.account, self.record.key_id)
        return self.record if here == (account, key_id) else None

    def alias(self, account: str, name: str) -> AliasRecord | None:
        return None


@pytest.fixture(scope="module")
def regions() -> Iterator[dict[str, Region]]:
    register_operations()
    opened = open_regions(ServiceSettings(dev=True, regions=(EAST, WEST)))
    yield opened
    for region in opened.values():
        region.store.close()


class Key:
    """A key in two Regions; the replica may hold something else."""

    def __init__(
        self,
        attributes: KeyAttributes,
        regions: dict[str, Region],
        *,
        enabled: bool = True,
        spoiled: bool = False,
    ) -> None:
        self.attributes = attributes
        self._regions = regions
        self._enabled = enabled
        material = generate_material(attributes.key_algorithm)
        other = generate_material(attributes.key_algorithm) if spoiled else material
        self.east = self._record(EAST, material, material)
        self.west = self._record(WEST, other, material)

    def _record(self, region: str, material: bytes, told: bytes) -> KeyRecord:
        """A record that says what `told` is, and holds `material`."""
        check_value, method = key_check_value(self.attributes.key_algorithm, told)
        record = KeyRecord(
            account=ACCOUNT,
            key_id="abcdefghijklmnop",
            attributes=self.attributes,
            exportability=Exportability.SENSITIVE,
            origin=KeyOrigin.AWS_PAYMENT_CRYPTOGRAPHY,
            check_value=check_value,
            check_value_algorithm=method,
            created_at=NOW,
            enabled=self._enabled,
        )
        binding = key_binding(region, record)
        return replace(record, sealed=self._regions[region].vault.seal(material, binding=binding))

    def bench(self, record: KeyRecord, region: str) -> Workbench:
        def offload(work: Callable[[], T], /) -> Awaitable[T]:
            return asyncio.to_thread(work)

        return Workbench(
            ACCOUNT,
            region=region,
            store=OneKey(record),
            vault=self._regions[region].vault,
            offload=offload,
            now=NOW,
        )

    async def judge(self) -> tuple[str, Verdict, str]:
        """What is made in the east, what the west says of it, and why."""
        evidence = await make_evidence(self.bench(self.east, EAST), self.east)
        found = await check_evidence(self.bench(self.west, WEST), self.west, evidence)
        return evidence.method, found.verdict, found.reason


@pytest.mark.parametrize("attributes", ALL, ids=name)
async def test_a_replica_is_proven(
    attributes: KeyAttributes, regions: dict[str, Region], quiet_log: None
) -> None:
    """A whole replica is proven: by use where some operation tells, by its check value else."""
    method, verdict, reason = await Key(attributes, regions).judge()
    if method_for(attributes) is None:
        assert (method, verdict) == (CHECK_VALUE, Verdict.BY_CHECK_VALUE)
        assert "not provable by use" in reason
    else:
        assert (verdict, reason) == (Verdict.BY_USE, "")


@pytest.mark.parametrize("attributes", ALL, ids=name)
async def test_another_key_is_found_out(
    attributes: KeyAttributes, regions: dict[str, Region], quiet_log: None
) -> None:
    """A replica that holds another key, whatever its row says, fails."""
    _, verdict, reason = await Key(attributes, regions, spoiled=True).judge()
    assert verdict is Verdict.FAILED
    assert reason


def test_what_use_tells_nothing_of() -> None:
    """The keys that are proven by their check value alone are those no operation tells of."""
    by_check_value = {name(attributes) for attributes in ALL if method_for(attributes) is None}
    expected = set()
    for attributes in ALL:
        usage = attributes.key_usage.code
        algorithm = attributes.key_algorithm
        letter = attributes.modes_of_use.letter.value
        no_operation = usage in ("E5", "P1") or (
            # Card, PIN verification and EMV keys are TDES; some of double length only.
            (algorithm.is_aes and usage in ("C0", "E0", "E1", "E2", "E4", "E6", "V1", "V2"))
            or (
                algorithm is KeyAlgorithm.TDES_3KEY
                and usage in ("B0", "E0", "E1", "E2", "E4", "E6", "M0")
            )
        )
        # A key that only verifies, or only encrypts what is never the same, tells nothing.
        one_way = (
            (letter == "V")
            or (letter == "E" and usage in ("K0", "K1"))
            or (letter == "D" and usage == "P0")
            or (letter == "E" and usage == "P0" and algorithm.is_aes)
            # The operations of these take keys of exactly one mode of use.
            or (letter == "N" and usage in ("E0", "E1", "E4", "E6", "C0", "V1", "V2"))
            or (letter == "N" and usage.startswith("M"))
        )
        if no_operation or one_way:
            expected.add(name(attributes))
    assert by_check_value == expected


async def test_a_stopped_key_is_proven_by_its_check_value(
    regions: dict[str, Region], quiet_log: None
) -> None:
    """A key that may not be used is compared by what its material gives, not by what it says."""
    cvk = next(a for a in ALL if name(a) == "C0 TDES_2KEY C")
    method, verdict, reason = await Key(cvk, regions, enabled=False).judge()
    assert (method, verdict) == (CHECK_VALUE, Verdict.BY_CHECK_VALUE)
    assert reason == "not provable by use: the key is stopped"
    _, verdict, reason = await Key(cvk, regions, enabled=False, spoiled=True).judge()
    assert (verdict, reason) == (Verdict.FAILED, "the check value is another")


async def test_a_state_that_differs_fails(regions: dict[str, Region], quiet_log: None) -> None:
    """A replica that was not stopped with its primary does not prove it."""
    key = Key(next(a for a in ALL if name(a) == "M6 AES_128 C"), regions)
    evidence = await make_evidence(key.bench(key.east, EAST), key.east)
    stopped = replace(key.west, enabled=False)
    found = await check_evidence(key.bench(stopped, WEST), stopped, evidence)
    assert found.verdict is Verdict.FAILED
    assert "differ" in found.reason


async def test_a_proof_that_lost_its_values_fails(
    regions: dict[str, Region], quiet_log: None
) -> None:
    """No proof at all, half of one, or one without its MAC is refused, not accepted by silence."""
    key = Key(next(a for a in ALL if name(a) == "C0 TDES_2KEY C"), regions)
    evidence = await make_evidence(key.bench(key.east, EAST), key.east)
    bench = key.bench(key.west, WEST)
    for values in ((), evidence.values[:1], ({}, {})):
        found = await check_evidence(bench, key.west, replace(evidence, values=values))
        assert found.verdict is Verdict.FAILED
    stopped = replace(key.west, enabled=False)
    empty = replace(evidence, method=CHECK_VALUE, values=())
    found = await check_evidence(key.bench(stopped, WEST), stopped, empty)
    assert found.verdict is Verdict.FAILED


async def test_nothing_is_told_of_cards(regions: dict[str, Region], quiet_log: None) -> None:
    """Who checks proofs cannot learn whether a value is that of a card."""
    key = Key(next(a for a in ALL if name(a) == "C0 TDES_2KEY C"), regions)
    evidence = await make_evidence(key.bench(key.east, EAST), key.east)
    cards = tuple(values | {"pan": "4111111111111111"} for values in evidence.values)
    found = await check_evidence(
        key.bench(key.west, WEST), key.west, replace(evidence, values=cards)
    )
    assert found.verdict is Verdict.FAILED
    assert found.reason == "the PAN of the proof may be a card's"


def test_no_card_has_a_pan_of_a_proof() -> None:
    """The check digit of a made-up PAN is wrong, in every length."""
    for digits in (15, 16):
        for _ in range(50):
            pan = made_up_pan(digits=digits)
            total = 0
            for place, digit in enumerate(reversed(pan)):
                value = int(digit) * (1 + place % 2)
                total += value - 9 if value > 9 else value
            assert len(pan) == digits
            assert total % 10 != 0
            assert is_made_up(pan)
    assert not is_made_up("4111111111111111")
    assert not is_made_up("")
