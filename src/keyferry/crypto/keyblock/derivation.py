"""KBEK and KBAK: the two keys a version uses instead of the KBPK itself (X9.143-2021, 7)."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from keyferry.crypto.ciphers import Cipher, expand_tdes_key
from keyferry.crypto.keyblock.fields import BlockVersion

__all__ = ["derive_keys"]

_ENCRYPTION_VARIANT: Final = 0x45
_MAC_VARIANT: Final = 0x4D

# Bytes 1 and 2 of the derivation string: what the derived key is for.
_FOR_CBC: Final = bytes.fromhex("0000")
_FOR_MAC: Final = bytes.fromhex("0001")
_FOR_CTR: Final = bytes.fromhex("0002")

# Bytes 4 to 7: algorithm and bits of the derived key, which are those of the KBPK.
_KINDS: Final = {
    (Cipher.TDES, 16): bytes.fromhex("00000080"),
    (Cipher.TDES, 24): bytes.fromhex("000100C0"),
    (Cipher.AES, 16): bytes.fromhex("00020080"),
    (Cipher.AES, 24): bytes.fromhex("000300C0"),
    (Cipher.AES, 32): bytes.fromhex("00040100"),
}


def _strings(cipher: Cipher, size: int, purpose: bytes) -> tuple[bytes, ...]:
    """Return the derivation strings of one key, one for each CMAC, counted from 1."""
    calls = -(-size // cipher.block_size)
    return tuple(
        bytes([counter]) + purpose + b"\x00" + _KINDS[cipher, size]
        for counter in range(1, calls + 1)
    )


# The strings of KBEK and KBAK, by bytes of the KBPK and version.
_STRINGS: Final = {
    (size, version): (
        _strings(cipher, size, _FOR_CTR if version == "E" else _FOR_CBC),
        _strings(cipher, size, _FOR_MAC),
    )
    for cipher, size in _KINDS
    for version in BlockVersion
    if version.cipher is cipher and not version.is_legacy
}


def derive_keys(cipher: Cipher, kbpk: bytes, version: BlockVersion) -> tuple[bytes, bytes]:
    """
    Return KBEK and KBAK.

    Args:
        cipher: of the KBPK; `version.cipher` is the same.
        kbpk: 16 or 24 bytes (TDES), 16, 24 or 32 (AES), clear.

    Returns:
        Two keys of the KBPK's size, without parity adjustment.
    """
    size = len(kbpk)
    if version.is_legacy:
        number = int.from_bytes(kbpk)
        return (
            (number ^ int.from_bytes(bytes([_ENCRYPTION_VARIANT]) * size)).to_bytes(size),
            (number ^ int.from_bytes(bytes([_MAC_VARIANT]) * size)).to_bytes(size),
        )
    algorithm = AES(kbpk) if cipher is Cipher.AES else TripleDES(expand_tdes_key(kbpk))
    for_encryption, for_mac = _STRINGS[size, version]
    return _concatenate(algorithm, for_encryption, size), _concatenate(algorithm, for_mac, size)


def _concatenate(algorithm: AES | TripleDES, strings: tuple[bytes, ...], size: int) -> bytes:
    """Return the leftmost `size` bytes of the CMACs of the strings."""
    # The library's CMAC, not that of `CipherKey`: a KBPK derives twice in its life, so contexts
    # and subkeys of its own would never pay off.
    macs = b""
    for string in strings:
        mac = CMAC(algorithm)
        mac.update(string)
        macs += mac.finalize()
    return macs[:size]
