"""
What a store keeps, as frozen values. A changed key is a new value with the next revision.

Ids are without the ARN around them: a store belongs to one Region, and the ARN is made from
Region, account and id where it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from keyferry.crypto.keyblock import Exportability, OptionalBlock
from keyferry.keys import KeyAttributes, KeyUsage


class KeyState(StrEnum):
    """Where a key stands in its life (API: KeyState, and CREATE_FAILED, which its enum lacks)."""

    CREATE_IN_PROGRESS = "CREATE_IN_PROGRESS"
    CREATE_COMPLETE = "CREATE_COMPLETE"
    CREATE_FAILED = "CREATE_FAILED"
    DELETE_PENDING = "DELETE_PENDING"
    DELETE_COMPLETE = "DELETE_COMPLETE"


class KeyOrigin(StrEnum):
    """Where the material comes from (API: KeyOrigin)."""

    EXTERNAL = "EXTERNAL"
    AWS_PAYMENT_CRYPTOGRAPHY = "AWS_PAYMENT_CRYPTOGRAPHY"


@dataclass(frozen=True, slots=True)
class Sealed:
    """Key material at rest: a data key wrapped by the store key, and what it encrypts."""

    wrapped_data_key: bytes  # nonce, AES-256-GCM ciphertext and tag
    ciphertext: bytes  # nonce, AES-256-GCM ciphertext and tag


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """
    One key. Material is sealed and bound to every immutable member below: `binding()` of the vault.

    `sealed` is None for a public key and after destruction. Symmetric material is the bare key;
    that of a pair is PKCS#8 DER. `public_key` is the DER SubjectPublicKeyInfo of an asymmetric key,
    `certificate` the DER certificate a PUBLIC_KEY was imported with, `issuer_key_id` the CA key it
    was checked against (None for a root).
    """

    # Immutable, bound to the material.
    account: str
    key_id: str
    attributes: KeyAttributes
    exportability: Exportability
    origin: KeyOrigin
    check_value: str  # upper-case hex
    check_value_algorithm: str  # API: KeyCheckValueAlgorithm
    derive_key_usage: KeyUsage | None = None
    optional_blocks: tuple[OptionalBlock, ...] = ()  # kept from an imported key block
    key_version: str = "00"
    public_key: bytes | None = None
    certificate: bytes | None = None
    issuer_key_id: str | None = None
    created_at: datetime

    # Mutable, under the row MAC.
    state: KeyState = KeyState.CREATE_COMPLETE
    enabled: bool = True
    usage_started_at: datetime | None = None
    usage_stopped_at: datetime | None = None
    delete_pending_at: datetime | None = None
    deleted_at: datetime | None = None
    sealed: Sealed | None = None
    revision: int = 1

    @property
    def usable(self) -> bool:
        """Whether the key may be used for cryptography."""
        return self.state is KeyState.CREATE_COMPLETE and self.enabled


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasRecord:
    """A name for a key; it may exist without one. `name` includes `alias/`."""

    account: str
    name: str
    key_id: str | None
    revision: int = 1


class TokenPurpose(StrEnum):
    """What an import or export token was made for."""

    IMPORT = "import"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """Import or export parameters: an RSA pair behind a token. `sealed` is PKCS#8 DER, sealed."""

    account: str
    token: str  # with its prefix, import-token- or export-token-
    purpose: TokenPurpose
    material_type: str  # TR34_KEY_BLOCK or KEY_CRYPTOGRAM
    algorithm: str  # RSA_2048, RSA_3072, RSA_4096
    certificate: bytes  # DER leaf
    sealed: Sealed
    created_at: datetime
    valid_until: datetime


class CertificateFamily(StrEnum):
    """An authority signs keys of its own family only."""

    RSA = "RSA"
    ECC = "ECC"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityRecord:
    """The private root of one account in this Region. `sealed` is PKCS#8 DER, sealed."""

    account: str
    family: CertificateFamily
    certificate: bytes  # DER
    sealed: Sealed
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCertificateRecord:
    """The certificate GetPublicKeyCertificate last issued for a key, kept until it runs low."""

    account: str
    key_id: str
    certificate: bytes  # DER
    valid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One event of the trail. `body` is the CloudTrail-shaped JSON document, UTF-8."""

    event_id: str
    account: str
    event_time: datetime
    event_name: str
    body: bytes
