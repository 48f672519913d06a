"""From what a caller names a key by (ARN, alias, alias ARN) to the key."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from keyferry.service.authz.principal import Principal
from keyferry.service.context import Context
from keyferry.service.errors import AccessDeniedError, ResourceNotFoundError
from keyferry.service.store.interface import StoreView
from keyferry.service.store.records import KeyRecord

_ID_CHARACTERS = 16
# Every byte to one of the 32 characters of an id, each as often as the others.
_ID_ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567" * 8


class CallPlace(Protocol):
    """Who calls, and which Region; contexts of both planes say so."""

    @property
    def region(self) -> str: ...

    @property
    def account(self) -> str: ...

    @property
    def principal(self) -> Principal: ...


def new_id(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """A fresh key id: 16 random characters of a-z and 2-7, 80 bits."""
    return random_bytes(_ID_CHARACTERS).translate(_ID_ALPHABET).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A key identifier taken apart. Exactly one of `key_id` and `alias` is set."""

    text: str  # as the caller sent it
    region: str | None = None  # None for a bare alias: the caller's own
    account: str | None = None
    key_id: str | None = None
    alias: str | None = None  # with `alias/`

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Take `text` apart; its shape was checked against the API's patterns before.

        Raises:
            ResourceNotFoundError: the text is none of the three forms after all.
        """
        if text.startswith("alias/"):
            return cls(text=text, alias=text)
        parts = text.split(":", 5)
        if len(parts) == 6:
            region, account, resource = parts[3:]
            kind, _, name = resource.partition("/")
            if kind == "alias":
                return cls(text=text, region=region, account=account, alias=resource)
            if kind == "key":
                return cls(text=text, region=region, account=account, key_id=name)
        raise ResourceNotFoundError(text)


def find_key(
    context: Context, identifier: str, *, action: str, view: StoreView | None = None
) -> KeyRecord:
    """
    Return the key an identifier names, in whatever state it is.

    Args:
        context: of the call.
        identifier: key ARN, alias or alias ARN.
        action: name of the operation, for the text of a refusal.
        view: where to read; None is the store.

    Raises:
        AccessDeniedError: the identifier names another account. Whether the key exists there is
            not told.
        ResourceNotFoundError: unknown key or alias, an alias without a target, another Region.
    """
    named = Identifier.parse(identifier)
    check_place(context, named, action=action)
    view = context.store if view is None else view
    key_id = named.key_id
    if named.alias is not None:
        alias = view.alias(context.account, named.alias)
        key_id = None if alias is None else alias.key_id
    record = None if key_id is None else view.key(context.account, key_id)
    if record is None:
        raise ResourceNotFoundError(identifier)
    return record


def check_place(context: CallPlace, named: Identifier, *, action: str) -> None:
    """Refuse what lies in another Region (not found) or another account (access denied)."""
    if named.region is not None and named.region != context.region:
        raise ResourceNotFoundError(named.text)
    if named.account is not None and named.account != context.account:
        raise AccessDeniedError(
            f"User: {context.principal.arn} is not authorized to perform:"
            f" payment-cryptography:{action} on resource: {named.text} because no resource-based"
            f" policy allows the payment-cryptography:{action} action"
        )


def same_key(view: StoreView, record: KeyRecord, *, identifier: str) -> KeyRecord:
    """Read a key again within a change, where no other change can come between."""
    current = view.key(record.account, record.key_id)
    if current is None:
        raise ResourceNotFoundError(identifier)
    return current
