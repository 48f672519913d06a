"""
Comparing every alias of a Region that follows its key with what a peer has under its name.

As for keys: a page at a time, what is under way is pending, and what looks different is to be
asked again by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from keyferry.errors import PeerProtocolError, StoreIntegrityError
from keyferry.service.context import Offload
from keyferry.service.replication import messages as m
from keyferry.service.replication.aliases.description import alias_reference
from keyferry.service.replication.aliases.state import (
    KeyGivenUpError,
    KeyOnItsWayError,
    key_in_peer,
    own_alias,
)
from keyferry.service.replication.inspection.comparison import (
    Comparison,
    Drift,
    compare_at_rest,
    examine_all,
    join_pages,
)
from keyferry.service.replication.transport import Transport
from keyferry.service.store.inspection_records import AliasName
from keyferry.service.store.interface import KeyStore


class AliasDriftKind(StrEnum):
    """How an alias and what has its name in the peer differ."""

    MISSING_ALIAS = "MISSING_ALIAS"
    ORPHANED_ALIAS = "ORPHANED_ALIAS"  # it was brought, and is not to be there any more
    ALIAS_TARGET = "ALIAS_TARGET"  # it points to another key
    ALIAS_IN_USE = "ALIAS_IN_USE"  # by a user of the peer, or a third Region
    ALIAS_UNREADABLE = "ALIAS_UNREADABLE"
    GIVEN_UP = "GIVEN_UP"  # a change waits for a person
    PRIMARY_UNREADABLE = "PRIMARY_UNREADABLE"  # in the alias's own Region


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where an alias stands at one moment: if two are equal, nothing happened in between."""

    change_number: int | None = None
    key_id: str | None = None
    key_number: int | None = None
    under_way: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasVerifier:
    """Compares the aliases of one Region with those of a peer they follow to."""

    region: str
    peer: str
    store: KeyStore
    transport: Transport
    offload: Offload

    async def page(
        self, after: AliasName | None, *, limit: int = m.MAX_DESCRIBED
    ) -> Comparison[AliasName]:
        """
        Compare the next aliases behind `after`.

        Raises:
            PeerUnreachableError, PeerProtocolError: the peer does not describe its aliases.
        """
        own = await self.offload(
            lambda: self.store.aliases_to_follow(self.peer, after=after, limit=limit)
        )
        until = own[-1] if len(own) == limit else None
        answer = await self._ask(
            m.DescribeAliasesInput(
                after=None if after is None else alias_reference(after),
                until=None if until is None else alias_reference(until),
                limit=limit,
            )
        )
        described = {AliasName(d.account, d.name): d for d in answer.aliases}
        ended = answer.last
        peers_last = None if ended is None else AliasName(ended.account, ended.name)
        names, last = join_pages(own, described, until=until, peers_last=peers_last, peer=self.peer)
        comparison = await self._compare(names, described)
        comparison.last = last
        return comparison

    async def aliases(self, names: Sequence[AliasName]) -> Comparison[AliasName]:
        """
        Compare these aliases; raises as `page` does.

        One that is changed, or whose key is, while the peer describes it is pending.
        """

        async def compare(before: Sequence[_Standing]) -> Comparison[AliasName]:
            asked = [
                alias_reference(name, was.key_id) for name, was in zip(names, before, strict=True)
            ]
            answer = await self._ask(m.DescribeAliasesInput(aliases=asked))
            described = {AliasName(d.account, d.name): d for d in answer.aliases}
            if described.keys() != set(names):
                raise PeerProtocolError(
                    f"{self.peer} described other aliases than it was asked for"
                )
            return await self._compare(names, described)

        return await compare_at_rest(
            names, standing=self._standing, compare=compare, offload=self.offload
        )

    def _standing(self, name: AliasName) -> _Standing:
        try:
            followed = self.store.followed_alias(name.account, name.name, self.peer)
            alias = own_alias(self.store, name.account, name.name)
            key_id = None if alias is None else alias.key_id
            part = None if key_id is None else self.store.multi_region(name.account, key_id)
            return _Standing(
                None if followed is None else followed.change_number,
                key_id,
                None if part is None else part.change_number,
                self._is_under_way(name.account, name.name)
                or self._is_under_way(name.account, key_id),
            )
        except StoreIntegrityError:
            return _Standing()

    def _is_under_way(self, account: str, subject: str | None) -> bool:
        """Whether the peer is being told of an alias, or a key."""
        row = None if subject is None else self.store.outbox(account, subject, self.peer)
        return row is not None and not row.held

    async def _ask(self, asked: m.DescribeAliasesInput) -> m.DescribeAliasesOutput:
        body = await self.transport.call(m.DESCRIBE_ALIASES, m.encode(asked))
        return m.decode(body, m.DescribeAliasesOutput)

    async def _compare(
        self, names: Sequence[AliasName], described: dict[AliasName, m.AliasDescription]
    ) -> Comparison[AliasName]:
        return await self.offload(
            lambda: examine_all(names, lambda name: self._examine(name, described.get(name)))
        )

    def _examine(
        self, name: AliasName, there: m.AliasDescription | None
    ) -> list[Drift[AliasName]] | None:
        """How an alias differs from what the peer describes; None if something is under way."""
        copy_of = None if there is None else there.key_id
        try:
            row = self.store.outbox(name.account, name.name, self.peer)
            if row is not None and row.held:
                return [self._given_up(name)]
            wanted = key_in_peer(self.store, name.account, name.name, self.peer)
            if (
                row is not None
                or (there is not None and there.waiting)
                or self._is_under_way(name.account, wanted)
                or self._is_under_way(name.account, copy_of)
            ):
                return None
        except KeyOnItsWayError:
            return None
        except KeyGivenUpError:
            return []  # the key is a difference itself, and its alias follows when it arrives
        except StoreIntegrityError as error:
            kind = AliasDriftKind.PRIMARY_UNREADABLE
            return [Drift(name=name, kind=kind, primary=str(error))]
        return self._difference(name, wanted, there)

    def _given_up(self, name: AliasName) -> Drift[AliasName]:
        followed = self.store.followed_alias(name.account, name.name, self.peer)
        words = (followed and followed.message) or "a change was given up"
        return Drift(name=name, kind=AliasDriftKind.GIVEN_UP, primary=words)

    def _difference(
        self, name: AliasName, wanted: str | None, there: m.AliasDescription | None
    ) -> list[Drift[AliasName]]:
        condition = m.AliasCondition.ABSENT if there is None else there.condition
        key_id = None if there is None else there.key_id
        is_copy = condition is m.AliasCondition.COPY
        if condition is m.AliasCondition.UNREADABLE:
            kind, replica = AliasDriftKind.ALIAS_UNREADABLE, "a row of it does not verify"
        elif wanted is None and is_copy:
            kind, replica = AliasDriftKind.ORPHANED_ALIAS, _points_to(key_id)
        elif wanted is None or (is_copy and key_id == wanted):
            return []
        elif is_copy:
            kind, replica = AliasDriftKind.ALIAS_TARGET, _points_to(key_id)
        elif condition is m.AliasCondition.OTHER:
            kind, replica = AliasDriftKind.ALIAS_IN_USE, "an alias that was not brought"
        else:
            kind, replica = AliasDriftKind.MISSING_ALIAS, "absent"
        primary = "not to be there" if wanted is None else _points_to(wanted)
        return [Drift(name=name, kind=kind, primary=primary, replica=replica)]


def _points_to(key_id: str | None) -> str:
    return "points nowhere" if key_id is None else f"points to {key_id}"
