"""PIN blocks of ISO 9564-1: formats 0, 1, 2, 3 (8 bytes, TDES) and 4 (16 bytes, AES)."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from typing import Self

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.digits import check_pan, check_pin
from keyferry.errors import (
    DataSizeError,
    PaymentDataError,
    PINBlockError,
    UnsupportedAlgorithmError,
)

__all__ = [
    "PINBlockFormat",
    "decode_pin_block",
    "decrypt_pin_block",
    "encode_pin_block",
    "encrypt_pin_block",
    "translate_pin_block",
]


class PINBlockFormat(StrEnum):
    """Layout of a PIN block; the value is its control nibble (ISO 9564-1:2017, 9.3 and 9.4)."""

    block_size: int  # bytes, which is also the block size of the cipher it goes under
    has_pan: bool  # whether the PAN enters the block, so that a translation must keep it

    ISO_0 = "0", 8, True  # the PIN, filled with F, XORed with the PAN
    ISO_1 = "1", 8, False  # the PIN and random fill
    ISO_2 = "2", 8, False  # the PIN, filled with F; only on the way into a chip
    ISO_3 = "3", 8, True  # as format 0, with random fill of A to F
    ISO_4 = "4", 16, True  # the PIN and random fill, enciphered, the PAN XORed in, enciphered

    def __new__(cls, control: str, block_size: int, has_pan: bool) -> Self:
        """Hang the properties on the nibble, so that no second table can disagree."""
        member = str.__new__(cls, control)
        member._value_ = control
        member.block_size = block_size
        member.has_pan = has_pan
        return member


RandomBytes = Callable[[int], bytes]

_ISO_0, _ISO_1, _ISO_2, _ISO_3, _ISO_4 = PINBlockFormat
_HEX = "0123456789ABCDEF"
_LETTERS = "ABCDEF"
# By the length of the PIN: the nibble that says it, and the fill that follows it.
_LENGTHS = tuple(_HEX)
_FILLS_F = tuple("F" * (14 - size) for size in range(15))
_FILLS_A = tuple("A" * (14 - size) for size in range(15))
# What the length nibble says, and 0 where it says a length no PIN has.
_PIN_SIZES = {nibble: size if 4 <= size <= 12 else 0 for size, nibble in enumerate(_HEX)}
# 252 is the largest multiple of six a byte holds: the rest is dropped, so that each letter is
# equally likely.
_BYTE_TO_LETTER = bytes(ord("A") + value % 6 for value in range(256))
_BIASED_FOR_LETTERS = bytes(range(252, 256))


def encode_pin_block(
    pin_format: PINBlockFormat,
    pin: str,
    pan: str | None = None,
    *,
    fill: str | None = None,
    random_bytes: RandomBytes = os.urandom,
) -> bytes:
    """
    Return the clear PIN block, or for format 4 the clear PIN field.

    Args:
        pin_format: the layout.
        pin: 4 to 12 digits.
        pan: 12 to 19 digits with the check digit, for formats 0 and 3; of 12 digits the eleven
            without it are padded with a zero on the left (our choice). Not looked at by the
            others: the PAN field of format 4 joins under the key.
        fill: what `random_bytes` would choose, for reproducible blocks: the hex digits after the
            PIN (formats 1 and 3; A to F only for 3) or the last 16 of the field (format 4).
        random_bytes: source of fill.

    Returns:
        8 bytes, or 16 for format 4.

    Raises:
        PaymentDataError: `pin`, `pan` or `fill` does not have its form.

    Source: ISO 9564-1:2017, 9.3.2 to 9.3.5 and 9.4.2. Vectors: pin-block.json.
    """
    check_pin(pin)
    size = len(pin)
    if pin_format is _ISO_0:
        return (int(f"0{_LENGTHS[size]}{pin}{_FILLS_F[size]}", 16) ^ _pan_number(pan)).to_bytes(8)
    if pin_format is _ISO_2:
        return bytes.fromhex(f"2{_LENGTHS[size]}{pin}{_FILLS_F[size]}")
    if fill is None:
        fill = _random_fill(pin_format, size, random_bytes)
    else:
        _check_fill(pin_format, size, fill)
    if pin_format is _ISO_3:
        return (int(f"3{_LENGTHS[size]}{pin}{fill}", 16) ^ _pan_number(pan)).to_bytes(8)
    if pin_format is _ISO_4:
        return bytes.fromhex(f"4{_LENGTHS[size]}{pin}{_FILLS_A[size]}{fill}")
    return bytes.fromhex(f"1{_LENGTHS[size]}{pin}{fill}")


def decode_pin_block(pin_format: PINBlockFormat, block: bytes, pan: str | None = None) -> str:
    """
    Return the PIN of a clear PIN block, or of a clear PIN field of format 4.

    Args:
        pin_format: the layout it must have.
        block: 8 bytes, or 16 for format 4.
        pan: as for `encode_pin_block`.

    Raises:
        PINBlockError: control nibble, length, digits or fill are wrong. All are looked at before
            any is judged, so that neither message nor work tells which.
        DataSizeError: `block` has another size.
        PaymentDataError: `pan` is missing or not a PAN.
    """
    if len(block) != pin_format.block_size:
        raise _wrong_size(pin_format, block)
    value = int.from_bytes(block[:8])
    if pin_format is _ISO_0 or pin_format is _ISO_3:
        value ^= _pan_number(pan)
    return _judge(pin_format, f"{value:016X}")


def encrypt_pin_block(
    key: CipherKey,
    pin_format: PINBlockFormat,
    pin: str,
    pan: str | None = None,
    *,
    fill: str | None = None,
    random_bytes: RandomBytes = os.urandom,
) -> bytes:
    """
    Return the PIN block under `key`.

    Args:
        key: TDES for formats 0, 1 and 3, AES for format 4.
        pin_format: the layout; format 2 never goes under a PIN encryption key.
        pin: 4 to 12 digits.
        pan: the PAN with its check digit; format 4 takes 1 to 19 digits, 0 and 3 take 12 to 19.
        fill: as for `encode_pin_block`.
        random_bytes: source of fill.

    Returns:
        8 bytes, or 16 for format 4.

    Raises:
        UnsupportedAlgorithmError: the cipher does not serve this format.
        PaymentDataError: `pin`, `pan` or `fill` does not have its form.

    Source: ISO 9564-1:2017, 9.3 and, for format 4, 9.4.2.3. Vectors: pin-block.json.
    """
    if key.block_size != pin_format.block_size or pin_format is _ISO_2:
        raise _wrong_cipher(key, pin_format)
    if pin_format is not _ISO_4:
        return key.encrypt_ecb(
            encode_pin_block(pin_format, pin, pan, fill=fill, random_bytes=random_bytes)
        )
    account = _pan_field(pan)
    field = encode_pin_block(pin_format, pin, fill=fill, random_bytes=random_bytes)
    half = int.from_bytes(key.encrypt_ecb(field)) ^ account
    return key.encrypt_ecb(half.to_bytes(16))


def decrypt_pin_block(
    key: CipherKey, pin_format: PINBlockFormat, block: bytes, pan: str | None = None
) -> str:
    """
    Return the PIN of a PIN block under `key`.

    Args:
        key: TDES for formats 0, 1 and 3, AES for format 4.
        pin_format: the layout the block must have.
        block: 8 bytes, or 16 for format 4.
        pan: as for `encrypt_pin_block`.

    Raises:
        PINBlockError: the block does not open: another key, PAN or format, or a changed block.
        DataSizeError: `block` has another size.
        UnsupportedAlgorithmError: the cipher does not serve this format.
        PaymentDataError: `pan` is missing or not a PAN.
    """
    if key.block_size != pin_format.block_size or pin_format is _ISO_2:
        raise _wrong_cipher(key, pin_format)
    if len(block) != pin_format.block_size:
        raise _wrong_size(pin_format, block)
    if pin_format is _ISO_4:
        half = _pan_field(pan) ^ int.from_bytes(key.decrypt_ecb(block))
        field = key.decrypt_ecb(half.to_bytes(16))
        return _judge(pin_format, f"{int.from_bytes(field[:8]):016X}")
    value = int.from_bytes(key.decrypt_ecb(block))
    if pin_format is not _ISO_1:
        value ^= _pan_number(pan)
    return _judge(pin_format, f"{value:016X}")


def translate_pin_block(
    block: bytes,
    *,
    incoming_key: CipherKey,
    incoming_format: PINBlockFormat,
    incoming_pan: str | None,
    outgoing_key: CipherKey,
    outgoing_format: PINBlockFormat,
    outgoing_pan: str | None,
    allow_pan_loss: bool = False,
    fill: str | None = None,
    random_bytes: RandomBytes = os.urandom,
) -> bytes:
    """
    Return the PIN of `block` in another format or under another key; the PIN stays inside.

    Args:
        block: under `incoming_key`.
        incoming_key, incoming_format, incoming_pan: as for `decrypt_pin_block`.
        outgoing_key, outgoing_format, outgoing_pan, fill, random_bytes: as for
            `encrypt_pin_block`.
        allow_pan_loss: translate from a format with a PAN into one without, too. PCI PIN security
            requirement 3 forbids it: such a block can be replayed for any account.

    Raises:
        PaymentDataError: the formats do not fit: a PAN would be lost, or would change between two
            formats that hold one.
        PINBlockError, DataSizeError, UnsupportedAlgorithmError: as the two functions say.
    """
    if incoming_format.has_pan:
        if not (outgoing_format.has_pan or allow_pan_loss):
            raise PaymentDataError(
                "outgoing PIN block format", expected="a format with a PAN, as the incoming one"
            )
        if outgoing_format.has_pan and incoming_pan != outgoing_pan:
            raise PaymentDataError("outgoing PAN", expected="the same as the incoming one")
    # Before the block is opened, so that nothing about it shows in what fails first.
    if outgoing_key.block_size != outgoing_format.block_size or outgoing_format is _ISO_2:
        raise _wrong_cipher(outgoing_key, outgoing_format)
    pin = decrypt_pin_block(incoming_key, incoming_format, block, incoming_pan)
    return encrypt_pin_block(
        outgoing_key, outgoing_format, pin, outgoing_pan, fill=fill, random_bytes=random_bytes
    )


def _judge(pin_format: PINBlockFormat, text: str) -> str:
    """Return the PIN in the 16 hex digits of a PIN field, or raise PINBlockError."""
    size = _PIN_SIZES[text[1]]
    pin, fill = text[2 : 2 + size], text[2 + size :]
    # No `and`: every check is made whatever the others say. Upper-case hex digits that are
    # letters are A to F. A length of 0 marks a length no PIN has, and has no digits either.
    sound = (text[0] == pin_format) & pin.isdecimal()
    if pin_format is _ISO_3:
        sound &= fill.isalpha()
    elif pin_format is _ISO_4:
        sound &= fill == _FILLS_A[size]
    elif pin_format is not _ISO_1:
        sound &= fill == _FILLS_F[size]
    if not sound:
        raise PINBlockError
    return pin


def _pan_number(pan: str | None) -> int:
    """Return the PAN field of formats 0 and 3: twelve digits without the check digit, as BCD."""
    if pan is None:
        raise PaymentDataError("PAN", expected="a PAN: this PIN block format needs it")
    check_pan(pan)
    return int(pan[-13:-1], 16)


def _pan_field(pan: str | None) -> int:
    """Return the PAN field of format 4: length over 12, then the whole PAN from the left."""
    if pan is None:
        raise PaymentDataError("PAN", expected="a PAN: this PIN block format needs it")
    check_pan(pan, minimum=1)
    size = len(pan)
    if size < 12:
        return int(pan, 16) << 76  # padded with zeros to 12 digits: length nibble 0
    return int(_LENGTHS[size - 12] + pan, 16) << 4 * (31 - size)


def _random_fill(pin_format: PINBlockFormat, size: int, random_bytes: RandomBytes) -> str:
    """Return what follows a PIN of `size` digits, as hexadecimal."""
    if pin_format is _ISO_4:
        return random_bytes(8).hex()
    if pin_format is _ISO_1:
        return random_bytes(5).hex()[: 14 - size]
    letters = b""
    while len(letters) < 14 - size:
        letters += random_bytes(16).translate(_BYTE_TO_LETTER, _BIASED_FOR_LETTERS)
    return letters[: 14 - size].decode()


def _check_fill(pin_format: PINBlockFormat, size: int, fill: str) -> None:
    count = 16 if pin_format is _ISO_4 else 14 - size
    alphabet = _LETTERS if pin_format is _ISO_3 else _HEX
    # isascii first: upper-casing makes some single characters into two letters of the alphabet.
    if len(fill) != count or not fill.isascii() or fill.upper().strip(alphabet):
        raise PaymentDataError("PIN block fill", expected=f"{count} characters of {alphabet}")


def _wrong_cipher(key: CipherKey, pin_format: PINBlockFormat) -> UnsupportedAlgorithmError:
    if pin_format is _ISO_2:
        return UnsupportedAlgorithmError(
            "PIN block format 2 does not go under a PIN encryption key"
        )
    return UnsupportedAlgorithmError(
        f"PIN block format {pin_format.value} under {key.cipher.name}: expected"
        f" {'AES' if pin_format is _ISO_4 else 'TDES'}"
    )


def _wrong_size(pin_format: PINBlockFormat, block: bytes) -> DataSizeError:
    return DataSizeError(
        f"PIN block of {len(block)} bytes: format {pin_format.value} has {pin_format.block_size}"
    )
