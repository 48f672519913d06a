"""
PINs under the LMK: the simulator's own construction, of the captured widths.

Under a variant or DES key block LMK a PIN is L digits, L one more than the longest PIN; under an
AES LMK a letter and 32 hex digits. Either is bound to 12 digits of the account number.
The widths are those clients slice; how a device encrypts is not public.
"""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.hsm.payshield.simulator.lmk import KeyBlockDeviceLMK
from keyferry.hsm.payshield.simulator.lmk_store import AnyLMK
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.settings import Settings

INVALID_PIN: Final = "14"
_SHORTEST: Final = 4
_ROUNDS: Final = 8
_AES_LETTER: Final = "J"


class PinUnderLMK:
    """Seals PINs under one LMK, as the device's settings say."""

    def __init__(self, lmk: AnyLMK, settings: Settings) -> None:
        is_aes = isinstance(lmk, KeyBlockDeviceLMK) and lmk.cipher is Cipher.AES
        self._cipher = CipherKey(Cipher.AES if is_aes else Cipher.TDES, lmk.pin_key())
        self._is_aes = is_aes
        self._clear = settings.clear_test_pins
        self.width = settings.pin_length + 1
        if is_aes and not self._clear:
            self.width = 33

    def seal(self, pin: str, account: str) -> str:
        """Return a PIN of 4 to 12 digits under the LMK, for 12 digits of the account number."""
        if self._clear:
            return f"0{pin}".ljust(self.width, "F")
        if self._is_aes:
            block = f"{len(pin):X}{pin}".ljust(16, "F") + "0000" + account
            return _AES_LETTER + self._cipher.encrypt_ecb(bytes.fromhex(block)).hex().upper()
        number = _permute(self._cipher, account, _number_of(pin), self.width, forward=True)
        return f"{number:0{self.width}d}"

    def open(self, sealed: str, account: str) -> str:
        """Return the clear PIN; refused with 14 where it does not belong to the account number."""
        if len(sealed) != self.width:
            raise CommandRefusedError(INVALID_PIN)
        if self._clear:
            pin = sealed[1:].rstrip("F")
            if sealed[0] != "0" or not pin.isdecimal() or len(pin) < _SHORTEST:
                raise CommandRefusedError(INVALID_PIN)
            return pin
        if self._is_aes:
            return self._open_aes(sealed, account)
        if not sealed.isdecimal():
            raise CommandRefusedError(INVALID_PIN)
        number = _permute(self._cipher, account, int(sealed), self.width, forward=False)
        return _pin_of(number, self.width - 1)

    @staticmethod
    def reference(lmk: AnyLMK, account: str) -> str:
        """Return a reference number of 12 digits for an account number, stable under an LMK."""
        mac = CipherKey(Cipher.TDES, lmk.pin_key()).cmac(b"reference" + account.encode("ascii"))
        return f"{int.from_bytes(mac, 'big') % 10**12:012d}"

    def _open_aes(self, sealed: str, account: str) -> str:
        if sealed[:1] != _AES_LETTER or sealed != sealed.upper():
            raise CommandRefusedError(INVALID_PIN)
        block = self._cipher.decrypt_ecb(bytes.fromhex(sealed[1:])).hex().upper()
        length = int(block[0], 16)
        pin, filling = block[1 : 1 + length], block[1 + length : 16]
        bound = filling == "F" * len(filling) and block[16:] == "0000" + account
        if not bound or not _SHORTEST <= length <= 12 or not pin.isdecimal():
            raise CommandRefusedError(INVALID_PIN)
        return pin


def _number_of(pin: str) -> int:
    """Return the place of a PIN among all PINs of 4 digits and more, shorter ones first."""
    shorter: int = sum(10**size for size in range(_SHORTEST, len(pin)))
    return shorter + int(pin)


def _pin_of(number: int, longest: int) -> str:
    for size in range(_SHORTEST, longest + 1):
        if number < 10**size:
            return f"{number:0{size}d}"
        number -= 10**size
    raise CommandRefusedError(INVALID_PIN)


def _permute(cipher: CipherKey, account: str, number: int, width: int, *, forward: bool) -> int:
    """
    Encrypt or decrypt a number of `width` digits: a Feistel network with CMAC as round function.

    Digits must become digits of the same count, which no block cipher does by itself.
    """
    left_size, right_size = width // 2, width - width // 2
    left_values, right_values = int(10**left_size), int(10**right_size)
    left, right = divmod(number, right_values)
    for index in range(_ROUNDS) if forward else reversed(range(_ROUNDS)):
        # Even rounds change the left half by the right one, odd rounds the reverse.
        changes_left = index % 2 == 0
        source, modulus = (right, left_values) if changes_left else (left, right_values)
        text = f"PIN {index} {account} {source}".encode("ascii")
        mask = int.from_bytes(cipher.cmac(text), "big") % modulus
        mask = mask if forward else -mask
        if changes_left:
            left = (left + mask) % modulus
        else:
            right = (right + mask) % modulus
    return left * right_values + right
