"""
What a seal is bound to: the ARN and every immutable attribute of the record.

A binding is the MessagePack array [label, field, field, …]: strings, integers, bytes, nil and
arrays of these, each in its shortest form, so that two different records never give the same
bytes. It is the associated data of the seal: a row whose usage, exportability or Region was
edited does not open.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from keyferry.service.store.records import AuthorityRecord, KeyRecord, TokenRecord

Field = str | int | bytes | None | tuple["Field", ...]

_encode = msgspec.msgpack.Encoder().encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encode_binding(label: str, *fields: Field) -> bytes:
    """Encode the fields of one kind of record; `label` keeps the kinds apart."""
    return _encode((f"keyferry {label} 1", *fields))


def key_binding(region: str, record: KeyRecord) -> bytes:
    """The binding of a key's material."""
    attributes = record.attributes
    return encode_binding(
        "key",
        f"arn:aws:payment-cryptography:{region}:{record.account}:key/{record.key_id}",
        attributes.key_usage.value,
        attributes.key_class.value,
        attributes.key_algorithm.value,
        attributes.modes_of_use.letter.value,
        record.exportability.value,
        record.origin.value,
        record.check_value,
        record.check_value_algorithm,
        None if record.derive_key_usage is None else record.derive_key_usage.value,
        tuple((block.id, block.data) for block in record.optional_blocks),
        record.key_version,
        record.public_key,
        record.certificate,
        record.issuer_key_id,
        _microseconds(record.created_at),
    )


def token_binding(region: str, record: TokenRecord) -> bytes:
    """The binding of the private key behind an import or export token."""
    return encode_binding(
        "token",
        region,
        record.account,
        record.token,
        record.purpose.value,
        record.material_type,
        record.algorithm,
        record.certificate,
        _microseconds(record.created_at),
        _microseconds(record.valid_until),
    )


def authority_binding(region: str, record: AuthorityRecord) -> bytes:
    """The binding of an authority's private key."""
    return encode_binding(
        "authority",
        region,
        record.account,
        record.family.value,
        record.certificate,
        _microseconds(record.created_at),
    )


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
