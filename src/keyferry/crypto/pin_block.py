"""PIN blocks of ISO 9564-1: formats 0, 1, 2, 3 (8 bytes, TDES) and 4 (16 bytes, AES)."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.digits import check_pan, check_pin
from keyferry.errors import (
    DataSizeError,
    PaymentDataError,
    PINBlockError,
    UnsupportedAlgorithmError,
)


class PINBlockFormat(StrEnum):
    """Layout of a PIN block; the value is its control nibble (ISO 9564-1:2017, 9.3 and 9.4)."""

    ISO_0 = "0"  # the PIN, filled with F, XORed with the PAN
    ISO_1 = "1"  # the PIN and random fill; no PAN
    ISO_2 = "2"  # the PIN, filled with F; only between a terminal or an issuer and a chip
    ISO_3 = "3"  # as format 0 with random fill of A to F
    ISO_4 = "4"  # the PIN and random fill, enciphered, XORed with the PAN, enciphered again

    @property
    def block_size(self) -> int:
        """Bytes of a block, which is also the block size of the cipher it goes under."""
        return 16 if self is PINBlockFormat.ISO_4 else 8

    @property
    def has_pan(self) -> bool:
        """Whether the PAN enters the block, so that translation must keep it."""
        return self in (PINBlockFormat.ISO_0, PINBlockFormat.ISO_3, PINBlockFormat.ISO_4)


_ISO_0, _ISO_1, _ISO_2, _ISO_3, _ISO_4 = PINBlockFormat
_HEX = "0123456789ABCDEF"
_LETTERS = "ABCDEF"
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
    random_bytes: Callable[[int], bytes] = os.urandom,
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
        return _with_pan(f"0{size:X}{pin}".ljust(16, "F"), pan)
    if pin_format is _ISO_2:
        return bytes.fromhex(f"2{size:X}{pin}".ljust(16, "F"))
    if pin_format is _ISO_4:
        if fill is None:
            fill = random_bytes(8).hex()
        _check_fill(fill, 16, _HEX)
        return bytes.fromhex(f"4{size:X}{pin}".ljust(16, "A") + fill)
    if pin_format is _ISO_3:
        if fill is None:
            fill = _random_letters(14 - size, random_bytes)
        _check_fill(fill, 14 - size, _LETTERS)
        return _with_pan(f"3{size:X}{pin}{fill}", pan)
    if fill is None:
        fill = random_bytes(5).hex()[: 14 - size]
    _check_fill(fill, 14 - size, _HEX)
    return bytes.fromhex(f"1{size:X}{pin}{fill}")


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
    random_bytes: Callable[[int], bytes] = os.urandom,
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

    Source: ISO 9564-1:2017, 9.3 and, for format 4, 9.4.2.4. Vectors: pin-block.json.
    """
    _check_cipher(key, pin_format)
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
    _check_cipher(key, pin_format)
    if len(block) != pin_format.block_size:
        raise _wrong_size(pin_format, block)
    if pin_format is _ISO_4:
        half = _pan_field(pan) ^ int.from_bytes(key.decrypt_ecb(block))
        return _judge(pin_format, key.decrypt_ecb(half.to_bytes(16))[:8].hex().upper())
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
    fill: str | None = None,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """
    Return the PIN of `block` in another format or under another key; the PIN stays inside.

    Args:
        block: under `incoming_key`.
        incoming_key, incoming_format, incoming_pan: as for `decrypt_pin_block`.
        outgoing_key, outgoing_format, outgoing_pan, fill, random_bytes: as for
            `encrypt_pin_block`.

    Raises:
        PaymentDataError: the formats do not fit: a PAN would be lost on the way to format 1, or
            would change between two formats that hold it (ISO 9564-1:2017, 9.3.6, table 3).
        PINBlockError, DataSizeError, UnsupportedAlgorithmError: as the two functions say.
    """
    if incoming_format.has_pan:
        if not outgoing_format.has_pan:
            raise PaymentDataError(
                "outgoing PIN block format", expected="a format with a PAN, as the incoming one"
            )
        if incoming_pan != outgoing_pan:
            raise PaymentDataError("outgoing PAN", expected="the same as the incoming one")
    _check_cipher(outgoing_key, outgoing_format)
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
    sound = (text[0] == pin_format.value) & pin.isdecimal()
    if pin_format is _ISO_3:
        sound &= fill.isalpha()
    elif pin_format is _ISO_4:
        sound &= fill == "A" * len(fill)
    elif pin_format is not _ISO_1:
        sound &= fill == "F" * len(fill)
    if not sound:
        raise PINBlockError
    return pin


def _with_pan(text: str, pan: str | None) -> bytes:
    return (int(text, 16) ^ _pan_number(pan)).to_bytes(8)


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
    return int(f"{max(len(pan) - 12, 0)}{pan:0>12}".ljust(32, "0"), 16)


def _check_fill(fill: str, size: int, alphabet: str) -> None:
    upper = fill.upper()
    if len(fill) != size or upper.strip(alphabet):
        raise PaymentDataError("PIN block fill", expected=f"{size} characters of {alphabet}")


def _random_letters(count: int, random_bytes: Callable[[int], bytes]) -> str:
    letters = b""
    while len(letters) < count:
        letters += random_bytes(count + 4).translate(_BYTE_TO_LETTER, _BIASED_FOR_LETTERS)
    return letters[:count].decode()


def _check_cipher(key: CipherKey, pin_format: PINBlockFormat) -> None:
    if pin_format is _ISO_2:
        raise UnsupportedAlgorithmError("PIN block format 2 does not go under a PIN encryption key")
    if key.block_size != pin_format.block_size:
        raise UnsupportedAlgorithmError(
            f"PIN block format {pin_format.value} under {key.cipher.name}: expected"
            f" {'AES' if pin_format is _ISO_4 else 'TDES'}"
        )


def _wrong_size(pin_format: PINBlockFormat, block: bytes) -> DataSizeError:
    return DataSizeError(
        f"PIN block of {len(block)} bytes: format {pin_format.value} has {pin_format.block_size}"
    )
