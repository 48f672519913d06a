"""
The key block protection key: wraps a key into a block, unwraps a block into a key.

The payload of a block is `key length in bits (2 bytes) ‖ key ‖ random padding`. Its protection
depends on the version (X9.143-2021, 7): A and C encrypt under a variant of the KBPK and MAC the
ciphertext under another; B, D and E MAC the clear payload under one derived key and encrypt it
under another with the MAC as IV.
"""

from __future__ import annotations

import binascii
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final, NoReturn

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.keyblock.derivation import derive_keys
from keyferry.crypto.keyblock.fields import BlockVersion
from keyferry.crypto.keyblock.header import LONGEST_BLOCK, KeyBlockHeader
from keyferry.crypto.secret import Secret
from keyferry.errors import (
    DataSizeError,
    KeyBlockAuthenticationError,
    KeySizeError,
    MalformedKeyBlockError,
    UnsupportedKeyBlockError,
)

__all__ = ["KBPK", "UnwrappedKey"]

_LENGTH_BYTES: Final = 2
_LONGEST_KEY: Final = 0xFFFF // 8  # bytes: two bytes count the bits
# Looking a member up on its class runs Python code up to 3.11; these are asked for every block.
_B: Final = BlockVersion.B
_D: Final = BlockVersion.D
_E: Final = BlockVersion.E
_KBPK_SIZES: Final = {Cipher.TDES: (16, 24), Cipher.AES: (16, 24, 32)}


@dataclass(frozen=True, slots=True)
class UnwrappedKey:
    """A key and the header that was authenticated with it."""

    header: KeyBlockHeader
    key: bytes = field(repr=False, hash=False)


class KBPK:
    """
    A key block protection key, opened.

    It derives the two keys of a block version when that version is first used and keeps them with
    their cipher contexts, so that the second block costs a fraction of the first. It may be shared
    between threads, which then take turns (see `CipherKey`).
    """

    __slots__ = ("_derived", "_key", "cipher", "size")

    def __init__(self, cipher: Cipher, key: bytes) -> None:
        """
        Open a KBPK.

        Args:
            cipher: TDES protects blocks of version A, B and C, AES those of D and E.
            key: clear; 16 or 24 bytes for TDES, 16, 24 or 32 for AES.

        Raises:
            KeySizeError: `key` has another length. Single DES is too weak to wrap with.
        """
        sizes = _KBPK_SIZES[cipher]
        if len(key) not in sizes:
            expected = ", ".join(map(str, sizes[:-1]))
            raise KeySizeError(
                f"{cipher.name} KBPK of {len(key)} bytes: expected {expected} or {sizes[-1]}"
            )
        self.cipher = cipher
        self.size = len(key)
        self._key = Secret(key)
        self._derived: dict[BlockVersion, tuple[CipherKey, CipherKey]] = {}

    def __repr__(self) -> str:
        return f"<KBPK: {self.cipher.name}, {self.size} bytes>"

    def derive(self, version: BlockVersion) -> tuple[bytes, bytes]:
        """
        Return KBEK and KBAK, the encryption and the MAC key of a version, as clear bytes.

        Raises:
            UnsupportedKeyBlockError: the version wants a KBPK of the other cipher.
        """
        if version.cipher is not self.cipher:
            raise UnsupportedKeyBlockError(
                f"key block version {version} wants {_article(version.cipher)} KBPK,"
                f" this one is {self.cipher.name}"
            )
        return derive_keys(self.cipher, self._key.reveal(), version)

    def wrap(
        self,
        header: KeyBlockHeader,
        key: bytes,
        *,
        masked_bytes: int | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
        allow_legacy: bool = False,
    ) -> str:
        """
        Wrap a key.

        Whether the KBPK is strong enough for the key is a rule of `keys`, not of the block.

        Args:
            header: says the version; its length is computed anew.
            key: 1 to 8191 bytes, clear; RSA and EC private keys as DER.
            masked_bytes: pad as if the key had at least this many bytes, which hides its length;
                by default the longest key of the algorithm (TDES 24, AES 32, HMAC 64); 0 hides
                nothing.
            random_bytes: where the padding comes from.
            allow_legacy: let versions A and C be written.

        Returns:
            The block, upper-case.

        Raises:
            UnsupportedKeyBlockError: a legacy version unasked, or one for the other cipher.
            KeySizeError: `key` is empty or too long.
            MalformedKeyBlockError: the block would be longer than 9999 characters.
        """
        version = header.version
        if version.is_legacy and not allow_legacy:
            raise UnsupportedKeyBlockError(
                f"key block version {version} is legacy and not written",
                hint="version B does what A and C do, safely",
            )
        kbek, kbak = self._derived.get(version) or self._open(version)
        size = len(key)
        if not 0 < size <= _LONGEST_KEY:
            raise KeySizeError(f"key of {size} bytes: expected 1 to {_LONGEST_KEY}")
        if masked_bytes is None:
            masked_bytes = header.algorithm.hidden_bytes
        payload_bytes = _LENGTH_BYTES + (size if size > masked_bytes else masked_bytes)
        payload_bytes += -payload_bytes % version.payload_alignment
        text = header.encode_before(2 * (payload_bytes + version.mac_bytes))
        padding_bytes = payload_bytes - _LENGTH_BYTES - size
        padding = random_bytes(padding_bytes)
        if len(padding) != padding_bytes:
            raise DataSizeError(f"random padding of {len(padding)} bytes: expected {padding_bytes}")
        payload = (8 * size).to_bytes(_LENGTH_BYTES) + key + padding
        bound = text.encode("ascii")
        if version is _D or version is _B:
            mac = kbak.cmac(bound + payload)
            ciphertext = kbek.encrypt_cbc(payload, mac)
        elif version is _E:
            mac = kbak.cmac(bound + payload)
            ciphertext = kbek.encrypt_ctr(payload, mac)
        else:
            ciphertext = kbek.encrypt_cbc(payload, bound[:8])
            mac = _legacy_mac(kbak, bound + ciphertext)
        return text + (ciphertext + mac).hex().upper()

    def unwrap(self, block: str) -> UnwrappedKey:
        """
        Open a block: check its form, then its MAC, and only then look at the payload.

        Raises:
            MalformedKeyBlockError: the text is not a key block, by form or, once authenticated, by
                a key length that does not fit.
            UnsupportedKeyBlockError: a vendor's version, or one for a KBPK of the other cipher.
            KeyBlockAuthenticationError: another KBPK, or a changed block.

        Source: X9.143-2021, 6 and 7. Vectors: tr31.json.
        """
        if len(block) > LONGEST_BLOCK or not (block.isascii() and block.isprintable()):
            _refuse_text(block)
        header, end = KeyBlockHeader.read(block)
        if header.length != len(block):
            raise MalformedKeyBlockError(
                "length", offset=1, expected=f"{len(block):04}, the characters of the block"
            )
        version = header.version
        try:
            body = binascii.unhexlify(block[end:])
        except binascii.Error:
            _refuse_hex(block, end)
        ciphertext, mac = body[: -version.mac_bytes], body[-version.mac_bytes :]
        payload_bytes = len(ciphertext)
        if payload_bytes <= _LENGTH_BYTES or payload_bytes % version.payload_alignment:
            raise MalformedKeyBlockError(
                "ciphertext",
                offset=end,
                expected=f"whole blocks of {version.payload_alignment} bytes before a MAC of"
                f" {version.mac_bytes}, found {max(len(body) - version.mac_bytes, 0)}",
            )
        kbek, kbak = self._derived.get(version) or self._open(version)
        bound = block[:end].encode("ascii")
        if version is _D or version is _B:
            payload = kbek.decrypt_cbc(ciphertext, mac)
            expected = kbak.cmac(bound + payload)
        elif version is _E:
            payload = kbek.encrypt_ctr(ciphertext, mac)
            expected = kbak.cmac(bound + payload)
        else:
            payload = b""
            expected = _legacy_mac(kbak, bound + ciphertext)
        # Nothing of the payload may be looked at, and no error may tell more than this one, before
        # the MAC is right: the difference would be an oracle.
        if not compare_digest(expected, mac):
            raise KeyBlockAuthenticationError
        if version.is_legacy:
            payload = kbek.decrypt_cbc(ciphertext, bound[:8])
        bits = int.from_bytes(payload[:_LENGTH_BYTES])
        if bits == 0 or bits % 8 or bits // 8 > payload_bytes - _LENGTH_BYTES:
            raise MalformedKeyBlockError(
                "key length",
                offset=end,
                expected=f"whole bytes, 1 to {payload_bytes - _LENGTH_BYTES}",
            )
        return UnwrappedKey(header, payload[_LENGTH_BYTES : _LENGTH_BYTES + bits // 8])

    def _open(self, version: BlockVersion) -> tuple[CipherKey, CipherKey]:
        """Derive KBEK and KBAK of a version, open both and keep them."""
        kbek, kbak = self.derive(version)
        opened = CipherKey(self.cipher, kbek), CipherKey(self.cipher, kbak)
        self._derived[version] = opened
        return opened


def _legacy_mac(kbak: CipherKey, data: bytes) -> bytes:
    """Return the leftmost 4 bytes of the CBC-MAC of whole blocks, TDES on every block."""
    return kbak.encrypt_cbc(data, bytes(8))[-8:-4]


def _article(cipher: Cipher) -> str:
    return f"an {cipher.name}" if cipher is Cipher.AES else f"a {cipher.name}"


def _refuse_text(block: str) -> NoReturn:
    if len(block) > LONGEST_BLOCK:
        raise MalformedKeyBlockError(
            "length", offset=1, expected=f"at most {LONGEST_BLOCK} characters, found {len(block)}"
        )
    offset = next(i for i, c in enumerate(block) if not (c.isascii() and c.isprintable()))
    raise MalformedKeyBlockError("character", offset=offset, expected="printable ASCII")


def _refuse_hex(block: str, start: int) -> NoReturn:
    for offset in range(start, len(block)):
        if block[offset] not in "0123456789abcdefABCDEF":
            raise MalformedKeyBlockError("ciphertext and MAC", offset=offset, expected="hex digits")
    raise MalformedKeyBlockError(
        "ciphertext and MAC", offset=start, expected="an even number of hex digits"
    )
