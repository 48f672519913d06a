"""
The Master File Key: bare cryptograms under variants of a TDES key.

Modifier m puts m × 8 into the first byte of each 8-byte part by XOR. Public for m from 0 to 4;
above that it is inferred.
"""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.keyblock import KBPK

CRYPTOGRAM_CHARACTERS: Final = (16, 32, 48)
PEK_MODIFIER: Final = 1
CVK_MODIFIER: Final = 3  # inferred: the place Atalla, whose numbering this is, gives it
PVK_MODIFIER: Final = 4
KEK_MODIFIER: Final = 0


def variant(key: bytes, modifier: int) -> bytes:
    """Return a TDES key under a modifier, 0 to 9."""
    out = bytearray(key)
    for start in range(0, len(out), 8):
        out[start] ^= 8 * modifier
    return bytes(out)


class MFK:
    """A TDES master key, opened."""

    def __init__(self, key: bytes) -> None:
        self._variants = {
            modifier: CipherKey(Cipher.TDES, variant(key, modifier)) for modifier in range(10)
        }
        self.kbpk = KBPK(Cipher.TDES, key)

    def __repr__(self) -> str:
        return "<MFK>"

    def encrypt(self, key: bytes, modifier: int) -> str:
        """Return a key as a cryptogram in hex."""
        return self._variants[modifier].encrypt_ecb(key).hex().upper()

    def decrypt(self, cryptogram: str, modifier: int) -> bytes:
        """Open a cryptogram; a wrong modifier gives another key, not an error."""
        return self._variants[modifier].decrypt_ecb(bytes.fromhex(cryptogram))


def wrap_under_kek(kek: bytes, key: bytes, modifier: int) -> str:
    """Return a key as a cryptogram under a variant of a KEK."""
    opened = CipherKey(Cipher.TDES, variant(kek, modifier))
    return opened.encrypt_ecb(key).hex().upper()


def unwrap_from_kek(kek: bytes, cryptogram: str, modifier: int) -> bytes:
    """Open a cryptogram under a variant of a KEK."""
    opened = CipherKey(Cipher.TDES, variant(kek, modifier))
    return opened.decrypt_ecb(bytes.fromhex(cryptogram))


def is_cryptogram(text: str) -> bool:
    """Whether a key value has the form of a bare cryptogram."""
    return len(text) in CRYPTOGRAM_CHARACTERS and not set(text) - set("0123456789ABCDEFabcdef")
