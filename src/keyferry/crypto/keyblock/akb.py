"""
Atalla key blocks (AKB): `HHHHHHHH,<key field in hex>,<MAC in hex>` under a master file key (MFK).

The construction for a TDES MFK is that of public tools and captures, recomputed over four of their
vectors. How an AES MFK wraps (version 3) is not public: such a block is parsed and never opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hmac import compare_digest
from typing import Final, NoReturn, Self

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.secret import Secret
from keyferry.errors import (
    KeyBlockAuthenticationError,
    KeySizeError,
    MalformedKeyBlockError,
    UnsupportedKeyBlockError,
)

__all__ = ["AKB", "MFK", "AKBHeader", "AKBVersion", "UnwrappedAKB"]

HEADER_CHARACTERS: Final = 8
MAC_CHARACTERS: Final = 16
LONGEST_FIELD: Final = 2 * 8192  # hex characters: an RSA-8192 private key in DER stays below

_BLOCK: Final = 8
_KEY_BYTES: Final = 24
_ENCRYPTION_VARIANT: Final = 0x45
_MAC_VARIANT: Final = 0x4D
_DOUBLE_FILL: Final = b"\x44" * 8  # after a 16-byte key
_SINGLE_FILL: Final = b"\x53" * 16  # after an 8-byte key

# The letters each place may have; what they mean is the table of the migration guide.
_USAGES: Final = frozenset("ABCDGIJKMPRSTVbcdikmnpsw")
_MODES: Final = frozenset("NEDGVIXRp")
_EXPORTABILITIES: Final = frozenset("ENS")
_HEX: Final = frozenset("0123456789ABCDEFabcdef")


class AKBVersion(StrEnum):
    """Under which kind of MFK a block is."""

    TDES_MFK = "1"
    AES_MFK = "3"


@dataclass(frozen=True, slots=True, kw_only=True)
class AKBHeader:
    """The 8 characters that open every AKB, one meaning each."""

    version: AKBVersion = AKBVersion.TDES_MFK
    usage: str  # e.g. K key encryption key, k TR-31/TR-34 wrapping key, P PIN encryption
    algorithm: str  # e.g. D DES/TDES, R RSA, U unspecified
    mode: str = "N"  # N no restriction, E encrypt, D decrypt, G generate, V verify, ...
    exportability: str = "E"  # E under a trusted key, S also under an untrusted one, N not
    special: str = "0"  # e.g. I: a KEK that only imports working keys
    other: str = "0"  # e.g. the MAC algorithm of a MAC key

    def __post_init__(self) -> None:
        if self.usage not in _USAGES:
            _refuse("key usage", 1, "a letter of the usage table")
        if len(self.algorithm) != 1 or not _is_alphanumeric(self.algorithm):
            _refuse("algorithm", 2, "a letter or digit")
        if self.mode not in _MODES:
            _refuse("mode", 3, "one of N, E, D, G, V, I, X, R, p")
        if self.exportability not in _EXPORTABILITIES:
            _refuse("exportability", 4, "E, N or S")
        for name, offset, value in (
            ("special handling", 6, self.special),
            ("other", 7, self.other),
        ):
            if len(value) != 1 or not _is_alphanumeric(value):
                _refuse(name, offset, "a letter or digit")

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read a header.

        Raises:
            MalformedKeyBlockError: not 8 characters, or one that its place does not know.
        """
        if len(text) != HEADER_CHARACTERS:
            _refuse("header", 0, f"{HEADER_CHARACTERS} characters")
        if text[0] not in {version.value for version in AKBVersion}:
            _refuse("version", 0, "1 or 3")
        if text[5] != "0":
            _refuse("reserved", 5, "0")
        return cls(
            version=AKBVersion(text[0]),
            usage=text[1],
            algorithm=text[2],
            mode=text[3],
            exportability=text[4],
            special=text[6],
            other=text[7],
        )

    def encode(self) -> str:
        """Write the header; the inverse of `parse`."""
        return (
            f"{self.version}{self.usage}{self.algorithm}{self.mode}{self.exportability}"
            f"0{self.special}{self.other}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AKB:
    """A parsed AKB; nothing in it is verified."""

    header: AKBHeader
    key_field: bytes = field(repr=False)  # encrypted, or a clear RSA public key
    mac: bytes = field(repr=False)  # 8 bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read an AKB; white space around it is ignored.

        Raises:
            MalformedKeyBlockError: not three parts, or one of them is malformed.
        """
        parts = text.strip().split(",")
        if len(parts) != 3:
            _refuse("parts", 0, "header, key field and MAC, separated by commas")
        head, key_field, mac = parts
        header = AKBHeader.parse(head)
        offset = HEADER_CHARACTERS + 1
        if not 0 < len(key_field) <= LONGEST_FIELD or len(key_field) % 2 or set(key_field) - _HEX:
            _refuse("key field", offset, "hexadecimal bytes")
        if len(mac) != MAC_CHARACTERS or set(mac) - _HEX:
            _refuse("MAC", offset + len(key_field) + 1, f"{MAC_CHARACTERS} hexadecimal characters")
        return cls(header=header, key_field=bytes.fromhex(key_field), mac=bytes.fromhex(mac))

    def encode(self) -> str:
        """Write the AKB; hex in upper case."""
        return f"{self.header.encode()},{self.key_field.hex().upper()},{self.mac.hex().upper()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwrappedAKB:
    """A key and the header that was authenticated with it."""

    header: AKBHeader
    key: bytes = field(repr=False, hash=False)


class MFK:
    """
    A TDES master file key, opened; a KEK wraps in the same way.

    It may be shared between threads, which then take turns (see `CipherKey`).
    """

    __slots__ = ("_encryption", "_key", "_mac", "size")

    def __init__(self, key: bytes) -> None:
        """
        Open an MFK of 16 or 24 bytes.

        Raises:
            KeySizeError: `key` has another length.
        """
        if len(key) not in (16, 24):
            raise KeySizeError(f"MFK of {len(key)} bytes: expected 16 or 24")
        self.size = len(key)
        self._key = Secret(key)
        self._encryption = CipherKey(Cipher.TDES, _variant(key, _ENCRYPTION_VARIANT))
        self._mac = CipherKey(Cipher.TDES, _variant(key, _MAC_VARIANT))

    def __repr__(self) -> str:
        return f"<MFK: TDES, {self.size} bytes>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an opened key is not pickled or copied")

    def wrap(self, header: AKBHeader, key: bytes) -> str:
        """
        Wrap a DES or TDES key of 8, 16 or 24 bytes; its parity stays as it is.

        Raises:
            KeySizeError: `key` has another length, or ends in what marks a shorter one.
            UnsupportedKeyBlockError: the header is of a version we cannot make.
        """
        fills = {8: _SINGLE_FILL, 16: _DOUBLE_FILL, _KEY_BYTES: b""}
        if len(key) not in fills:
            raise KeySizeError(f"key of {len(key)} bytes: expected 8, 16 or 24")
        plain = key + fills[len(key)]
        if _strip(plain) != key:
            raise KeySizeError("this key could not be told from a shorter one in an AKB")
        return self._seal(header, self._encryption.encrypt_cbc(plain, _iv(header)))

    def unwrap(self, text: str) -> UnwrappedAKB:
        """
        Open what `wrap` made: MAC first, then the key.

        Raises:
            MalformedKeyBlockError: it is no AKB of a symmetric key.
            UnsupportedKeyBlockError: it is under an AES MFK.
            KeyBlockAuthenticationError: the MAC does not verify.
        """
        akb = self.authenticate(text)
        if len(akb.key_field) != _KEY_BYTES:
            _refuse("key field", HEADER_CHARACTERS + 1, f"{_KEY_BYTES} bytes")
        plain = self._encryption.decrypt_cbc(akb.key_field, _iv(akb.header))
        return UnwrappedAKB(header=akb.header, key=_strip(plain))

    def wrap_bytes(self, header: AKBHeader, data: bytes) -> str:
        """Wrap bytes of any length, e.g. a private key in DER, padded with 80 00 ... (our own)."""
        padded = data + b"\x80" + bytes(-(len(data) + 1) % _BLOCK)
        return self._seal(header, self._encryption.encrypt_cbc(padded, _iv(header)))

    def unwrap_bytes(self, text: str) -> UnwrappedAKB:
        """Open what `wrap_bytes` made; raises as `unwrap`."""
        akb = self.authenticate(text)
        if len(akb.key_field) % _BLOCK:
            _refuse("key field", HEADER_CHARACTERS + 1, f"whole blocks of {_BLOCK} bytes")
        plain = self._encryption.decrypt_cbc(akb.key_field, _iv(akb.header)).rstrip(b"\x00")
        if not plain.endswith(b"\x80"):
            _refuse("key field", HEADER_CHARACTERS + 1, "padded bytes")
        return UnwrappedAKB(header=akb.header, key=plain[:-1])

    def seal_clear(self, header: AKBHeader, data: bytes) -> str:
        """Return an AKB whose key field is clear, as that of an RSA public key."""
        return self._seal(header, data)

    def authenticate(self, text: str) -> AKB:
        """
        Parse an AKB and verify its MAC, without opening the key field; raises as `unwrap`.

        The key field of a public key is clear: it is what the caller is after.
        """
        akb = AKB.parse(text)
        if not compare_digest(self._compute_mac(akb.header, akb.key_field), akb.mac):
            raise KeyBlockAuthenticationError
        return akb

    def _seal(self, header: AKBHeader, key_field: bytes) -> str:
        mac = self._compute_mac(header, key_field)
        return AKB(header=header, key_field=key_field, mac=mac).encode()

    def _compute_mac(self, header: AKBHeader, key_field: bytes) -> bytes:
        if header.version is not AKBVersion.TDES_MFK:
            raise UnsupportedKeyBlockError(
                f"AKB version {header.version}: how an AES MFK wraps is not public"
            )
        # Zeros fill the field of a public key, whose length is no multiple of a block (inferred).
        data = _iv(header) + key_field + bytes(-len(key_field) % _BLOCK)
        return self._mac.encrypt_cbc(data, bytes(_BLOCK))[-_BLOCK:]


def _iv(header: AKBHeader) -> bytes:
    # The header is the IV: changing it changes the key that comes out.
    return header.encode().encode("ascii")


def _variant(key: bytes, mask: int) -> bytes:
    return bytes(byte ^ mask for byte in key)


def _strip(plain: bytes) -> bytes:
    """Return the key in a plain field, whose fill tells its length."""
    if plain[8:] == _SINGLE_FILL:
        return plain[:8]
    return plain[:16] if plain[16:] == _DOUBLE_FILL else plain


def _is_alphanumeric(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _refuse(name: str, offset: int, expected: str) -> NoReturn:
    raise MalformedKeyBlockError(f"AKB {name}", offset=offset, expected=expected)
