"""
Records to rows and back.

A row is the values of a table's columns in the order of `sql.py`. Instants are microseconds since
the epoch, enums their value, optional blocks a JSON array of [id, data] pairs or NULL. Rows are
decoded after their MAC verified, so what does not decode is a fault of ours, not of the caller.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from keyferry.crypto.keyblock import Exportability, OptionalBlock
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse
from keyferry.service.store.engine import Row, Value
from keyferry.service.store.records import (
    AliasRecord,
    AuditRecord,
    AuthorityRecord,
    CertificateFamily,
    IssuedCertificateRecord,
    KeyOrigin,
    KeyRecord,
    KeyState,
    Sealed,
    TokenPurpose,
    TokenRecord,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(instant: datetime) -> int:
    """Microseconds since the epoch; a naive datetime is refused with TypeError."""
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


def _instant(value: int | None) -> datetime | None:
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def _microseconds(instant: datetime | None) -> int | None:
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


# --- keys --------------------------------------------------------------------------------------


def immutable_key_values(key: KeyRecord) -> tuple[Value, ...]:
    """The columns of a key that never change, in the order of IMMUTABLE_KEY_COLUMNS."""
    attributes = key.attributes
    return (
        key.account,
        key.key_id,
        attributes.key_usage.value,
        attributes.key_class.value,
        attributes.key_algorithm.value,
        attributes.modes_of_use.letter.value,
        key.exportability.value,
        key.origin.value,
        key.check_value,
        key.check_value_algorithm,
        None if key.derive_key_usage is None else key.derive_key_usage.value,
        _encode_blocks(key.optional_blocks),
        key.key_version,
        key.public_key,
        key.certificate,
        key.issuer_key_id,
        to_microseconds(key.created_at),
    )


def mutable_key_values(key: KeyRecord) -> tuple[Value, ...]:
    """The columns of a key that change, in the order of MUTABLE_KEY_COLUMNS."""
    sealed = key.sealed
    return (
        key.state.value,
        int(key.enabled),
        _microseconds(key.usage_started_at),
        _microseconds(key.usage_stopped_at),
        _microseconds(key.delete_pending_at),
        _microseconds(key.deleted_at),
        None if sealed is None else sealed.wrapped_data_key,
        None if sealed is None else sealed.ciphertext,
        key.revision,
    )


# A store holds few different sets of attributes and many keys: listing shares the values.
@lru_cache(maxsize=1024)
def _attributes(usage: str, key_class: str, algorithm: str, modes: str) -> KeyAttributes:
    return KeyAttributes(
        key_usage=KeyUsage(usage),
        key_class=KeyClass(key_class),
        key_algorithm=KeyAlgorithm(algorithm),
        modes_of_use=ModesOfUse.from_letter(modes),
    )


_exportability = {member.value: member for member in Exportability}
_origin = {member.value: member for member in KeyOrigin}
_state = {member.value: member for member in KeyState}


def key_from_row(row: Row) -> KeyRecord:
    """Decode the columns of KEYS; the MAC column behind them is not looked at."""
    (
        account,
        key_id,
        usage,
        key_class,
        algorithm,
        modes,
        exportability,
        origin,
        check_value,
        check_value_algorithm,
        derive_key_usage,
        optional_blocks,
        key_version,
        public_key,
        certificate,
        issuer_key_id,
        created_at,
        state,
        enabled,
        usage_started_at,
        usage_stopped_at,
        delete_pending_at,
        deleted_at,
        wrapped_data_key,
        ciphertext,
        revision,
        *_,
    ) = row
    return KeyRecord(
        account=account,
        key_id=key_id,
        attributes=_attributes(usage, key_class, algorithm, modes),
        exportability=_exportability[exportability],
        origin=_origin[origin],
        check_value=check_value,
        check_value_algorithm=check_value_algorithm,
        derive_key_usage=None if derive_key_usage is None else KeyUsage(derive_key_usage),
        optional_blocks=() if optional_blocks is None else _decode_blocks(optional_blocks),
        key_version=key_version,
        public_key=public_key,
        certificate=certificate,
        issuer_key_id=issuer_key_id,
        created_at=from_microseconds(created_at),
        state=_state[state],
        enabled=bool(enabled),
        usage_started_at=_instant(usage_started_at),
        usage_stopped_at=_instant(usage_stopped_at),
        delete_pending_at=_instant(delete_pending_at),
        deleted_at=_instant(deleted_at),
        sealed=None if ciphertext is None else Sealed(wrapped_data_key, ciphertext),
        revision=revision,
    )


def _encode_blocks(blocks: tuple[OptionalBlock, ...]) -> str | None:
    if not blocks:
        return None
    return msgspec.json.encode([(block.id, block.data) for block in blocks]).decode()


def _decode_blocks(text: str) -> tuple[OptionalBlock, ...]:
    pairs = msgspec.json.decode(text, type=list[tuple[str, str]])
    return tuple(OptionalBlock(id=block_id, data=data) for block_id, data in pairs)


# --- everything else ---------------------------------------------------------------------------


def alias_values(alias: AliasRecord) -> tuple[Value, ...]:
    return (alias.account, alias.name, alias.key_id, alias.revision)


def alias_from_row(row: Row) -> AliasRecord:
    return AliasRecord(account=row[0], name=row[1], key_id=row[2], revision=row[3])


def token_values(token: TokenRecord) -> tuple[Value, ...]:
    return (
        token.account,
        token.token,
        token.purpose.value,
        token.material_type,
        token.algorithm,
        token.certificate,
        token.sealed.wrapped_data_key,
        token.sealed.ciphertext,
        to_microseconds(token.created_at),
        to_microseconds(token.valid_until),
    )


def token_from_row(row: Row) -> TokenRecord:
    return TokenRecord(
        account=row[0],
        token=row[1],
        purpose=TokenPurpose(row[2]),
        material_type=row[3],
        algorithm=row[4],
        certificate=row[5],
        sealed=Sealed(row[6], row[7]),
        created_at=from_microseconds(row[8]),
        valid_until=from_microseconds(row[9]),
    )


def authority_values(authority: AuthorityRecord) -> tuple[Value, ...]:
    return (
        authority.account,
        authority.family.value,
        authority.certificate,
        authority.sealed.wrapped_data_key,
        authority.sealed.ciphertext,
        to_microseconds(authority.created_at),
    )


def authority_from_row(row: Row) -> AuthorityRecord:
    return AuthorityRecord(
        account=row[0],
        family=CertificateFamily(row[1]),
        certificate=row[2],
        sealed=Sealed(row[3], row[4]),
        created_at=from_microseconds(row[5]),
    )


def issued_certificate_values(issued: IssuedCertificateRecord) -> tuple[Value, ...]:
    return (
        issued.account,
        issued.key_id,
        issued.certificate,
        to_microseconds(issued.valid_until),
    )


def issued_certificate_from_row(row: Row) -> IssuedCertificateRecord:
    return IssuedCertificateRecord(
        account=row[0], key_id=row[1], certificate=row[2], valid_until=from_microseconds(row[3])
    )


def audit_values(record: AuditRecord) -> tuple[Value, ...]:
    return (
        record.event_id,
        record.account,
        to_microseconds(record.event_time),
        record.event_name,
        record.body,
    )


def audit_from_row(row: Row) -> AuditRecord:
    """Decode event_id, account, event_time, event_name, body."""
    return AuditRecord(
        event_id=row[0],
        account=row[1],
        event_time=from_microseconds(row[2]),
        event_name=row[3],
        body=row[4],
    )
