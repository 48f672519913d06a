"""
What Regions say to each other: the operations of the target `KeyferryReplication`.

JSON 1.0 bodies, members in PascalCase; bytes are base64, instants microseconds since the epoch. Who
speaks is the transport's to know, so no message says it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec

from keyferry.errors import PeerProtocolError

MAX_CHANGES = 128
MAX_DESCRIBED = 500

GET_ROOT = "GetRoot"
AGREE_KEY = "AgreeKey"
APPLY_CHANGES = "ApplyChanges"
APPLY_ALIASES = "ApplyAliases"
DESCRIBE_REPLICAS = "DescribeReplicas"
DESCRIBE_ALIASES = "DescribeAliases"
DESCRIBE_QUOTA = "DescribeQuota"
PROVE_CANARY = "ProveCanary"

_Account = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}$")]
_KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-zA-Z]{16,64}$")]
_AliasName = Annotated[
    str, msgspec.Meta(min_length=7, max_length=256, pattern=r"^alias/[a-zA-Z0-9/_-]+\Z")
]
_Tag = tuple[
    Annotated[str, msgspec.Meta(min_length=1, max_length=128)],
    Annotated[str, msgspec.Meta(max_length=256)],
]
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Instant = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Hex = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9A-F]{2}){1,32}$")]
_KEKId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
_Random = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_DER = Annotated[bytes, msgspec.Meta(min_length=1, max_length=16384)]


class Message(
    msgspec.Struct,
    kw_only=True,
    frozen=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename="pascal",
):
    """Base of all messages: what is not known is refused."""


class GetRootInput(Message, kw_only=True, frozen=True):
    """Show me the root I am to check your certificates against; the way here vouches for it."""


class GetRootOutput(Message, kw_only=True, frozen=True):
    """My root."""

    certificate: _DER


class AgreeKeyInput(Message, kw_only=True, frozen=True):
    """Let us have a KEK for what I send you; my one-time key is in the certificate."""

    kek_id: _KEKId
    certificate: _DER
    random: _Random


class AgreeKeyOutput(Message, kw_only=True, frozen=True):
    """Agreed: my one-time key, and the check value of what I derived."""

    certificate: _DER
    random: _Random
    check_value: _Hex


class Action(StrEnum):
    """What a change is about."""

    PUT = "PUT"  # from the primary: the replica is to be like this
    DESTROY = "DESTROY"  # from the primary: there is to be no replica
    LEFT = "LEFT"  # from a replica: it was deleted in its own Region


class ReplicatedKey(Message, kw_only=True, frozen=True):
    """A key as it is in its primary Region. What it may do stands in the header of its block."""

    key_block: Annotated[str, msgspec.Meta(min_length=16, max_length=9999)]
    check_value: _Hex
    check_value_algorithm: Annotated[str, msgspec.Meta(max_length=32)]
    origin: Annotated[str, msgspec.Meta(max_length=64)]
    created_at: _Instant
    enabled: bool
    usage_started_at: _Instant | None = None
    usage_stopped_at: _Instant | None = None
    # Exactly these, if tags follow between the two Regions; None leaves the replica's alone.
    tags: Annotated[list[_Tag], msgspec.Meta(max_length=200)] | None = None


class Change(Message, kw_only=True, frozen=True):
    """One key, brought to a change number."""

    account: _Account
    key_id: _KeyId
    change_number: _Number
    incarnation: _Number
    action: Action
    key: ReplicatedKey | None = None  # of a PUT


class ApplyChangesInput(Message, kw_only=True, frozen=True):
    """Changes of different keys, in no order. The KEK is that of all key blocks."""

    kek_id: _KEKId | None = None
    changes: Annotated[list[Change], msgspec.Meta(min_length=1, max_length=MAX_CHANGES)]


class Outcome(StrEnum):
    """What became of a change."""

    APPLIED = "APPLIED"  # now, or before: the replica is at this change number
    STALE = "STALE"  # the replica is at a higher change number
    LEFT = "LEFT"  # this incarnation was deleted in the replica's own Region
    REFUSED = "REFUSED"  # for good, unless something changes; `reason` says what
    LATER = "LATER"  # not now: try again


class Reason(StrEnum):
    """Why a change was refused."""

    QUOTA = "QUOTA"
    ID_IN_USE = "ID_IN_USE"
    KEY_BLOCK = "KEY_BLOCK"
    CHECK_VALUE = "CHECK_VALUE"
    PART = "PART"  # whose replica the key here is cannot be told


class ChangeResult(Message, kw_only=True, frozen=True):
    """What became of one change; results are in the order of the changes."""

    outcome: Outcome
    reason: Reason | None = None
    change_number: _Number = 0  # the replica is at
    check_value: _Hex | None = None  # of the material in the replica, after a PUT


class ApplyChangesOutput(Message, kw_only=True, frozen=True):
    """Results in the order of the changes; none at all if the KEK is not known here."""

    results: list[ChangeResult] = msgspec.field(default_factory=list)
    unknown_kek: bool = False


class AliasChange(Message, kw_only=True, frozen=True):
    """One alias, brought to a change number. Without a key it is not to be in that Region."""

    account: _Account
    name: _AliasName
    change_number: _Number
    key_id: _KeyId | None = None  # of a key of the sender, which the receiver has as a replica


class ApplyAliasesInput(Message, kw_only=True, frozen=True):
    """Changes of different aliases, in no order."""

    changes: Annotated[list[AliasChange], msgspec.Meta(min_length=1, max_length=MAX_CHANGES)]


class AliasReason(StrEnum):
    """Why an alias was not brought."""

    IN_USE = "IN_USE"  # a user of the Region has an alias of that name
    QUOTA = "QUOTA"
    NO_KEY = "NO_KEY"  # the key is not here
    UNREADABLE = "UNREADABLE"  # what is kept of the alias here does not verify


class AliasResult(Message, kw_only=True, frozen=True):
    """What became of one alias; results are in the order of the changes."""

    outcome: Outcome
    reason: AliasReason | None = None
    change_number: _Number = 0  # the Region is at


class ApplyAliasesOutput(Message, kw_only=True, frozen=True):
    """Results in the order of the changes."""

    results: list[AliasResult]


class DescribeQuotaInput(Message, kw_only=True, frozen=True):
    """How many more keys could an account have there?"""

    account: _Account


class DescribeQuotaOutput(Message, kw_only=True, frozen=True):
    """Keys that count against the quota, and the quota; None is unlimited."""

    keys: Annotated[int, msgspec.Meta(ge=0)]
    key_limit: Annotated[int, msgspec.Meta(ge=0)] | None = None


class KeyReference(Message, kw_only=True, frozen=True):
    """A key of an account, and a place in the order of all."""

    account: _Account
    key_id: _KeyId


class Condition(StrEnum):
    """Whether a key is there and can be used."""

    WHOLE = "WHOLE"  # its row verifies, its material opens
    UNREADABLE = "UNREADABLE"  # one of them does not
    PART_UNREADABLE = "PART_UNREADABLE"  # whose replica it is cannot be told
    ABSENT = "ABSENT"  # no key of that id, or what a destroyed one leaves


class KeyDescription(Message, kw_only=True, frozen=True):
    """What can be compared of a key without moving it."""

    account: _Account
    key_id: _KeyId
    condition: Condition
    change_number: _Number = 0
    incarnation: _Number = 0
    check_value: _Hex | None = None  # of the opened key, computed now
    kept_check_value: _Hex | None = None  # as its row has it
    attributes: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    state: Annotated[str, msgspec.Meta(max_length=256)] = ""
    # If it was asked for: equal for equal tags only.
    tags: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    waiting: bool = False  # it has news for the primary, which are under way


class DescribeReplicasInput(Message, kw_only=True, frozen=True):
    """
    Describe your replicas of my keys: those of `keys`, in that order, or a page of all.

    A page begins behind `after` and does not go beyond `until`.
    """

    keys: Annotated[list[KeyReference], msgspec.Meta(max_length=MAX_DESCRIBED)] | None = None
    after: KeyReference | None = None
    until: KeyReference | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_DESCRIBED)] = MAX_DESCRIBED
    tags: bool = False  # too


class DescribeReplicasOutput(Message, kw_only=True, frozen=True):
    """Descriptions in the order of keys. `last` is where the next page begins; None at the end."""

    replicas: Annotated[list[KeyDescription], msgspec.Meta(max_length=MAX_DESCRIBED)]
    last: KeyReference | None = None


class AliasReference(Message, kw_only=True, frozen=True):
    """An alias of an account, and a place in the order of all."""

    account: _Account
    name: _AliasName
    key_id: _KeyId | None = None  # what it is to point to


class AliasCondition(StrEnum):
    """What has a name in a Region that aliases follow to."""

    COPY = "COPY"  # the asker's alias, as it was brought
    OTHER = "OTHER"  # an alias of a user of the Region, or of a third Region
    ABSENT = "ABSENT"
    UNREADABLE = "UNREADABLE"  # a row does not verify


class AliasDescription(Message, kw_only=True, frozen=True):
    """One name; where it points to is told of a copy alone."""

    account: _Account
    name: _AliasName
    condition: AliasCondition
    key_id: _KeyId | None = None
    waiting: bool = False  # a key it is about has news for the primary, which are under way


class DescribeAliasesInput(Message, kw_only=True, frozen=True):
    """
    Describe these names, in that order, or a page of all copies of my aliases.

    A page begins behind `after` and does not go beyond `until`.
    """

    aliases: Annotated[list[AliasReference], msgspec.Meta(max_length=MAX_DESCRIBED)] | None = None
    after: AliasReference | None = None
    until: AliasReference | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_DESCRIBED)] = MAX_DESCRIBED


class DescribeAliasesOutput(Message, kw_only=True, frozen=True):
    """Descriptions in the order of names. `last` is where the next page begins; None at the end."""

    aliases: Annotated[list[AliasDescription], msgspec.Meta(max_length=MAX_DESCRIBED)]
    last: AliasReference | None = None


class ProveCanaryInput(Message, kw_only=True, frozen=True):
    """Show that my canary arrived at your side."""

    key_id: _KeyId
    challenge: _Random


class ProveCanaryOutput(Message, kw_only=True, frozen=True):
    """The change number the canary is at here, and a MAC over it under the canary itself."""

    change_number: _Number
    mac: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)] | None = None


M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    return msgspec.json.encode(message)


def decode(body: bytes, kind: type[M]) -> M:
    """Read a message; PeerProtocolError if it is not one of that kind, without its words."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise PeerProtocolError(f"expected a message of the form {kind.__name__}") from None
