"""
What a flow asks of a party.

A party adapts one kind of system (an HSM driver, the AWS API, a clear test key) to these
protocols. It raises `KeyferryError`s only, keeps what it created in mind, and takes it back in
`clean_up`. Methods of a protocol a system cannot do raise `ConfigurationError` in `check`, before
anything is called.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from cryptography import x509

from keyferry.crypto.kdf import KeyDerivationFunction
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyUsage


class Method(StrEnum):
    """How a key travels."""

    TR34 = "tr34"
    TR31 = "tr31"
    ECDH = "ecdh"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """Which key is to travel: an existing one, or one to generate."""

    usage: KeyUsage
    # None: an existing key whose exact algorithm nobody stated. A generated key has one.
    algorithm: KeyAlgorithm | None
    # The party's own name of an existing key; empty: generate one.
    transport_key: str = field(default="", repr=False)
    expected_check_value: str = ""
    # Whether the configuration states the usage; otherwise an existing key's own counts.
    usage_stated: bool = False
    # What an existing key of unstated algorithm can be; empty: only its party can tell.
    possible: tuple[KeyAlgorithm, ...] = ()

    @property
    def generate(self) -> bool:
        return not self.transport_key


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportKey:
    """The key that travels, as its sender holds it."""

    handle: str  # the sender's own name: a key under an LMK, an ARN; never a clear key
    usage: KeyUsage
    algorithm: KeyAlgorithm | None
    check_value: str  # upper-case hex
    generated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KEK:
    """A key both sides already share."""

    handle: str
    algorithm: KeyAlgorithm | None  # None: the party can only tell the family
    check_value: str  # empty: the party cannot tell
    aes: bool  # decides the key block version: D under AES, B under TDES
    # Where the party can only tell the family: every algorithm the KEK may be of.
    possible: tuple[KeyAlgorithm, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A certificate a party shows, and the authorities that lead to its root."""

    certificate: x509.Certificate
    authorities: tuple[x509.Certificate, ...]  # issuer first, root last
    # What the party needs to use the private key again: a token, an ARN, a key under an LMK.
    # Kept out of every representation, since it may be a wrapped private key.
    handle: object = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A party's acceptance of the other's authority; `handle` is its own name of the CA key."""

    handle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """How both sides turn the agreed secret into the wrapping key."""

    algorithm: KeyAlgorithm
    function: KeyDerivationFunction
    hash_name: str  # SHA256, SHA384 or SHA512
    shared_info: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedKey:
    """The key as its receiver reports it after import."""

    identifier: str = field(repr=False)  # the key ARN, or the key under an HSM's own master key
    check_value: str
    check_value_method: str
    attributes: KeyAttributes
    exportable: bool
    # Where the receiver cannot tell the length of the key: every algorithm it may be of.
    possible: tuple[KeyAlgorithm, ...] = ()
    # False: under its master key a key has neither a mode of use nor an exportability.
    keeps_header: bool = True
    notes: tuple[str, ...] = ()  # what a person should know of this key; never a secret


@runtime_checkable
class Party(Protocol):
    """Either side of an exchange."""

    @property
    def label(self) -> str:
        """What a step calls this party: `PAYSHIELD`, `APC`, `LOCAL`."""
        ...

    async def connect(self) -> str:
        """Reach the system and return what it says it is; changes nothing."""
        ...

    async def clean_up(self, *, failed: bool) -> list[str]:
        """
        Take back what the run created and nobody keeps.

        Args:
            failed: the exchange failed, so keys it generated or imported go too.

        Returns:
            One sentence for each thing removed, or that could not be removed.
        """
        ...

    async def close(self) -> None:
        """Close connections. Never fails."""
        ...


class KeyDistributionHost(Party, Protocol):
    """The side a key leaves."""

    async def transport_key(self, request: KeyRequest) -> TransportKey:
        """
        Find or generate the key that travels.

        Raises:
            CheckValueMismatchError: the existing key has another check value than stated.
        """
        ...

    async def signing_credential(self, algorithm: KeyAlgorithm) -> Credential:
        """Make a key that signs TR-34 tokens, and its certificate."""
        ...

    async def agreement_credential(self, algorithm: KeyAlgorithm) -> Credential:
        """Make a key for ECDH, and its certificate."""
        ...

    async def trust(self, credential: Credential) -> Trust:
        """Check the receiver's certificate against its authorities and accept them."""
        ...

    async def export_tr34(
        self, key: TransportKey, *, own: Credential, peer: Credential, trust: Trust, nonce: bytes
    ) -> bytes:
        """Return a two-pass TR-34 token of the key."""
        ...

    async def kek(self, identifier: str, *, peer: KEK | None = None) -> KEK:
        """Look up the shared KEK under this party's own name of it; `peer` is the other side's."""
        ...

    async def export_tr31(self, key: TransportKey, kek: KEK) -> str:
        """Return a key block of the key under the KEK."""
        ...

    async def export_ecdh(
        self,
        key: TransportKey,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,
        derivation: Derivation,
    ) -> str:
        """Return a key block of the key under the key both sides derive."""
        ...


@runtime_checkable
class MakesKeyOnExport(Protocol):
    """A sender whose HSM generates the key in the very command that exports it."""

    def exported_key(self, key: TransportKey) -> TransportKey:
        """Return a key as it is known after its export: with its name and its check value."""
        ...


class KeyReceivingDevice(Party, Protocol):
    """The side a key arrives at."""

    async def receiving_credential(self, algorithm: KeyAlgorithm) -> Credential:
        """Make an RSA key that TR-34 tokens are encrypted to, and its certificate."""
        ...

    async def agreement_credential(self, algorithm: KeyAlgorithm) -> Credential:
        """Make a key for ECDH, and its certificate."""
        ...

    async def trust(self, credential: Credential) -> Trust:
        """Check the sender's certificate against its authorities and accept them."""
        ...

    async def kek(self, identifier: str, *, peer: KEK | None = None) -> KEK:
        """Look up the shared KEK under this party's own name of it; `peer` is the other side's."""
        ...

    async def import_tr34(
        self, token: bytes, *, own: Credential, peer: Credential, trust: Trust, nonce: bytes
    ) -> ReceivedKey:
        """Import the key of a TR-34 token."""
        ...

    async def import_tr31(
        self, block: str, kek: KEK, *, algorithm: KeyAlgorithm | None = None
    ) -> ReceivedKey:
        """
        Import the key of a key block under the shared KEK.

        Args:
            block: as the sender wrote it.
            kek: as this party looked it up.
            algorithm: of the key, where its sender knows it; a block may hide its length.
        """
        ...

    async def import_ecdh(
        self,
        block: str,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,
        derivation: Derivation,
    ) -> ReceivedKey:
        """Import the key of a key block under the key both sides derive."""
        ...
