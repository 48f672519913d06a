"""How an issuer recognises a PIN: Visa PVV, and IBM 3624 with offsets."""

from __future__ import annotations

import os
from binascii import hexlify
from collections.abc import Callable
from functools import lru_cache
from hmac import compare_digest

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.digits import (
    check_digits,
    check_pan,
    check_pin,
    decimalize,
    random_digits,
)
from keyferry.errors import PaymentDataError, PINVerificationError

__all__ = [
    "ibm3624_natural_pin",
    "ibm3624_offset",
    "ibm3624_pin_from_offset",
    "ibm3624_random_pin",
    "pad_validation_data",
    "verify_ibm3624",
    "verify_visa_pvv",
    "visa_pvv",
]

_HEX = b"0123456789abcdef"
_DIGITS = "0123456789"
# Addition and subtraction modulo ten, from two digits side by side.
_SUM = {a + b: str((int(a) + int(b)) % 10) for a in _DIGITS for b in _DIGITS}
_DIFFERENCE = {a + b: str((int(a) - int(b)) % 10) for a in _DIGITS for b in _DIGITS}
_MISMATCH = "PIN verification failed"


def visa_pvv(pvk: CipherKey, *, pan: str, pvki: str, pin: str) -> str:
    """
    Return the Visa PIN verification value.

    Args:
        pvk: the PIN verification key.
        pan: 12 to 19 digits with the check digit, of which the 11 before it count.
        pvki: which key of a set this is: one digit, 0 to 6.
        pin: 4 to 12 digits, of which the first four count.

    Returns:
        4 digits.

    Raises:
        PaymentDataError: an input does not have its form.

    Source: Visa PIN Verification Value, as in the public Payment Technology Standards Manual.
    Vectors: pin-verify.json.
    """
    check_pan(pan)
    check_pin(pin)
    if pvki not in ("0", "1", "2", "3", "4", "5", "6"):
        raise PaymentDataError("PVKI", expected="one digit from 0 to 6")
    return decimalize(pvk.encrypt_ecb(bytes.fromhex(pan[-12:-1] + pvki + pin[:4])), 4)


def verify_visa_pvv(pvk: CipherKey, *, pan: str, pvki: str, pin: str, pvv: str) -> None:
    """Raise PINVerificationError unless `pvv` belongs to the PIN; inputs as for `visa_pvv`."""
    check_digits(pvv, field="PVV", minimum=4, maximum=12)
    # A longer value never matches: the API lets clients send up to 12 digits.
    if not compare_digest(visa_pvv(pvk, pan=pan, pvki=pvki, pin=pin), pvv):
        raise PINVerificationError(_MISMATCH)


def ibm3624_natural_pin(
    pvk: CipherKey, *, decimalization_table: str, validation_data: str, size: int = 4
) -> str:
    """
    Return the PIN that IBM 3624 derives from the account.

    Args:
        pvk: the PIN verification key: TDES.
        decimalization_table: the digit for each of the hex digits 0 to F: 16 digits. A weak table
            (few different digits) is taken as it is.
        validation_data: 16 hex digits, already padded: see `pad_validation_data`.
        size: of the PIN, 4 to 12 (16 where a longer one is only an intermediate value).

    Raises:
        PaymentDataError: an input does not have its form.

    Source: IBM 3624 PIN generation. Vectors: pin-verify.json.
    """
    if not 4 <= size <= 16:
        raise PaymentDataError("PIN length", expected="4 to 16")
    enciphered = pvk.encrypt_ecb(_validation_block(validation_data))
    return hexlify(enciphered).translate(_translation(decimalization_table))[:size].decode()


def ibm3624_pin_from_offset(
    pvk: CipherKey, *, decimalization_table: str, validation_data: str, offset: str
) -> str:
    """Return natural PIN + `offset`, digit by digit modulo ten; as long as `offset` (4 to 12)."""
    check_digits(offset, field="PIN offset", minimum=4, maximum=12)
    natural = ibm3624_natural_pin(
        pvk,
        decimalization_table=decimalization_table,
        validation_data=validation_data,
        size=len(offset),
    )
    return "".join([_SUM[a + b] for a, b in zip(natural, offset, strict=True)])


def ibm3624_offset(
    pvk: CipherKey, *, decimalization_table: str, validation_data: str, pin: str
) -> str:
    """Return `pin` - natural PIN, digit by digit modulo ten; as long as `pin` (4 to 12)."""
    check_pin(pin)
    natural = ibm3624_natural_pin(
        pvk,
        decimalization_table=decimalization_table,
        validation_data=validation_data,
        size=len(pin),
    )
    return "".join([_DIFFERENCE[a + b] for a, b in zip(pin, natural, strict=True)])


def ibm3624_random_pin(
    pvk: CipherKey,
    *,
    decimalization_table: str,
    validation_data: str,
    size: int = 4,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> tuple[str, str]:
    """Return a uniform PIN of `size` digits (4 to 12) and its offset, in this order."""
    if not 4 <= size <= 12:
        raise PaymentDataError("PIN length", expected="4 to 12")
    pin = random_digits(size, random_bytes=random_bytes)
    return pin, ibm3624_offset(
        pvk,
        decimalization_table=decimalization_table,
        validation_data=validation_data,
        pin=pin,
    )


def verify_ibm3624(
    pvk: CipherKey, *, decimalization_table: str, validation_data: str, offset: str, pin: str
) -> None:
    """
    Raise PINVerificationError unless `pin` is natural PIN + `offset`.

    An offset longer than the PIN counts with its leftmost digits (our choice).

    Raises:
        PaymentDataError: an input does not have its form, or the offset is shorter than the PIN.
    """
    check_pin(pin)
    check_digits(offset, field="PIN offset", minimum=4, maximum=12)
    if len(offset) < len(pin):
        raise PaymentDataError("PIN offset", expected="at least as many digits as the PIN has")
    expected = ibm3624_pin_from_offset(
        pvk,
        decimalization_table=decimalization_table,
        validation_data=validation_data,
        offset=offset[: len(pin)],
    )
    if not compare_digest(expected, pin):
        raise PINVerificationError(_MISMATCH)


def pad_validation_data(data: str, pad: str) -> str:
    """Return `data` (hex digits, at most 16) filled on the right with the hex digit `pad`."""
    if len(pad) != 1:
        raise PaymentDataError("PIN validation data pad", expected="one hex digit")
    padded = data.ljust(16, pad)
    _validation_block(padded)
    return padded


def _validation_block(validation_data: str) -> bytes:
    # fromhex alone would accept blanks between the bytes.
    if len(validation_data) == 16 and validation_data.isalnum():
        try:
            return bytes.fromhex(validation_data)
        except ValueError:
            pass
    # Raised outside the handler: the inner error would quote the data.
    raise PaymentDataError("PIN validation data", expected="16 hex digits")


@lru_cache(maxsize=64)
def _translation(decimalization_table: str) -> bytes:
    """Return the table as `bytes.translate` wants it; kept, since an issuer has one or two."""
    check_digits(decimalization_table, field="decimalization table", minimum=16, maximum=16)
    return bytes.maketrans(_HEX, decimalization_table.encode())
