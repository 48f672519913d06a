"""
Decimalisation tables: in clear, enciphered under the LMK, or in user storage.

How a device enciphers them is not public; the simulator uses the key that encrypts PINs.
"""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.hsm.payshield.simulator.call import Call
from keyferry.hsm.payshield.simulator.lmk import KeyBlockDeviceLMK
from keyferry.hsm.payshield.simulator.lmk_store import AnyLMK
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

BAD_TABLE: Final = "25"
_DIFFERENT_DIGITS: Final = 8
_AES_MARK: Final = "L"
_STORED_MARK: Final = "K"


def table_of(call: Call) -> str:
    """
    Return the decimalisation table of a request in clear: 16 digits.

    Refused with 25 where it is none or a weak one, with 12 or 21 where storage has none.
    """
    field = call.values.text("table")
    if field[0] == _STORED_MARK:
        stored = call.device.state.user_storage.get(field[1:].upper())
        if stored is None:
            raise CommandRefusedError("12")
        field = bytes.fromhex(stored).decode("latin-1")
    if call.settings.encrypted_tables:
        field = open_table(call.lmk, field)
    return check_table(field)


def check_table(table: str) -> str:
    """Return a table if it is one that does not make PINs guessable; else refused with 25."""
    sound = len(table) == 16 and table.isascii() and table.isdecimal()
    if not sound or len(set(table)) < _DIFFERENT_DIGITS:
        raise CommandRefusedError(BAD_TABLE)
    return table


def seal_table(lmk: AnyLMK, table: str) -> str:
    """Encipher a table: 16 hex characters, or L and 32 under an AES LMK."""
    key, is_aes = _key(lmk)
    if is_aes:
        return _AES_MARK + key.encrypt_ecb(table.encode("ascii")).hex().upper()
    return key.encrypt_ecb(bytes.fromhex(table)).hex().upper()


def open_table(lmk: AnyLMK, field: str) -> str:
    """Decipher a table; what comes out is still to be checked."""
    key, is_aes = _key(lmk)
    if is_aes is not (field[:1] == _AES_MARK):
        raise CommandRefusedError(BAD_TABLE)
    try:
        raw = bytes.fromhex(field[1:] if is_aes else field)
    except ValueError as error:
        raise CommandRefusedError(BAD_TABLE) from error
    if len(raw) != key.block_size:
        raise CommandRefusedError(BAD_TABLE)
    clear = key.decrypt_ecb(raw)
    return clear.decode("latin-1") if is_aes else clear.hex().upper()


def _key(lmk: AnyLMK) -> tuple[CipherKey, bool]:
    is_aes = isinstance(lmk, KeyBlockDeviceLMK) and lmk.cipher is Cipher.AES
    return CipherKey(Cipher.AES if is_aes else Cipher.TDES, lmk.pin_key()), is_aes
