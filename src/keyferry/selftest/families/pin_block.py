"""The ops of pin-block.json: clear blocks, blocks under a key, translation."""

from __future__ import annotations

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.pin_block import (
    PINBlockFormat,
    decode_pin_block,
    decrypt_pin_block,
    encode_pin_block,
    encrypt_pin_block,
    translate_pin_block,
)
from keyferry.errors import UnsupportedAlgorithmError
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Value

_FORMATS = {pin_format.value: pin_format for pin_format in PINBlockFormat}


def _format(case: Case, member: str) -> PINBlockFormat:
    number = str(case.number(member))
    if number not in _FORMATS:
        raise UnsupportedAlgorithmError(f"PIN block format {number}")
    return _FORMATS[number]


def _optional(case: Case, member: str) -> str | None:
    return case.text(member) if case.has(member) else None


def _key(case: Case, member: str, pin_format: PINBlockFormat) -> CipherKey:
    cipher = Cipher.AES if pin_format is PINBlockFormat.ISO_4 else Cipher.TDES
    return CipherKey(cipher, case.hex(member))


def encode(case: Case) -> dict[str, Value]:
    """Make a clear block."""
    block = encode_pin_block(
        _format(case, "format"),
        case.text("pin"),
        _optional(case, "pan"),
        fill=_optional(case, "fill"),
    )
    return {"block": block}


def decode(case: Case) -> dict[str, Value]:
    """Open a clear block."""
    block, pan = case.hex("block"), _optional(case, "pan")
    return {"pin": decode_pin_block(_format(case, "format"), block, pan)}


def _encrypted(case: Case, pin_format: PINBlockFormat, fill: str) -> dict[str, Value]:
    block = encrypt_pin_block(
        _key(case, "key", pin_format),
        pin_format,
        case.text("pin"),
        _optional(case, "pan"),
        fill=_optional(case, fill),
    )
    return {"encrypted_block": block}


def _decrypted(case: Case, pin_format: PINBlockFormat) -> dict[str, Value]:
    key, block = _key(case, "key", pin_format), case.hex("encrypted_block")
    return {"pin": decrypt_pin_block(key, pin_format, block, _optional(case, "pan"))}


def encrypt(case: Case) -> dict[str, Value]:
    """Make a block of 8 bytes under a key."""
    return _encrypted(case, _format(case, "format"), "fill")


def decrypt(case: Case) -> dict[str, Value]:
    """Open a block of 8 bytes under a key."""
    return _decrypted(case, _format(case, "format"))


def encrypt4(case: Case) -> dict[str, Value]:
    """Make a format 4 block."""
    return _encrypted(case, PINBlockFormat.ISO_4, "random")


def decrypt4(case: Case) -> dict[str, Value]:
    """Open a format 4 block."""
    return _decrypted(case, PINBlockFormat.ISO_4)


def translate(case: Case) -> dict[str, Value]:
    """Translate a block; the files also go from a format with a PAN to one without."""
    incoming, outgoing = _format(case, "in_format"), _format(case, "out_format")
    fill = "out_random" if outgoing is PINBlockFormat.ISO_4 else "out_fill"
    block = translate_pin_block(
        case.hex("in_block"),
        incoming_key=_key(case, "in_key", incoming),
        incoming_format=incoming,
        incoming_pan=_optional(case, "in_pan"),
        outgoing_key=_key(case, "out_key", outgoing),
        outgoing_format=outgoing,
        outgoing_pan=_optional(case, "out_pan"),
        allow_pan_loss=True,
        fill=_optional(case, fill),
    )
    return {"out_block": block}


OPS = {
    "encode": encode,
    "decode": decode,
    "encrypt": encrypt,
    "decrypt": decrypt,
    "encrypt4": encrypt4,
    "decrypt4": decrypt4,
    "translate": translate,
}
