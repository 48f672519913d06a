"""What a store keeps about keys in several Regions, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from keyferry.service.store.records import Sealed


class RegionPart(StrEnum):
    """What a key is among its namesakes of other Regions (API: MultiRegionKeyType)."""

    PRIMARY = "PRIMARY"
    REPLICA = "REPLICA"
    # Was a primary once. Kept for the change number, which never starts anew.
    SINGLE = "SINGLE"


class ReplicaStatus(StrEnum):
    """How far a replica is (API: KeyReplicationState)."""

    IN_PROGRESS = "IN_PROGRESS"
    SYNCHRONIZED = "SYNCHRONIZED"
    FAILED = "FAILED"
    DELETE_IN_PROGRESS = "DELETE_IN_PROGRESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiRegionRecord:
    """
    The part of one key.

    A replica's may outlive its key, or be there without one: it remembers what was applied last,
    so that a message that was late or came twice changes nothing.
    """

    account: str
    key_id: str
    part: RegionPart
    primary_region: str | None = None  # of a replica
    using_default: bool = False  # of a primary: its Regions were the account's defaults
    change_number: int = 0  # of the last change made (primary), or applied (replica)
    incarnation: int = 0  # of a replica: the change number that put it there


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRecord:
    """In the primary's Region: one Region the key is replicated to."""

    account: str
    key_id: str
    region: str
    status: ReplicaStatus
    message: str | None = None
    incarnation: int  # the change number with which this Region was added
    imported: bool = False  # whether its arrival is on the trail


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRecord:
    """
    Something to tell another Region: that a key is at a change number.

    The process that wrote it (`owner`) delivers it from `due_at`; others do so a lease later. One
    that is `held` waits for a person.
    """

    account: str
    key_id: str
    region: str  # to be told
    change_number: int
    owner: str
    written_at: datetime
    due_at: datetime
    attempts: int = 0
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedAliasRecord:
    """In an alias's own Region: what one Region that follows it must be brought to."""

    account: str
    name: str  # with `alias/`
    region: str  # that follows
    change_number: int
    message: str | None = None  # why it does not follow


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedAliasRecord:
    """In a Region that follows: what was applied last of an alias of another Region."""

    account: str
    name: str  # with `alias/`
    region: str  # it came from
    change_number: int
    is_copy: bool  # whether the alias of that name here is the one that was brought


class KEKDirection(StrEnum):
    """Which way keys go under a KEK, seen from the store's Region."""

    TO = "TO"
    FROM = "FROM"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationKEKRecord:
    """A key encryption key of one ordered pair of Regions: AES-256, sealed."""

    direction: KEKDirection
    peer: str
    kek_id: str
    check_value: str  # upper-case hex
    sealed: Sealed
    created_at: datetime
