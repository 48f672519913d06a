"""Working keys under variants of a KEK."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.components import odd_parity
from keyferry.errors import KeyAttributesError, KeyMaterialError, KeyStrengthError
from keyferry.service.errors import InvalidRequestError

VARIANTS = {
    "PIN_ENCRYPTION_KEY_VARIANT_28": ("28C0", "P0", "B"),
    "MESSAGE_AUTHENTICATION_KEY_VARIANT_24": ("24C0", "M0", "C"),
    "DATA_ENCRYPTION_KEY_VARIANT_22": ("22C0", "D0", "B"),
    "TERMINAL_MAJOR_KEY_VARIANT_00": ("0000", "K0", "B"),
}
PIN = "PIN_ENCRYPTION_KEY_VARIANT_28"


def cryptogram(kek: bytes, mask: str, key: bytes) -> str:
    """By hand: CBC with a zero IV under the KEK, masked all over."""
    pattern = bytes.fromhex(mask) * (len(kek) // 2)
    variant = bytes(a ^ b for a, b in zip(kek, pattern, strict=True))
    return CipherKey(Cipher.TDES, variant).encrypt_cbc(key, bytes(8)).hex().upper()


async def kek(
    service: Any, algorithm: str = "TDES_2KEY", letter: str = "B", code: str = "K0"
) -> str:
    arn: str = (await service.create(code, algorithm, letter))["KeyArn"]
    return arn


async def send(
    service: Any, tools: Any, kek_arn: str, text: str, variant: str = PIN, **changes: Any
) -> Any:
    asked = {
        "As2805KeyVariant": variant,
        "KeyModesOfUse": tools.modes(VARIANTS[variant][2]),
        "KeyAlgorithm": "TDES_2KEY",
        "Exportable": True,
        "WrappingKeyIdentifier": kek_arn,
        "WrappedKeyCryptogram": text,
    } | changes
    answer = await service.call("ImportKey", KeyMaterial={"As2805KeyCryptogram": asked})
    return answer["Key"]


async def fetch(service: Any, key: str, kek_arn: str, variant: str = PIN, **extra: Any) -> Any:
    answer = await service.call(
        "ExportKey",
        ExportKeyIdentifier=key,
        KeyMaterial={
            "As2805KeyCryptogram": {
                "WrappingKeyIdentifier": kek_arn,
                "As2805KeyVariant": variant,
            }
        },
        **extra,
    )
    return answer["WrappedKey"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("code", ["K0", "K1"])
async def test_working_keys_travel_both_ways(
    service: Any, tools: Any, variant: str, code: str
) -> None:
    """Each variant gives its usage; the cryptogram is the one computed by hand."""
    mask, usage, _ = VARIANTS[variant]
    kek_arn = await kek(service, code=code)
    key = odd_parity(bytes(range(16)))
    text = cryptogram(service.material(kek_arn), mask, key)
    arrived = await send(service, tools, kek_arn, text, variant)
    assert arrived["KeyAttributes"]["KeyUsage"] == tools.usages[usage]
    assert service.material(arrived["KeyArn"]) == key
    wrapped = await fetch(service, arrived["KeyArn"], kek_arn, variant)
    assert wrapped["KeyMaterial"] == text
    assert wrapped["WrappingKeyArn"] == kek_arn
    assert wrapped["WrappedKeyMaterialFormat"] == "KEY_CRYPTOGRAM"
    assert wrapped["KeyCheckValue"] == arrived["KeyCheckValue"]


async def test_three_key_tdes_under_three_key_tdes(service: Any, tools: Any) -> None:
    """24 bytes under a 24-byte KEK; not under a 16-byte one."""
    kek_arn = await kek(service, "TDES_3KEY")
    key = odd_parity(bytes(range(24)))
    text = cryptogram(service.material(kek_arn), "28C0", key)
    arrived = await send(service, tools, kek_arn, text, KeyAlgorithm="TDES_3KEY")
    assert service.material(arrived["KeyArn"]) == key
    weak = await kek(service)
    with pytest.raises(KeyStrengthError):
        await send(service, tools, weak, text, KeyAlgorithm="TDES_3KEY")
    with pytest.raises(KeyStrengthError):
        await fetch(service, arrived["KeyArn"], weak)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"KeyAlgorithm": "AES_128"}, InvalidRequestError),
        ({"KeyAlgorithm": "TDES_3KEY"}, KeyStrengthError),
        ({"KeyModesOfUse": {"DeriveKey": True}}, KeyAttributesError),
        ({"KeyModesOfUse": {"Encrypt": True, "Decrypt": True}}, KeyAttributesError),
        ({"WrappedKeyCryptogram": "00" * 8}, InvalidRequestError),
        ({"WrappedKeyCryptogram": "00" * 24}, InvalidRequestError),
        ({"WrappedKeyCryptogram": "0" * 31}, InvalidRequestError),
    ],
)
async def test_impossible_imports(
    service: Any, tools: Any, changes: dict[str, Any], error: type[Exception]
) -> None:
    """Algorithms, modes and lengths that do not fit leave nothing behind."""
    kek_arn = await kek(service)
    with pytest.raises(error):
        await send(service, tools, kek_arn, "00" * 16, **changes)
    assert service.count() == 1


async def test_a_degenerate_key_is_refused(service: Any, tools: Any) -> None:
    """Nothing authenticates a cryptogram, but a single-DES key shows."""
    kek_arn = await kek(service)
    text = cryptogram(service.material(kek_arn), "28C0", bytes(range(8)) * 2)
    with pytest.raises(KeyMaterialError, match="degenerate"):
        await send(service, tools, kek_arn, text)


@pytest.mark.parametrize(
    ("algorithm", "letter", "code"),
    [("AES_128", "B", "K0"), ("TDES_2KEY", "E", "K0"), ("TDES_2KEY", "B", "P0")],
)
async def test_keks_of_as2805_are_tdes_and_unwrap(
    service: Any, tools: Any, algorithm: str, letter: str, code: str
) -> None:
    """K0 or K1, TDES, with Unwrap."""
    kek_arn = await kek(service, algorithm, letter, code)
    with pytest.raises(InvalidRequestError, match="WrappingKeyIdentifier"):
        await send(service, tools, kek_arn, "00" * 16)


async def test_impossible_exports(service: Any) -> None:
    """The variant of another usage, AES keys and KEKs, initial keys, itself, a KEK for imports."""
    kek_arn = await kek(service)
    pin = (await service.create("P0", "TDES_2KEY", "B"))["KeyArn"]
    with pytest.raises(InvalidRequestError, match="As2805KeyVariant"):
        await fetch(service, pin, kek_arn, "DATA_ENCRYPTION_KEY_VARIANT_22")
    aes = (await service.create("P0", "AES_128", "B"))["KeyArn"]
    with pytest.raises(InvalidRequestError, match="TDES"):
        await fetch(service, aes, kek_arn)
    with pytest.raises(InvalidRequestError, match="TDES"):
        await fetch(service, pin, await kek(service, "AES_128"))
    with pytest.raises(InvalidRequestError, match="itself"):
        await fetch(service, kek_arn, kek_arn, "TERMINAL_MAJOR_KEY_VARIANT_00")
    with pytest.raises(InvalidRequestError, match="Wrap"):
        await fetch(service, pin, await kek(service, letter="D"))
    bdk = (await service.create("B0", "TDES_2KEY", "X"))["KeyArn"]
    initial = {"ExportDukptInitialKey": {"KeySerialNumber": "FFFF9876543210E00000"}}
    with pytest.raises(InvalidRequestError, match="ExportDukptInitialKey"):
        await fetch(service, bdk, kek_arn, ExportAttributes=initial)
