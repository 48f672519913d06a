"""What the driver's methods return. Keys here are wrapped; no clear key ever is."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedKey:
    """A key under the MFK, and under a KEK where one was given."""

    key: str = field(repr=False)  # AKB
    check_digits: str  # 4 or 6 hex characters
    key_under_kek: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedKey:
    """A key under a KEK: a TR-31 block, an AKB or a cryptogram in hex."""

    block: str = field(repr=False)
    check_digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RSAKeyPair:
    """An RSA key pair; both halves as AKBs, the public one with its numbers in clear."""

    public_key: rsa.RSAPublicKey
    public_akb: str = field(repr=False)
    private_akb: str = field(repr=False)
    check_digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TR34Parts:
    """What 136 makes: the encrypted parts of an envelope, and the token that vouches for them."""

    key: str = field(repr=False)  # AKB, to be kept: the wrapping key of 11A
    check_digits: str
    encrypted_key: bytes = field(repr=False)  # the ephemeral key under the KRD's RSA key
    iv: bytes = field(repr=False)
    encrypted_block: bytes = field(repr=False)
    signing_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TR34Token:
    """A whole token, and the key it carries as the HSM keeps it."""

    token: bytes = field(repr=False)
    key: str = field(repr=False)
    check_digits: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the device says of itself (1101)."""

    software: str
    crc: str
    product: str
