"""Decimal digits: how PANs and PINs are checked, and how cipher output becomes digits."""

from __future__ import annotations

import os
from binascii import hexlify
from collections.abc import Callable

from keyferry.errors import PaymentDataError

__all__ = [
    "PAN_MAXIMUM",
    "PAN_MINIMUM",
    "check_digits",
    "check_pan",
    "check_pin",
    "decimalize",
    "random_digits",
]

PAN_MAXIMUM = 19  # ISO/IEC 7812-1
PAN_MINIMUM = 12  # ISO 9564-1, 9.3.2: eleven digits and the check digit is the least we meet

_LETTERS = b"abcdef"
_DIGITS = b"0123456789"
_LETTERS_TO_DIGITS = bytes.maketrans(_LETTERS, b"012345")
# 250 is the largest multiple of ten a byte holds: larger bytes are dropped, so that each digit
# is equally likely.
_BYTE_TO_DIGIT = bytes(0x30 + value % 10 for value in range(256))
_BIASED_FOR_DIGITS = bytes(range(250, 256))


def check_digits(text: str, *, field: str, minimum: int, maximum: int) -> None:
    """
    Raise PaymentDataError unless `text` is `minimum` to `maximum` ASCII digits.

    The message names the field and the rule, never the value.
    """
    # isascii first: isdigit alone is true for superscripts and the digits of other scripts.
    if not (minimum <= len(text) <= maximum and text.isascii() and text.isdigit()):
        count = str(minimum) if minimum == maximum else f"{minimum} to {maximum}"
        raise PaymentDataError(field, expected=f"{count} decimal digits")


def check_pan(pan: str, *, minimum: int = PAN_MINIMUM) -> None:
    """Raise PaymentDataError unless `pan` is a PAN; its check digit is not recomputed."""
    # As check_digits, without the call: every request checks a PAN.
    if not (minimum <= len(pan) <= PAN_MAXIMUM and pan.isascii() and pan.isdigit()):
        raise PaymentDataError("PAN", expected=f"{minimum} to {PAN_MAXIMUM} decimal digits")


def check_pin(pin: str) -> None:
    """Raise PaymentDataError unless `pin` is 4 to 12 digits (ISO 9564-1, 8.1)."""
    if not (4 <= len(pin) <= 12 and pin.isascii() and pin.isdigit()):
        raise PaymentDataError("PIN", expected="4 to 12 decimal digits")


def decimalize(block: bytes, count: int) -> str:
    """
    Return the first `count` digits of `block`, in two passes over its hexadecimal form.

    The first pass takes the digits 0 to 9 in order; the second, needed when they are too few,
    takes the letters as A = 0 to F = 5. `block` must hold `count` hexadecimal characters.

    Source: Visa PVV and CVV; ISO/IEC 7813 users know it as "decimalization".
    """
    text = hexlify(block)
    digits = text.translate(None, _LETTERS)
    if len(digits) < count:
        digits += text.translate(_LETTERS_TO_DIGITS, _DIGITS)
    return digits[:count].decode()


def random_digits(count: int, *, random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """Return `count` uniform decimal digits."""
    digits = b""
    while len(digits) < count:
        digits += random_bytes(count + 4).translate(_BYTE_TO_DIGIT, _BIASED_FOR_DIGITS)
    return digits[:count].decode()
