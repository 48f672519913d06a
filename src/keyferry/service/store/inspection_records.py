"""What whoever looks after replication asks a store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What there is to tell one Region."""

    waiting: int = 0  # tried until it is told
    held: int = 0  # given up until somebody asks for it again
    oldest: datetime | None = None  # of what waits: when it was written


@dataclass(frozen=True, slots=True, order=True)
class KeyName:
    """A key of any account. They are ordered as the pages of a store are."""

    account: str
    key_id: str


@dataclass(frozen=True, slots=True, order=True)
class AliasName:
    """An alias of any account, ordered likewise."""

    account: str
    name: str  # with `alias/`


PageName = TypeVar("PageName", KeyName, AliasName)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationRecord:
    """The last time the keys of this Region were compared with their replicas in a peer."""

    peer: str
    verified_at: datetime
    compared: int  # keys
    drift: int  # differences that were found, and are there still
