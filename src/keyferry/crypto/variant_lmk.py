"""
payShield's variant method: keys under a variant LMK, and under a ZMK in the old schemes.

The LMK is 20 pairs of single DES keys. The key type picks a pair and XORs a constant into its first
byte; for schemes U and T each 8-byte part of the key is encrypted under the pair with a second
constant in the first byte of its right half, so that the parts cannot be swapped or moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.secret import Secret
from keyferry.errors import DataSizeError, KeySizeError, UnsupportedAlgorithmError

__all__ = ["TEST_LMK", "VariantLMK", "decrypt_under_zmk", "encrypt_under_zmk"]

_PART: Final = 8  # bytes

# XORed into the first byte of the LMK pair, by the first digit of the key type.
_LMK_VARIANTS: Final = (0x00, 0xA6, 0x5A, 0x6A, 0xDE, 0x2B, 0x50, 0x74, 0x9C, 0xFA)

# XORed into the first byte of the right half, for each part of the key.
_SCHEME_VARIANTS: Final = {"U": (0xA6, 0x5A), "T": (0x6A, 0xDE, 0x2B)}
_NO_VARIANT: Final = 0x00

# Bytes of the key by scheme. Z names single DES in scheme fields and leaves no letter in the text.
_SCHEME_SIZES: Final = {"Z": 8, "U": 16, "X": 16, "T": 24, "Y": 24}

# The last two digits of a key type count these pairs: 00 is LMK pair 04-05, 02 is 14-15.
_PAIR_OF_CODE: Final = {f"{code:02X}": code + (2 if code < 2 else 5) for code in range(0x0F)}

_TEST_PAIRS: Final = (
    "01010101010101017902CD1FD36EF8BA",
    "20202020202020203131313131313131",
    "40404040404040405151515151515151",
    "61616161616161617070707070707070",
    "80808080808080809191919191919191",
    "A1A1A1A1A1A1A1A1B0B0B0B0B0B0B0B0",
    "C1C1010101010101D0D0010101010101",
    "E0E0010101010101F1F1010101010101",
    "1C587F1C13924FEF0101010101010101",
    "01010101010101010101010101010101",
    "02020202020202020404040404040404",
    "07070707070707071010101010101010",
    "13131313131313131515151515151515",
    "16161616161616161919191919191919",
    "1A1A1A1A1A1A1A1A1C1C1C1C1C1C1C1C",
    "23232323232323232525252525252525",
    "26262626262626262929292929292929",
    "2A2A2A2A2A2A2A2A2C2C2C2C2C2C2C2C",
    "2F2F2F2F2F2F2F2F3131313131313131",
    "01010101010101010101010101010101",
)


class VariantLMK:
    """A variant LMK: 20 pairs, of which the key type picks one."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Sequence[bytes]) -> None:
        """
        Take the pairs 00-01, 02-03 … 38-39.

        Raises:
            KeySizeError: not 20 pairs of 16 bytes.
        """
        if len(pairs) != 20 or any(len(pair) != 16 for pair in pairs):
            raise KeySizeError("variant LMK: expected 20 pairs of 16 bytes")
        self._pairs = tuple(Secret(pair) for pair in pairs)

    def __repr__(self) -> str:
        return "<VariantLMK: 20 pairs>"

    def encrypt(self, key: bytes, *, key_type: str, scheme: str) -> str:
        """
        Encrypt a key for storage outside the HSM.

        Args:
            key: clear, as long as the scheme says: 8 (Z), 16 (U, X) or 24 bytes (T, Y).
            key_type: 3 characters, e.g. 001 for a ZPK: LMK variant and pair code.
            scheme: U, T, X, Y or Z.

        Returns:
            The wire form: scheme letter (none for Z), then upper-case hex.

        Raises:
            UnsupportedAlgorithmError: no such key type or scheme.
            KeySizeError: the key's length is not the scheme's.

        Vectors: the published examples under the public test LMK.
        """
        return _encrypt(self.pair(key_type), key, scheme)

    def decrypt(self, field: str, *, key_type: str) -> bytes:
        """
        Decrypt the wire form of a key.

        Args:
            field: U or X and 32 hex digits, T or Y and 48; 16 (single DES) or 32 bare ones.
            key_type: 3 characters. Another type than the key was made with decrypts to other bytes:
                nothing but parity tells.

        Raises:
            UnsupportedAlgorithmError: no such key type or scheme.
            DataSizeError: not that many hex digits.
        """
        return _decrypt(self.pair(key_type), field)

    def pair(self, key_type: str) -> bytes:
        """
        Return the pair of a key type, with its LMK variant applied: 16 bytes.

        Raises:
            UnsupportedAlgorithmError: no such key type.
        """
        variant, code = key_type[:1], key_type[1:]
        if len(key_type) != 3 or variant not in "0123456789" or code not in _PAIR_OF_CODE:
            raise UnsupportedAlgorithmError(
                f"key type {key_type[:8]!r}: expected a digit and a pair code 00 to 0E"
            )
        pair = self._pairs[_PAIR_OF_CODE[code]].reveal()
        return _vary(pair, 0, _LMK_VARIANTS[int(variant)])

    def numbered_pair(self, first: int) -> bytes:
        """Return the plain pair that begins with an even LMK number, e.g. 2 for 02-03 (PINs)."""
        if first not in range(0, 40, 2):
            raise UnsupportedAlgorithmError(f"LMK pair {first}: expected an even number 0 to 38")
        return self._pairs[first // 2].reveal()


TEST_LMK: Final = VariantLMK([bytes.fromhex(pair) for pair in _TEST_PAIRS])
"""The public double-length test set (check value 268604). It protects nothing."""


def encrypt_under_zmk(
    zmk: bytes, key: bytes, scheme: str, *, atalla_variant: int | None = None
) -> str:
    """
    Encrypt a key under a ZMK, for another zone.

    Args:
        zmk: 8, 16 or 24 bytes, clear.
        key: clear, as long as the scheme says.
        scheme: X, Y, Z (plain ECB of each part), U or T (with scheme variants).
        atalla_variant: 0 to 31: 8 times it goes into the first byte of each half of the ZMK.
            Only variant 1 is proven by published values.

    Returns:
        The wire form: scheme letter (none for Z), then upper-case hex.

    Raises:
        UnsupportedAlgorithmError: no such scheme or variant, or a scheme variant on a single ZMK.
        KeySizeError: a length is none of those.
    """
    return _encrypt(_vary_atalla(zmk, atalla_variant), key, scheme)


def decrypt_under_zmk(zmk: bytes, field: str, *, atalla_variant: int | None = None) -> bytes:
    """Decrypt a key that came under a ZMK; the inverse of `encrypt_under_zmk`."""
    return _decrypt(_vary_atalla(zmk, atalla_variant), field)


def _encrypt(wrapping_key: bytes, key: bytes, scheme: str) -> str:
    size = _SCHEME_SIZES.get(scheme)
    if size is None:
        raise UnsupportedAlgorithmError(
            f"key scheme {scheme[:4]!r}: expected one of {', '.join(_SCHEME_SIZES)}"
        )
    if len(key) != size:
        raise KeySizeError(f"key of {len(key)} bytes: expected {size} for scheme {scheme}")
    variants = _SCHEME_VARIANTS.get(scheme, (_NO_VARIANT,) * (size // _PART))
    parts = (key[start : start + _PART] for start in range(0, size, _PART))
    wrapped = b"".join(
        CipherKey(Cipher.TDES, _vary(wrapping_key, _PART, variant)).encrypt_ecb(part)
        for variant, part in zip(variants, parts, strict=True)
    )
    return ("" if scheme == "Z" else scheme) + wrapped.hex().upper()


def _decrypt(wrapping_key: bytes, field: str) -> bytes:
    scheme, digits = (field[:1], field[1:]) if field[:1] in _SCHEME_SIZES else ("", field)
    sizes = (_SCHEME_SIZES[scheme],) if scheme else (8, 16)
    expected = " or ".join(str(2 * size) for size in sizes)
    if scheme == "Z" or len(digits) not in {2 * size for size in sizes}:
        raise DataSizeError(
            f"encrypted key of {len(field)} characters: expected U, T, X or Y and its digits,"
            f" or {expected} bare ones"
        )
    if not set(digits) <= set("0123456789ABCDEFabcdef"):
        raise DataSizeError("encrypted key: expected hex digits")
    wrapped = bytes.fromhex(digits)
    count = len(wrapped) // _PART
    variants = _SCHEME_VARIANTS.get(scheme, (_NO_VARIANT,) * count)
    parts = (wrapped[start : start + _PART] for start in range(0, len(wrapped), _PART))
    return b"".join(
        CipherKey(Cipher.TDES, _vary(wrapping_key, _PART, variant)).decrypt_ecb(part)
        for variant, part in zip(variants, parts, strict=True)
    )


def _vary(key: bytes, offset: int, variant: int) -> bytes:
    """XOR `variant` into the byte at `offset`; variant 0 changes nothing and needs no such byte."""
    if variant == _NO_VARIANT:
        return key
    if offset >= len(key):
        raise UnsupportedAlgorithmError(
            f"scheme variant on a wrapping key of {len(key)} bytes: expected 16 or 24"
        )
    return key[:offset] + bytes([key[offset] ^ variant]) + key[offset + 1 :]


def _vary_atalla(zmk: bytes, atalla_variant: int | None) -> bytes:
    if len(zmk) not in (8, 16, 24):
        raise KeySizeError(f"ZMK of {len(zmk)} bytes: expected 8, 16 or 24")
    if atalla_variant is None:
        return zmk
    if not 0 <= atalla_variant <= 31:
        raise UnsupportedAlgorithmError(f"Atalla variant {atalla_variant}: expected 0 to 31")
    for start in range(0, len(zmk), _PART):
        zmk = _vary(zmk, start, 8 * atalla_variant)
    return zmk
