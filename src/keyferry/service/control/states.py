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


def require_usable(context: Context, record: KeyRecord) -> None:
    """
    Refuse a key that may not be used for cryptography: not CREATE_COMPLETE, or disabled.

    Raises:
        InvalidRequestError: saying which of the two.
    """
    require_state(context, record, KeyState.CREATE_COMPLETE)
    if not record.enabled:
        raise InvalidRequestError(f"Key {context.key_arn(record.key_id)} is not enabled.")
