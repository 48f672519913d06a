"""Aliases as two Regions compare them: what has a name in the Region they follow to."""

from __future__ import annotations

from keyferry.errors import StoreIntegrityError
from keyferry.service.replication import messages as m
from keyferry.service.store.inspection_records import AliasName
from keyferry.service.store.interface import StoreView


def describe_aliases(
    asked: m.DescribeAliasesInput, asker: str, *, store: StoreView
) -> m.DescribeAliasesOutput:
    """Describe names in this store to the Region whose aliases follow their keys here."""
    if asked.aliases is not None:
        return m.DescribeAliasesOutput(
            aliases=[_describe(reference, asker, store) for reference in asked.aliases]
        )
    names = store.copied_aliases(
        asker, after=_name(asked.after), until=_name(asked.until), limit=asked.limit
    )
    return m.DescribeAliasesOutput(
        aliases=[_describe(alias_reference(name), asker, store) for name in names],
        last=alias_reference(names[-1]) if len(names) == asked.limit else None,
    )


def _describe(asked: m.AliasReference, asker: str, store: StoreView) -> m.AliasDescription:
    def described(
        condition: m.AliasCondition, *, key_id: str | None = None, waiting: bool = False
    ) -> m.AliasDescription:
        return m.AliasDescription(
            account=asked.account,
            name=asked.name,
            condition=condition,
            key_id=key_id,
            waiting=waiting,
        )

    try:
        alias = store.alias(asked.account, asked.name)
        arrived = store.arrived_aliases(asked.account, asked.name)
        waiting = _is_news(store, asked.account, asked.key_id, asker)
        if alias is None:
            return described(m.AliasCondition.ABSENT, waiting=waiting)
        if not any(one.is_copy and one.region == asker for one in arrived):
            # Whatever it is, it is no business of the asker's.
            return described(m.AliasCondition.OTHER, waiting=waiting)
        waiting = waiting or _is_news(store, asked.account, alias.key_id, asker)
    except StoreIntegrityError:
        return described(m.AliasCondition.UNREADABLE)
    return described(m.AliasCondition.COPY, key_id=alias.key_id, waiting=waiting)


def _is_news(store: StoreView, account: str, key_id: str | None, asker: str) -> bool:
    """Whether a key here has something to tell the asker, such as that it left."""
    row = None if key_id is None else store.outbox(account, key_id, asker)
    return row is not None and not row.held


def alias_reference(name: AliasName, key_id: str | None = None) -> m.AliasReference:
    return m.AliasReference(account=name.account, name=name.name, key_id=key_id)


def _name(reference: m.AliasReference | None) -> AliasName | None:
    return None if reference is None else AliasName(reference.account, reference.name)
