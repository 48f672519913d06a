"""Key blocks under a stored KEK, most of them made by another implementation."""

from __future__ import annotations

from typing import Any

import psec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
)
from keyferry.errors import (
    KeyAttributesError,
    KeyBlockAuthenticationError,
    KeyBlockError,
    KeyferryError,
    KeyMaterialError,
    KeyStrengthError,
    UnsupportedKeyBlockError,
)
from keyferry.service.errors import InvalidRequestError, ResourceNotFoundError
from keyferry.service.rules import Rules

TDES_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
AES_KEY = bytes(range(16))


# psec 1.3 takes TripleDES from where cryptography no longer wants it.
psec_of_old = pytest.mark.filterwarnings("ignore:TripleDES has been moved")


async def import_block(service: Any, block: str, kek: str, **members: Any) -> Any:
    answer = await service.call(
        "ImportKey",
        KeyMaterial={"Tr31KeyBlock": {"WrappingKeyIdentifier": kek, "WrappedKeyBlock": block}},
        **members,
    )
    return answer["Key"]


async def kek(service: Any, algorithm: str = "AES_256", letter: str = "B", code: str = "K1") -> str:
    arn: str = (await service.create(code, algorithm, letter))["KeyArn"]
    return arn


def wrap(
    kek_material: bytes,
    key: bytes = TDES_KEY,
    *,
    version: str = "D",
    usage: str = "P0",
    algorithm: str = "T",
    mode: str = "B",
    exportability: str = "E",
    key_version: str = "00",
    context: str = "0",
    blocks: tuple[tuple[str, str], ...] = (),
) -> str:
    """Our own block, for what another implementation does not write."""
    header = KeyBlockHeader(
        version=BlockVersion(version),
        usage=usage,
        algorithm=Algorithm(algorithm),
        mode=ModeOfUse(mode),
        exportability=Exportability(exportability),
        key_version=key_version,
        context=context,
        optional_blocks=tuple(OptionalBlock(*block) for block in blocks),
    )
    cipher = Cipher.AES if version in "DE" else Cipher.TDES
    return KBPK(cipher, kek_material).wrap(header, key, allow_legacy=True)


@psec_of_old
@pytest.mark.parametrize("version", ["A", "B", "C", "D"])
@pytest.mark.parametrize(("exportability", "exportable"), [("E", True), ("S", True), ("N", False)])
async def test_blocks_of_another_implementation_become_keys(
    service: Any, version: str, exportability: str, exportable: bool
) -> None:
    """Every version the API takes, with the letter of exportability kept."""
    wrapping = await kek(service, "AES_128" if version == "D" else "TDES_3KEY")
    header = psec.tr31.Header(version, "P0", "T", "B", "12", exportability)
    block = psec.tr31.wrap(service.material(wrapping), header, TDES_KEY)
    key = await import_block(service, block, wrapping)
    assert key["KeyAttributes"]["KeyUsage"] == "TR31_P0_PIN_ENCRYPTION_KEY"
    assert key["KeyAttributes"]["KeyAlgorithm"] == "TDES_2KEY"
    assert key["KeyCheckValue"] == "08D7B4"
    assert key["KeyOrigin"] == "EXTERNAL"
    assert key["Exportable"] is exportable
    assert service.material(key["KeyArn"]) == TDES_KEY
    record = service.store.key(service.account, key["KeyArn"].rpartition("/")[2])
    assert record.exportability.value == exportability
    assert record.key_version == "12"


async def test_a_published_kind_of_header(service: Any) -> None:
    """A D0112B0AX00E0000 block is an exportable AES_128 BDK that derives."""
    wrapping = await kek(service, "AES_128")
    header = psec.tr31.Header("D", "B0", "A", "X", "00", "E")
    block = psec.tr31.wrap(service.material(wrapping), header, AES_KEY, masked_key_len=16)
    assert block.startswith("D0112B0AX00E0000")
    key = await import_block(service, block, wrapping)
    assert key["KeyAttributes"]["KeyUsage"] == "TR31_B0_BASE_DERIVATION_KEY"
    assert key["KeyAttributes"]["KeyAlgorithm"] == "AES_128"
    assert key["KeyAttributes"]["KeyModesOfUse"]["DeriveKey"] is True
    assert key["Exportable"] is True


@pytest.mark.parametrize(
    ("code", "hash_name"), [("20", "SHA224"), ("21", "SHA256"), ("22", "SHA384"), ("23", "SHA512")]
)
async def test_hmac_keys_arrive_with_their_hash(service: Any, code: str, hash_name: str) -> None:
    """The HM block sets the algorithm and is not kept beside it."""
    wrapping = await kek(service)
    block = wrap(
        service.material(wrapping),
        bytes(range(40)),
        usage="M7",
        algorithm="H",
        mode="C",
        blocks=(("HM", code),),
    )
    key = await import_block(service, block, wrapping)
    assert key["KeyAttributes"]["KeyAlgorithm"] == f"HMAC_{hash_name}"
    record = service.store.key(service.account, key["KeyArn"].rpartition("/")[2])
    assert record.optional_blocks == ()


async def test_optional_blocks_are_kept_but_for_the_services_own(service: Any) -> None:
    """Unknown ids stay; PB and KP go; KC and KP are compared."""
    wrapping = await kek(service)
    material = service.material(wrapping)
    kp = "01" + cmac_kcv(Cipher.AES, material).hex().upper()
    kc = "00" + tdes_kcv(TDES_KEY).hex().upper()
    block = wrap(material, blocks=(("ZZ", "anything"), ("KP", kp), ("KC", kc), ("LB", "label1")))
    key = await import_block(service, block, wrapping)
    record = service.store.key(service.account, key["KeyArn"].rpartition("/")[2])
    assert [(b.id, b.data) for b in record.optional_blocks] == [
        ("ZZ", "anything"),
        ("KC", kc),
        ("LB", "label1"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("KC", "00123456"), ("KC", "01123456"), ("KP", "00123456"), ("KP", "01123456")],
)
async def test_wrong_check_values_in_a_block_are_refused(
    service: Any, name: str, value: str
) -> None:
    """A block that says it holds, or was wrapped by, another key."""
    wrapping = await kek(service)
    block = wrap(service.material(wrapping), blocks=((name, value),))
    with pytest.raises(InvalidRequestError, match=name):
        await import_block(service, block, wrapping)
    assert service.count() == 1


async def test_an_aes_key_with_its_legacy_check_value(service: Any) -> None:
    """Method 00 of an AES key is its encryption of a block of zeros."""
    wrapping = await kek(service)
    key = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
    block = wrap(service.material(wrapping), key, algorithm="A", blocks=(("KC", "007DF76B"),))
    await import_block(service, block, wrapping)


async def test_another_kek_opens_nothing(service: Any) -> None:
    """The wrong KEK and a changed block are one error."""
    one, two = await kek(service), await kek(service)
    block = wrap(service.material(one))
    with pytest.raises(KeyBlockAuthenticationError):
        await import_block(service, block, two)
    changed = block[:5] + "K0" + block[7:]
    with pytest.raises(KeyBlockAuthenticationError):
        await import_block(service, changed, one)
    assert service.count() == 2


@pytest.mark.parametrize(
    ("algorithm", "version"), [("AES_256", "B"), ("TDES_3KEY", "D"), ("AES_256", "E")]
)
async def test_versions_belong_to_a_kind_of_kek(service: Any, algorithm: str, version: str) -> None:
    """B under AES and D under TDES are refused, and E always."""
    wrapping = await kek(service, algorithm)
    block = wrap(bytes(range(24)) if version == "B" else bytes(range(32)), version=version)
    with pytest.raises(UnsupportedKeyBlockError):
        await import_block(service, block, wrapping)


@pytest.mark.parametrize(
    "usage", ["B1", "B2", "D2", "D3", "E3", "E7", "I0", "K4", "M2", "M4", "V0", "V3", "10"]
)
async def test_usages_the_api_does_not_know_are_refused(service: Any, usage: str) -> None:
    """Refused by name once the block has authenticated."""
    wrapping = await kek(service)
    block = wrap(service.material(wrapping), usage=usage, mode="N")
    with pytest.raises(KeyAttributesError, match=usage):
        await import_block(service, block, wrapping)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"mode": "X"}, KeyAttributesError),
        ({"mode": "T"}, KeyAttributesError),
        ({"algorithm": "R"}, KeyAttributesError),
        ({"algorithm": "D", "key": bytes(range(8))}, KeyAttributesError),
        ({"key_version": "c1"}, KeyAttributesError),
        ({"context": "1"}, InvalidRequestError),
        ({"context": "2"}, InvalidRequestError),
        ({"key": bytes(range(8))}, KeyAttributesError),
        ({"key": TDES_KEY[:8] * 2}, KeyMaterialError),
        ({"key": TDES_KEY[:8] * 3}, KeyMaterialError),
        ({"usage": "M7", "algorithm": "H", "mode": "C"}, KeyAttributesError),
        (
            {"usage": "M7", "algorithm": "H", "mode": "C", "blocks": (("HM", "10"),)},
            KeyAttributesError,
        ),
    ],
)
async def test_authentic_blocks_with_impossible_keys(
    service: Any, changes: dict[str, Any], error: type[Exception]
) -> None:
    """What a block says must make a key of the API; otherwise nothing is stored."""
    wrapping = await kek(service)
    with pytest.raises(error):
        await import_block(service, wrap(service.material(wrapping), **changes), wrapping)
    assert service.count() == 1


@pytest.mark.parametrize(
    ("wrapping", "algorithm", "key"),
    [
        ("TDES_2KEY", "T", bytes(range(24))),
        ("TDES_3KEY", "A", bytes(range(16))),
        ("AES_128", "A", bytes(range(24))),
        ("AES_192", "A", bytes(range(32))),
    ],
)
async def test_no_key_arrives_under_a_weaker_one(
    service: Any, wrapping: str, algorithm: str, key: bytes
) -> None:
    """The strength rule holds on import too."""
    arn = await kek(service, wrapping)
    version = "B" if wrapping.startswith("TDES") else "D"
    block = wrap(service.material(arn), key, version=version, algorithm=algorithm)
    with pytest.raises(KeyStrengthError):
        await import_block(service, block, arn)
    # An estate with such keys has to be let in by its owner's word.
    service.rules = Rules(strength_on_tr31_import=False)
    imported = await import_block(service, block, arn)
    assert service.material(imported["KeyArn"]) == key


@pytest.mark.parametrize(
    ("code", "algorithm", "letter", "key_class"),
    [
        ("P0", "AES_256", "B", "SYMMETRIC_KEY"),
        ("K1", "AES_256", "E", "SYMMETRIC_KEY"),
        ("K2", "RSA_2048", "B", "ASYMMETRIC_KEY_PAIR"),
    ],
)
async def test_only_keks_that_unwrap_unwrap(
    service: Any, code: str, algorithm: str, letter: str, key_class: str
) -> None:
    """Usage K0 or K1, symmetric, with the mode Unwrap."""
    arn = (await service.create(code, algorithm, letter, key_class=key_class))["KeyArn"]
    with pytest.raises(InvalidRequestError, match="WrappingKeyIdentifier"):
        await import_block(service, wrap(bytes(range(32))), arn)


@pytest.mark.parametrize(("code", "letter"), [("K0", "B"), ("K0", "D"), ("K1", "D"), ("K1", "N")])
async def test_keks_of_every_suitable_kind(service: Any, code: str, letter: str) -> None:
    """K0 and K1 with Unwrap alone, both directions or no restrictions, named by alias."""
    arn = await kek(service, "AES_128", letter, code)
    await service.call("CreateAlias", AliasName="alias/kek", KeyArn=arn)
    await import_block(service, wrap(service.material(arn)), "alias/kek")


async def test_the_kek_must_be_usable(service: Any) -> None:
    """Disabled, pending and unknown KEKs open nothing."""
    arn = await kek(service)
    block = wrap(service.material(arn))
    await service.call("StopKeyUsage", KeyIdentifier=arn)
    with pytest.raises(InvalidRequestError, match="not enabled"):
        await import_block(service, block, arn)
    await service.call("DeleteKey", KeyIdentifier=arn)
    with pytest.raises(InvalidRequestError, match=r"not in CREATE_COMPLETE state\.$"):
        await import_block(service, block, arn)
    with pytest.raises(ResourceNotFoundError):
        await import_block(service, block, "alias/unknown")


async def test_a_kek_stopped_in_the_meantime_opens_nothing(service: Any, tools: Any) -> None:
    """Between the opening and the writing another request may stop the KEK: nothing is stored."""
    arn = await kek(service)
    block = wrap(service.material(arn))
    rival = tools.service(store=service.store)

    def stop() -> None:
        import asyncio
        import threading

        thread = threading.Thread(
            target=lambda: asyncio.run(rival.call("StopKeyUsage", KeyIdentifier=arn))
        )
        thread.start()
        thread.join()

    service.before_write = stop
    with pytest.raises(InvalidRequestError, match="not enabled"):
        await import_block(service, block, arn)
    assert service.count() == 1


async def test_options_of_the_request(service: Any) -> None:
    """Enabled, tags and the method of the check value; the same block twice is two keys."""
    wrapping = await kek(service)
    block = wrap(service.material(wrapping))
    first = await import_block(
        service,
        block,
        wrapping,
        Enabled=False,
        Tags=[{"Key": "a", "Value": "1"}],
        KeyCheckValueAlgorithm="CMAC",
    )
    assert first["Enabled"] is False
    assert first["KeyCheckValueAlgorithm"] == "CMAC"
    second = await import_block(service, block, wrapping)
    assert second["KeyArn"] != first["KeyArn"]
    with pytest.raises(KeyAttributesError, match="KeyCheckValueAlgorithm"):
        await import_block(service, block, wrapping, KeyCheckValueAlgorithm="HMAC")
    with pytest.raises(InvalidRequestError, match="ReplicationRegions"):
        await import_block(service, block, wrapping, ReplicationRegions=["us-west-2"])
    assert service.count() == 3


async def test_every_changed_character_is_refused(service: Any) -> None:
    """Each character of a block replaced: refused as documented, and nothing is stored."""
    wrapping = await kek(service)
    block = wrap(service.material(wrapping), blocks=(("ZZ", "anything"),))
    for offset, character in enumerate(block):
        for other in {"0", "1", "A", "Z"} - {character}:
            with pytest.raises(KeyferryError):
                await import_block(service, block[:offset] + other + block[offset + 1 :], wrapping)
    assert service.count() == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(block=st.text("ABCD0123456789EPKMTHSX", min_size=56, max_size=300))
async def test_noise_is_refused_as_documented(service: Any, block: str) -> None:
    """Anything alphanumeric is a key block error or an invalid request, never another."""
    if service.count() == 0:
        await kek(service)
    arn = (await service.call("ListKeys"))["Keys"][0]["KeyArn"]
    with pytest.raises((KeyBlockError, InvalidRequestError)):
        await import_block(service, block, arn)
