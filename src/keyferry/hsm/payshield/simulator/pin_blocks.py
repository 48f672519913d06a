"""PIN blocks by their format code: out of a block under a key, and into one."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encrypt_pin_block
from keyferry.errors import (
    DataSizeError,
    PaymentDataError,
    PINBlockError,
    UnsupportedAlgorithmError,
)
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.values import Values

BAD_BLOCK: Final = "20"
BAD_ACCOUNT: Final = "22"
UNKNOWN_FORMAT: Final = "23"
PIN_LENGTH: Final = "24"
FORMAT_DISABLED: Final = "69"

ISO: Final = {
    "01": PINBlockFormat.ISO_0,
    "05": PINBlockFormat.ISO_1,
    "47": PINBlockFormat.ISO_3,
    "48": PINBlockFormat.ISO_4,
}
DIEBOLD: Final = "03"  # the PIN, filled with F; no account in it
_SHORTEST, _LONGEST = 4, 12


def check_format(key: CipherKey, code: str) -> None:
    """Refuse a format before any block is opened: 23 not for this key, 69 disabled."""
    if code not in ISO and code != DIEBOLD:
        raise CommandRefusedError(FORMAT_DISABLED)
    size = ISO[code].block_size if code in ISO else 8
    if key.block_size != size:
        raise CommandRefusedError(UNKNOWN_FORMAT)


def read_block(key: CipherKey, code: str, block: str, pan: str) -> str:
    """
    Return the PIN of a block in hexadecimal.

    Args:
        key: opens it.
        code: of the format.
        block: 16 or 32 hex characters.
        pan: the account number with its check digit, which only ISO 4 looks at.

    Raises:
        CommandRefusedError: 20, it does not open; 23, the format is not for this key; 69, the
            format is disabled; 22, no account number.
    """
    pin_format = ISO.get(code)
    raw = bytes.fromhex(block)
    if pin_format is None:
        if code != DIEBOLD:
            raise CommandRefusedError(FORMAT_DISABLED)
        return _read_diebold(key, raw)
    try:
        return decrypt_pin_block(key, pin_format, raw, pan)
    except PINBlockError as error:
        raise CommandRefusedError(BAD_BLOCK) from error
    except (UnsupportedAlgorithmError, DataSizeError) as error:
        raise CommandRefusedError(UNKNOWN_FORMAT) from error
    except PaymentDataError as error:
        raise CommandRefusedError(BAD_ACCOUNT) from error


def write_block(key: CipherKey, code: str, pin: str, pan: str) -> str:
    """Return a PIN in a block under a key, in hexadecimal; refused as `read_block` refuses."""
    pin_format = ISO.get(code)
    if pin_format is None:
        if code != DIEBOLD:
            raise CommandRefusedError(FORMAT_DISABLED)
        if key.block_size != 8:
            raise CommandRefusedError(UNKNOWN_FORMAT)
        return key.encrypt_ecb(bytes.fromhex(pin.ljust(16, "F"))).hex().upper()
    try:
        return encrypt_pin_block(key, pin_format, pin, pan).hex().upper()
    except UnsupportedAlgorithmError as error:
        raise CommandRefusedError(UNKNOWN_FORMAT) from error
    except PaymentDataError as error:
        raise CommandRefusedError(BAD_ACCOUNT) from error


def _read_diebold(key: CipherKey, block: bytes) -> str:
    if key.block_size != len(block):
        raise CommandRefusedError(UNKNOWN_FORMAT)
    text = key.decrypt_ecb(block).hex().upper()
    pin = text.rstrip("F")
    if not _SHORTEST <= len(pin) <= _LONGEST or not pin.isdecimal():
        raise CommandRefusedError(BAD_BLOCK)
    return pin


def pan_of(values: Values, name: str = "account") -> str:
    """
    Return the account number of a request as the formats take it.

    Twelve digits are what the formats use of a PAN; the check digit nobody looks at is added.
    """
    whole = values.get("pan")
    return whole if isinstance(whole, str) else f"{values[name]}0"


def account_of(values: Values) -> str:
    """Return the 12 rightmost digits of the account number without its check digit."""
    return pan_of(values)[-13:-1].rjust(12, "0")
