"""What an operation gets beside its request: who asks, where, when, and the Region's parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from keyferry.service.authz.principal import Principal
from keyferry.service.rules import STRICT, Rules
from keyferry.service.store.interface import KeyStore, Transaction
from keyferry.service.vault.interface import Vault

T = TypeVar("T")


class Offload(Protocol):
    """Runs slow, GIL-releasing work (RSA generation) off the event loop."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Quotas of an account in a Region; None is unlimited."""

    keys: int | None = None
    aliases: int | None = None
    control_requests_per_second: float | None = None
    data_requests_per_second: float | None = None
    asymmetric_data_requests_per_second: float | None = None  # of the former, with such keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """The Regions keys can be replicated to from here, and the process that will send them."""

    regions: frozenset[str] = frozenset()
    owner: str = ""
    aliases: frozenset[str] = frozenset()  # of these, those aliases follow their keys to
    tags: frozenset[str] = frozenset()  # and those tags follow to


class Write(Protocol):
    """`Call.write`."""

    def __call__(
        self, change: Callable[[Transaction], T], about: Collection[tuple[str, str]] = ()
    ) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One call. Reads go to `store`; a change goes through `write`, which adds its audit record."""

    region: str
    principal: Principal
    request_id: str
    now: datetime  # UTC, the one clock reading of this call
    store: KeyStore
    vault: Vault
    offload: Offload
    limits: Limits = field(default_factory=Limits)
    peers: Peers = field(default_factory=Peers)
    rules: Rules = STRICT
    # Runs the change and appends the audit record of its response in the same transaction.
    write: Write

    @property
    def account(self) -> str:
        """The caller's account, 12 digits."""
        return self.principal.account

    def key_arn(self, key_id: str, account: str | None = None) -> str:
        """The ARN of a key of this Region."""
        return f"arn:aws:payment-cryptography:{self.region}:{account or self.account}:key/{key_id}"
