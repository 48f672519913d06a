"""A whole table at work: a message from values, values from a message."""

from __future__ import annotations

from collections.abc import Mapping

from keyferry.hsm.fields import Fields
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values


def decode(fields: Fields, reader: Reader, context: Mapping[str, object] | None = None) -> Values:
    """
    Read the fields of a table from left to right; what follows them is left in the reader.

    Args:
        fields: the table.
        reader: stands where the first field begins.
        context: what conditions may ask besides the message: the request a response belongs to,
            settings of the device.

    Returns:
        The message's own fields; the context is not among them.

    Raises:
        HSMFrameError: a field is cut off or malformed; `HSMValueError` where its value is unknown.
    """
    values = Values(context or ())
    for field in fields:
        field.decode(reader, values)
    # No table shares a name with its context (a test holds it), so nothing of the message is lost.
    for name in context or ():
        del values[name]
    return values


def encode(
    fields: Fields, values: Mapping[str, object], context: Mapping[str, object] | None = None
) -> bytes:
    """
    Write the fields of a table; the inverse of `decode`.

    Raises:
        HSMFrameError: a field has no value, or one its table cannot carry; names the field.
    """
    merged = Values({**(context or {}), **values})
    out = bytearray()
    for field in fields:
        field.encode(merged, out)
    return bytes(out)
