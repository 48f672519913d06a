"""What state a key must be in, and the texts that say so."""

from __future__ import annotations

from keyferry.service.context import Context
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyRecord, KeyState


def require_state(context: Context, record: KeyRecord, state: KeyState) -> None:
    """
    Refuse a key in another state. Clients match the end of this text, full stop included.

    Raises:
        InvalidRequestError: `... not in CREATE_COMPLETE state.`
    """
    if record.state is not state:
        raise InvalidRequestError(f"Key {context.key_arn(record.key_id)} is not in {state} state.")


def unusable_because(record: KeyRecord, arn: str) -> str | None:
    """Why a key may not be used for cryptography, None if it may."""
    if record.state is not KeyState.CREATE_COMPLETE:
        return f"Key {arn} is not in {KeyState.CREATE_COMPLETE} state."
    return None if record.enabled else f"Key {arn} is not enabled."


def require_usable(context: Context, record: KeyRecord) -> None:
    """
    Refuse a key that may not be used for cryptography: not CREATE_COMPLETE, or disabled.

    Raises:
        InvalidRequestError: saying which of the two.
    """
    reason = unusable_because(record, context.key_arn(record.key_id))
    if reason is not None:
        raise InvalidRequestError(reason)
