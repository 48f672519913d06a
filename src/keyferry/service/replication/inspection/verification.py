"""
Comparing every key of a Region with its replica in a peer.

A page at a time, over the same way that changes take: the peer describes its replicas, each opened
and its check value computed anew, and this Region holds its own keys against them. What is under
way is no difference: it is named as pending, and whoever asks looks at it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keyferry.errors import PeerProtocolError, StoreIntegrityError
from keyferry.service.context import Offload
from keyferry.service.replication import messages as m
from keyferry.service.replication.inspection.comparison import (
    Comparison,
    Drift,
    compare_at_rest,
    examine_all,
    join_pages,
)
from keyferry.service.replication.inspection.description import (
    UNREADABLE_TAGS,
    describe_key,
    reference,
)
from keyferry.service.replication.transport import Transport
from keyferry.service.store.inspection_records import KeyName
from keyferry.service.store.interface import KeyStore
from keyferry.service.store.records import KeyState
from keyferry.service.store.replication_records import (
    OutboxRecord,
    RegionPart,
    ReplicaRecord,
    ReplicaStatus,
)
from keyferry.service.vault.interface import Vault


class DriftKind(StrEnum):
    """How a key and its replica differ."""

    MISSING_REPLICA = "MISSING_REPLICA"
    ORPHANED_REPLICA = "ORPHANED_REPLICA"  # the primary is not replicated there
    UNKNOWN_PRIMARY = "UNKNOWN_PRIMARY"  # the primary's Region never had the key, or lost it
    MATERIAL = "MATERIAL"
    ATTRIBUTES = "ATTRIBUTES"
    STATE = "STATE"
    TAGS = "TAGS"
    CHANGE_NUMBER = "CHANGE_NUMBER"
    STATUS = "STATUS"  # the replica is as it should be, and ReplicationStatus says otherwise
    GIVEN_UP = "GIVEN_UP"  # a change waits for a person
    REPLICA_UNREADABLE = "REPLICA_UNREADABLE"
    PRIMARY_UNREADABLE = "PRIMARY_UNREADABLE"


_UNREADABLE = {
    m.Condition.UNREADABLE: "its row does not verify, or its material does not open",
    m.Condition.PART_UNREADABLE: "the record of its part among Regions does not verify",
}


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where a key stands at one moment: if two are equal, nothing happened in between."""

    change_number: int | None
    under_way: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """
    Compares the keys of one Region with their replicas in a peer.

    Args:
        tags: compare their tags too, which follow to the peer.
    """

    region: str
    peer: str
    store: KeyStore
    vault: Vault
    transport: Transport
    offload: Offload
    tags: bool = False

    async def page(
        self, after: KeyName | None, *, limit: int = m.MAX_DESCRIBED
    ) -> Comparison[KeyName]:
        """
        Compare the next keys behind `after`.

        Raises:
            PeerUnreachableError, PeerProtocolError: the peer does not describe its replicas.
        """
        own = await self.offload(
            lambda: self.store.replicated_names(self.peer, after=after, limit=limit)
        )
        until = own[-1] if len(own) == limit else None
        asked = m.DescribeReplicasInput(
            after=None if after is None else reference(after),
            until=None if until is None else reference(until),
            limit=limit,
            tags=self.tags,
        )
        answer = await self._ask(asked)
        described = {KeyName(d.account, d.key_id): d for d in answer.replicas}
        ended = answer.last
        peers_last = None if ended is None else KeyName(ended.account, ended.key_id)
        names, last = join_pages(own, described, until=until, peers_last=peers_last, peer=self.peer)
        comparison = await self._compare(names, described)
        comparison.last = last
        return comparison

    async def keys(self, names: Sequence[KeyName]) -> Comparison[KeyName]:
        """
        Compare these keys; raises as `page` does.

        One that is changed, or has a change delivered, while the peer describes its replica is
        pending.
        """

        async def compare(before: Sequence[_Standing]) -> Comparison[KeyName]:  # noqa: ARG001
            return await self._compare(names, await self.describe(names))

        return await compare_at_rest(
            names, standing=self._standing, compare=compare, offload=self.offload
        )

    def _standing(self, name: KeyName) -> _Standing:
        try:
            part = self.store.multi_region(name.account, name.key_id)
            row = self.store.outbox(name.account, name.key_id, self.peer)
        except StoreIntegrityError:
            return _Standing(None, False)
        return _Standing(
            None if part is None else part.change_number, row is not None and not row.held
        )

    async def describe(self, names: Sequence[KeyName]) -> dict[KeyName, m.KeyDescription]:
        """What the peer says of its replicas of these keys."""
        keys = [reference(name) for name in names]
        asked = m.DescribeReplicasInput(keys=keys, tags=self.tags)
        answer = await self._ask(asked)
        described = {KeyName(d.account, d.key_id): d for d in answer.replicas}
        if described.keys() != set(names):
            raise PeerProtocolError(f"{self.peer} described other keys than it was asked for")
        return described

    async def _ask(self, asked: m.DescribeReplicasInput) -> m.DescribeReplicasOutput:
        body = await self.transport.call(m.DESCRIBE_REPLICAS, m.encode(asked))
        return m.decode(body, m.DescribeReplicasOutput)

    async def _compare(
        self, names: Sequence[KeyName], described: dict[KeyName, m.KeyDescription]
    ) -> Comparison[KeyName]:
        # Thousands of rows and keys are opened: not on the loop that answers everybody else.
        return await self.offload(
            lambda: examine_all(names, lambda name: self._examine(name, described.get(name)))
        )

    def _examine(
        self, name: KeyName, replica: m.KeyDescription | None
    ) -> list[Drift[KeyName]] | None:
        """How a key differs from what the peer describes; None if something is under way."""
        try:
            entry = self.store.replica(name.account, name.key_id, self.peer)
            row = self.store.outbox(name.account, name.key_id, self.peer)
        except StoreIntegrityError as error:
            return [self._drift(name, DriftKind.PRIMARY_UNREADABLE, primary=str(error))]
        if (row is not None and not row.held) or (replica is not None and replica.waiting):
            return None
        there = replica is not None and replica.condition is not m.Condition.ABSENT
        if entry is None:
            return self._orphan(name) if there else []
        if row is not None:
            return [self._given_up(name, entry, row)]
        return self._differences(name, entry, replica if there else None)

    def _orphan(self, name: KeyName) -> list[Drift[KeyName]]:
        """A replica in the peer that this Region has no entry for."""
        try:
            record = self.store.key(name.account, name.key_id)
            part = self.store.multi_region(name.account, name.key_id)
        except StoreIntegrityError as error:
            return [self._drift(name, DriftKind.PRIMARY_UNREADABLE, primary=str(error))]
        if record is None and part is None:
            words = f"{self.region} does not know the key"
            return [self._drift(name, DriftKind.UNKNOWN_PRIMARY, primary=words, replica="there")]
        if record is not None and part is not None and part.part is RegionPart.REPLICA:
            words = f"itself a replica of {part.primary_region}"
        else:
            words = f"not replicated to {self.peer}"
        return [self._drift(name, DriftKind.ORPHANED_REPLICA, primary=words, replica="there")]

    def _given_up(self, name: KeyName, entry: ReplicaRecord, row: OutboxRecord) -> Drift[KeyName]:
        words = entry.message or "a change was given up"
        return self._drift(
            name,
            DriftKind.GIVEN_UP,
            primary=f"change {row.change_number}: {words}",
            replica=entry.status.value,
        )

    def _differences(
        self, name: KeyName, entry: ReplicaRecord, replica: m.KeyDescription | None
    ) -> list[Drift[KeyName]]:
        primary = describe_key(
            name, region=self.region, store=self.store, vault=self.vault, tags=self.tags
        )
        if primary.condition is m.Condition.UNREADABLE:
            words = _UNREADABLE[primary.condition]
            return [self._drift(name, DriftKind.PRIMARY_UNREADABLE, primary=words)]
        if primary.tags == UNREADABLE_TAGS:
            return [self._drift(name, DriftKind.PRIMARY_UNREADABLE, primary=UNREADABLE_TAGS)]
        if primary.check_value != primary.kept_check_value:
            return [self._drift(name, DriftKind.PRIMARY_UNREADABLE, primary=_kcv(primary))]
        if not primary.state.startswith(KeyState.CREATE_COMPLETE.value):
            # A key that is destroyed, or is to be, has no replicas.
            words = primary.state or KeyState.DELETE_COMPLETE.value
            there = "there" if replica is not None else f"absent, {entry.status.value}"
            return [self._drift(name, DriftKind.ORPHANED_REPLICA, primary=words, replica=there)]
        if replica is None:
            status = f"absent, {entry.status.value}"
            return [self._drift(name, DriftKind.MISSING_REPLICA, primary="there", replica=status)]
        if replica.condition is not m.Condition.WHOLE:
            words = _UNREADABLE[replica.condition]
            return [self._drift(name, DriftKind.REPLICA_UNREADABLE, replica=words)]
        found = [
            self._drift(name, kind, primary=of_primary, replica=of_replica)
            for kind, of_primary, of_replica in (
                (DriftKind.MATERIAL, _kcv(primary), _kcv(replica)),
                (DriftKind.ATTRIBUTES, primary.attributes, replica.attributes),
                (DriftKind.STATE, primary.state, replica.state),
                (DriftKind.TAGS, primary.tags or "", replica.tags or ""),
            )
            if of_primary != of_replica
        ]
        # Lower is as it should be: a change that was for other Regions raises it too.
        if (
            replica.change_number > primary.change_number
            or replica.incarnation != entry.incarnation
        ):
            found.append(
                self._drift(
                    name,
                    DriftKind.CHANGE_NUMBER,
                    primary=f"{primary.change_number}, added with {entry.incarnation}",
                    replica=f"{replica.change_number}, added with {replica.incarnation}",
                )
            )
        if not found and entry.status is not ReplicaStatus.SYNCHRONIZED:
            words = f"{entry.status.value}, and nothing is under way"
            found.append(self._drift(name, DriftKind.STATUS, primary=words, replica="equal"))
        return found

    @staticmethod
    def _drift(
        name: KeyName, kind: DriftKind, *, primary: str = "", replica: str = ""
    ) -> Drift[KeyName]:
        return Drift(name=name, kind=kind, primary=primary, replica=replica)


def _kcv(description: m.KeyDescription) -> str:
    computed, kept = description.check_value, description.kept_check_value
    return f"check value {computed}" if computed == kept else f"check value {computed}, not {kept}"
