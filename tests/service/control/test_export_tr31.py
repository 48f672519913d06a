"""Key blocks that leave: read by another implementation, with every override."""

from __future__ import annotations

from typing import Any

import psec
import pytest

from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.dukpt import aes_initial_key, tdes_initial_key
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
)
from keyferry.errors import KeyAttributesError, KeyStrengthError
from keyferry.service.errors import InvalidRequestError

# psec 1.3 takes TripleDES from where cryptography no longer wants it.
psec_of_old = pytest.mark.filterwarnings("ignore:TripleDES has been moved")

SIZES = {
    "TDES_2KEY": 24,
    "TDES_3KEY": 24,
    "AES_128": 32,
    "AES_192": 32,
    "AES_256": 32,
    "HMAC_SHA224": 64,
    "HMAC_SHA512": 64,
}


async def export(
    service: Any, key: str, kek: str, headers: Any = None, **attributes: Any
) -> dict[str, str]:
    material: dict[str, Any] = {"WrappingKeyIdentifier": kek}
    if headers is not None:
        material["KeyBlockHeaders"] = headers
    members: dict[str, Any] = {"ExportAttributes": attributes} if attributes else {}
    answer = await service.call(
        "ExportKey", ExportKeyIdentifier=key, KeyMaterial={"Tr31KeyBlock": material}, **members
    )
    wrapped: dict[str, str] = answer["WrappedKey"]
    return wrapped


async def kek(service: Any, algorithm: str = "AES_256", letter: str = "B", code: str = "K1") -> str:
    arn: str = (await service.create(code, algorithm, letter))["KeyArn"]
    return arn


def opened(service: Any, kek_arn: str, block: str) -> tuple[KeyBlockHeader, bytes]:
    material = service.material(kek_arn)
    cipher = Cipher.AES if block[0] == "D" else Cipher.TDES
    unwrapped = KBPK(cipher, material).unwrap(block)
    return unwrapped.header, unwrapped.key


@psec_of_old
@pytest.mark.parametrize("wrapping", ["TDES_3KEY", "AES_128", "AES_256"])
@pytest.mark.parametrize("algorithm", ["TDES_2KEY", "TDES_3KEY"])
async def test_another_implementation_reads_our_blocks(
    service: Any, wrapping: str, algorithm: str
) -> None:
    """B under TDES, D under AES, hidden length, kept letter, version 00."""
    key = await service.create("P0", algorithm, "E")
    kek_arn = await kek(service, wrapping)
    wrapped = await export(service, key["KeyArn"], kek_arn)
    assert wrapped["WrappedKeyMaterialFormat"] == "TR31_KEY_BLOCK"
    assert wrapped["WrappingKeyArn"] == kek_arn
    assert wrapped["KeyCheckValue"] == key["KeyCheckValue"]
    assert wrapped["KeyCheckValueAlgorithm"] == key["KeyCheckValueAlgorithm"]
    block = wrapped["KeyMaterial"]
    prefix = "B0096" if wrapping == "TDES_3KEY" else "D0112"
    assert block.startswith(f"{prefix}P0TE00S0000")
    header, clear = psec.tr31.unwrap(service.material(kek_arn), block)
    assert clear == service.material(key["KeyArn"])
    assert header.exportability == "S"


@pytest.mark.parametrize("algorithm", SIZES)
async def test_the_length_of_a_key_is_hidden(service: Any, algorithm: str) -> None:
    """Blocks of one family are equally long whatever the size of the key."""
    code, letter = ("M7", "C") if algorithm.startswith("HMAC") else ("P0", "B")
    code = "M7" if algorithm.startswith("HMAC") else "K0"
    key = await service.create(code, algorithm, letter)
    wrapped = await export(service, key["KeyArn"], await kek(service))
    padded = -(-(2 + SIZES[algorithm]) // 16) * 16
    hm = 16 if code == "M7" else 0
    assert len(wrapped["KeyMaterial"]) == 16 + hm + 2 * padded + 32


async def test_hmac_keys_say_their_hash(service: Any) -> None:
    """The HM block is always written, and the key comes back the same."""
    key = await service.create("M7", "HMAC_SHA384", "C")
    kek_arn = await kek(service)
    wrapped = await export(service, key["KeyArn"], kek_arn)
    header, _ = opened(service, kek_arn, wrapped["KeyMaterial"])
    assert [(b.id, b.data) for b in header.optional_blocks if b.id != "PB"] == [("HM", "22")]
    answer = await service.call(
        "ImportKey",
        KeyMaterial={
            "Tr31KeyBlock": {
                "WrappingKeyIdentifier": kek_arn,
                "WrappedKeyBlock": wrapped["KeyMaterial"],
            }
        },
    )
    assert answer["Key"]["KeyAttributes"] == key["KeyAttributes"]
    assert answer["Key"]["KeyCheckValue"] == key["KeyCheckValue"]


async def test_overrides_are_written(service: Any, tools: Any) -> None:
    """A narrower mode, a stricter letter, a version and optional blocks."""
    key = await service.create("P0", "TDES_2KEY", "B")
    kek_arn = await kek(service)
    wrapped = await export(
        service,
        key["KeyArn"],
        kek_arn,
        {
            "KeyModesOfUse": tools.modes("D"),
            "KeyExportability": "NON_EXPORTABLE",
            "KeyVersion": "7A",
            "OptionalBlocks": {"LB": "label", "KS": "FFFF9876543210E00000"},
        },
    )
    header, clear = opened(service, kek_arn, wrapped["KeyMaterial"])
    assert clear == service.material(key["KeyArn"])
    assert header.mode is ModeOfUse.DECRYPT
    assert header.exportability is Exportability.NONE
    assert header.key_version == "7A"
    assert [(b.id, b.data) for b in header.optional_blocks if b.id != "PB"] == [
        ("LB", "label"),
        ("KS", "FFFF9876543210E00000"),
    ]
    assert set(header.optional_blocks[-1].data) <= {"0"}
    assert (await service.call("GetKey", KeyIdentifier=key["KeyArn"]))["Key"] == key


async def imported(service: Any, kek_arn: str, letter: str) -> str:
    """A P0 key that arrived with a letter of exportability and an optional block."""
    header = KeyBlockHeader(
        version=BlockVersion.D,
        usage="P0",
        algorithm=Algorithm.TDES,
        mode=ModeOfUse.BOTH_DIRECTIONS,
        exportability=Exportability(letter),
        key_version="05",
        optional_blocks=(OptionalBlock("ZZ", "kept"), OptionalBlock("LB", "old")),
    )
    block = KBPK(Cipher.AES, service.material(kek_arn)).wrap(header, bytes(range(16)))
    answer = await service.call(
        "ImportKey",
        KeyMaterial={"Tr31KeyBlock": {"WrappingKeyIdentifier": kek_arn, "WrappedKeyBlock": block}},
    )
    arn: str = answer["Key"]["KeyArn"]
    return arn


async def test_kept_blocks_leave_again_and_the_version_starts_anew(service: Any) -> None:
    """The caller's block of the same id replaces the kept one in its place."""
    kek_arn = await kek(service)
    key = await imported(service, kek_arn, "S")
    headers = {"OptionalBlocks": {"LB": "new", "BI": "00FFFF987654"}}
    wrapped = await export(service, key, kek_arn, headers)
    header, _ = opened(service, kek_arn, wrapped["KeyMaterial"])
    assert header.key_version == "00"
    assert [(b.id, b.data) for b in header.optional_blocks if b.id != "PB"] == [
        ("ZZ", "kept"),
        ("LB", "new"),
        ("BI", "00FFFF987654"),
    ]


@pytest.mark.parametrize(
    ("own", "asked", "letter"),
    [
        ("S", None, "S"),
        ("S", "SENSITIVE", "S"),
        ("S", "EXPORTABLE", "E"),
        ("S", "NON_EXPORTABLE", "N"),
        ("E", None, "E"),
        ("E", "EXPORTABLE", "E"),
        ("E", "NON_EXPORTABLE", "N"),
        ("E", "SENSITIVE", None),
    ],
)
async def test_exportability_only_gets_stricter(
    service: Any, own: str, asked: str | None, letter: str | None
) -> None:
    """S, then E, then N; a step back is refused."""
    kek_arn = await kek(service)
    key = await imported(service, kek_arn, own)
    headers = None if asked is None else {"KeyExportability": asked}
    if letter is None:
        with pytest.raises(InvalidRequestError, match="KeyExportability"):
            await export(service, key, kek_arn, headers)
        return
    wrapped = await export(service, key, kek_arn, headers)
    assert wrapped["KeyMaterial"][11] == letter


@pytest.mark.parametrize(
    ("code", "own", "asked", "error"),
    [
        ("P0", "E", {"Decrypt": True, "Unwrap": True}, KeyAttributesError),
        ("P0", "B", {"NoRestrictions": True}, KeyAttributesError),
        ("P0", "B", {"Encrypt": True}, KeyAttributesError),
        ("P0", "N", {"DeriveKey": True}, KeyAttributesError),
        ("P0", "B", {}, KeyAttributesError),
    ],
)
async def test_modes_never_get_wider(
    service: Any, code: str, own: str, asked: dict[str, bool], error: type[Exception]
) -> None:
    """Only a subset that is still a valid letter for the usage."""
    key = await service.create(code, "TDES_2KEY", own)
    with pytest.raises(error, match="KeyModesOfUse"):
        await export(service, key["KeyArn"], await kek(service), {"KeyModesOfUse": asked})


@pytest.mark.parametrize(
    "blocks",
    [
        {"HM": "21"},
        {"PB": "0000"},
        {"AA": "x" * 105, "BB": "y"},
        {"AA": "x" * 108, "BB": "y" * 108},
    ],
)
async def test_optional_blocks_have_limits(service: Any, blocks: dict[str, str]) -> None:
    """HM and PB are the service's own; all the caller's together have 112 characters."""
    key = await service.create("P0", "TDES_2KEY", "B")
    with pytest.raises(InvalidRequestError, match="OptionalBlocks"):
        await export(service, key["KeyArn"], await kek(service), {"OptionalBlocks": blocks})


async def test_the_longest_optional_blocks(service: Any) -> None:
    """108 characters and 4 more are 112, which is allowed."""
    key = await service.create("P0", "TDES_2KEY", "B")
    await export(service, key["KeyArn"], await kek(service), {"OptionalBlocks": {"AA": "x" * 108}})


async def test_keys_that_do_not_leave(service: Any) -> None:
    """Not exportable, disabled, pending, pairs; and a key never wraps itself."""
    kek_arn = await kek(service)
    secret = await service.create("P0", "TDES_2KEY", "B", exportable=False)
    with pytest.raises(InvalidRequestError, match="not exportable"):
        await export(service, secret["KeyArn"], kek_arn)
    pair = await service.create("K3", "ECC_NIST_P256", "X", key_class="ASYMMETRIC_KEY_PAIR")
    with pytest.raises(InvalidRequestError, match="symmetric"):
        await export(service, pair["KeyArn"], kek_arn)
    with pytest.raises(InvalidRequestError, match="itself"):
        await export(service, kek_arn, kek_arn)
    key = (await service.create("P0", "TDES_2KEY", "B"))["KeyArn"]
    await service.call("StopKeyUsage", KeyIdentifier=key)
    with pytest.raises(InvalidRequestError, match="not enabled"):
        await export(service, key, kek_arn)
    await service.call("DeleteKey", KeyIdentifier=key)
    with pytest.raises(InvalidRequestError, match=r"not in CREATE_COMPLETE state\.$"):
        await export(service, key, kek_arn)


@pytest.mark.parametrize(
    ("code", "algorithm", "letter"), [("K1", "AES_256", "D"), ("P0", "AES_256", "B")]
)
async def test_the_kek_must_wrap(service: Any, code: str, algorithm: str, letter: str) -> None:
    """A KEK for imports only, or another usage, is refused."""
    key = await service.create("P0", "TDES_2KEY", "B")
    other = (await service.create(code, algorithm, letter))["KeyArn"]
    with pytest.raises(InvalidRequestError, match="WrappingKeyIdentifier"):
        await export(service, key["KeyArn"], other)


@pytest.mark.parametrize(
    ("algorithm", "wrapping"),
    [("TDES_3KEY", "TDES_2KEY"), ("AES_128", "TDES_3KEY"), ("AES_256", "AES_192")],
)
async def test_no_key_leaves_under_a_weaker_one(
    service: Any, algorithm: str, wrapping: str
) -> None:
    """The strength rule."""
    key = await service.create("P0", algorithm, "B")
    with pytest.raises(KeyStrengthError):
        await export(service, key["KeyArn"], await kek(service, wrapping))


async def test_a_key_stopped_in_the_meantime_does_not_leave(service: Any, tools: Any) -> None:
    """The state is read again with the audit record of the export."""
    key = (await service.create("P0", "TDES_2KEY", "B"))["KeyArn"]
    kek_arn = await kek(service)
    rival = tools.service(store=service.store)

    def stop() -> None:
        import asyncio
        import threading

        thread = threading.Thread(
            target=lambda: asyncio.run(rival.call("StopKeyUsage", KeyIdentifier=key))
        )
        thread.start()
        thread.join()

    service.before_write = stop
    with pytest.raises(InvalidRequestError, match="not enabled"):
        await export(service, key, kek_arn)


TDES_KSN = "FFFF9876543210E00001"
AES_KSN = "123456789012345600000001"


async def test_a_tdes_initial_key_leaves_as_b1(service: Any, tools: Any) -> None:
    """Usage B1, mode X, the letter of the BDK; the check value is the initial key's."""
    bdk = await service.create("B0", "TDES_2KEY", "X")
    kek_arn = await kek(service, "TDES_3KEY")
    wrapped = await export(
        service,
        bdk["KeyArn"],
        kek_arn,
        {"OptionalBlocks": {"KS": TDES_KSN}},
        ExportDukptInitialKey={"KeySerialNumber": TDES_KSN},
    )
    header, clear = opened(service, kek_arn, wrapped["KeyMaterial"])
    expected = tdes_initial_key(service.material(bdk["KeyArn"]), bytes.fromhex(TDES_KSN))
    assert clear == expected
    assert (header.usage, header.mode.value, header.algorithm.value) == ("B1", "X", "T")
    assert header.exportability is Exportability.SENSITIVE
    assert wrapped["KeyCheckValue"] == tdes_kcv(expected).hex().upper()
    plain = await export(
        service,
        bdk["KeyArn"],
        kek_arn,
        ExportDukptInitialKey={"KeySerialNumber": "FFFF9876543210E00002"},
    )
    assert plain["KeyMaterial"].startswith("B0096B1TX00S0000")
    assert plain["KeyCheckValue"] == wrapped["KeyCheckValue"]


@pytest.mark.parametrize("algorithm", ["AES_128", "AES_192", "AES_256"])
async def test_an_aes_initial_key_has_the_size_of_its_bdk(service: Any, algorithm: str) -> None:
    """The counter is ignored; the method of the check value can be chosen."""
    bdk = await service.create("B0", algorithm, "N")
    kek_arn = await kek(service)
    wrapped = await export(
        service,
        bdk["KeyArn"],
        kek_arn,
        ExportDukptInitialKey={"KeySerialNumber": AES_KSN},
        KeyCheckValueAlgorithm="ANSI_X9_24",
    )
    header, clear = opened(service, kek_arn, wrapped["KeyMaterial"])
    material = service.material(bdk["KeyArn"])
    assert clear == aes_initial_key(material, bytes.fromhex(AES_KSN)[:8])
    assert len(clear) == len(material)
    assert (header.usage, header.mode.value, header.algorithm.value) == ("B1", "X", "A")
    assert wrapped["KeyCheckValueAlgorithm"] == "ANSI_X9_24"


@pytest.mark.parametrize(
    ("code", "algorithm", "letter", "ksn", "match"),
    [
        ("P0", "TDES_2KEY", "B", TDES_KSN, "ExportDukptInitialKey"),
        ("B0", "TDES_3KEY", "X", TDES_KSN, "TDES_2KEY"),
        ("B0", "TDES_2KEY", "X", AES_KSN, "KeySerialNumber"),
        ("B0", "AES_128", "X", TDES_KSN, "KeySerialNumber"),
    ],
)
async def test_initial_keys_come_from_bdks(
    service: Any, code: str, algorithm: str, letter: str, ksn: str, match: str
) -> None:
    """Another usage, 3-key TDES, or the KSN of the other family."""
    key = await service.create(code, algorithm, letter)
    with pytest.raises(InvalidRequestError, match=match):
        await export(
            service,
            key["KeyArn"],
            await kek(service),
            ExportDukptInitialKey={"KeySerialNumber": ksn},
        )


async def test_an_initial_key_only_derives(service: Any, tools: Any) -> None:
    """Its mode cannot be overridden by another, nor its check value method by a wrong one."""
    bdk = (await service.create("B0", "AES_128", "N"))["KeyArn"]
    kek_arn = await kek(service)
    initial = {"ExportDukptInitialKey": {"KeySerialNumber": AES_KSN}}
    await export(service, bdk, kek_arn, {"KeyModesOfUse": tools.modes("X")}, **initial)
    with pytest.raises(InvalidRequestError, match="KeyModesOfUse"):
        await export(service, bdk, kek_arn, {"KeyModesOfUse": tools.modes("N")}, **initial)
    with pytest.raises(KeyAttributesError, match="KeyCheckValueAlgorithm"):
        await export(service, bdk, kek_arn, **initial, KeyCheckValueAlgorithm="SHA_1")
    assert len((await service.call("ListKeys"))["Keys"]) == 2
