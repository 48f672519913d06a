"""Pagination tokens: where a list goes on, readable and makable only by this service."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

from keyferry.errors import StoreIntegrityError
from keyferry.service.context import Context
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import Sealed

DEFAULT_PAGE = 50

P = TypeVar("P", int, str)

_JSON = msgspec.json.Encoder(order="sorted")


def page_size(max_results: int | None) -> int:
    """The number of items of a page: as asked (1 to 100, checked before), or the default."""
    return DEFAULT_PAGE if max_results is None else max_results


def encode_token(
    context: Context, operation: str, filters: dict[str, str | None], position: int | str
) -> str:
    """
    Return a token for the page after `position`.

    It is sealed by the Region's vault and bound to account, Region, operation and filters, so that
    it works nowhere else, and survives a restart. A position is a cursor, not an offset: items
    inserted meanwhile do not move the page.
    """
    sealed = context.vault.seal(
        _JSON.encode(position), binding=_binding(context, operation, filters)
    )
    return ".".join(
        base64.urlsafe_b64encode(part).decode("ascii")
        for part in (sealed.wrapped_data_key, sealed.ciphertext)
    )


def decode_token(
    context: Context,
    operation: str,
    filters: dict[str, str | None],
    token: str | None,
    *,
    first: P,
) -> P:
    """
    Return the position a token stands for; `first` without a token.

    Raises:
        InvalidRequestError: the token was not made here for this list.
    """
    if token is None:
        return first
    refusal = InvalidRequestError("NextToken is not a token of this list")
    parts = token.split(".")
    if len(parts) != 2:
        raise refusal
    try:
        wrapped, ciphertext = (
            base64.b64decode(part, altchars=b"-_", validate=True) for part in parts
        )
        position = context.vault.open(
            Sealed(wrapped, ciphertext), binding=_binding(context, operation, filters)
        )
    except (ValueError, binascii.Error, StoreIntegrityError):
        raise refusal from None
    return msgspec.json.decode(position, type=type(first))


def _binding(context: Context, operation: str, filters: dict[str, str | None]) -> bytes:
    return _JSON.encode(["page", context.region, context.account, operation, filters])
