"""KBEK and KBAK: the two keys a version uses instead of the KBPK itself (X9.143-2021, 7)."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
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


# All strings of a version (KBEK first, then KBAK), by cipher, KBPK bytes and purpose of the KBEK.
_STRINGS: Final = {
    (cipher, size, purpose): _strings(cipher, size, purpose) + _strings(cipher, size, _FOR_MAC)
    for cipher, size in _KINDS
    for purpose in (_FOR_CBC, _FOR_CTR)
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
    purpose = _FOR_CTR if version is BlockVersion.E else _FOR_CBC
    strings = _STRINGS[cipher, size, purpose]
    macs = CipherKey(cipher, kbpk).cmac_single_blocks(strings)
    half = len(macs) // 2
    return macs[:size], macs[half : half + size]
