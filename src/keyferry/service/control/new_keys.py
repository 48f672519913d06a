"""What CreateKey and ImportKey have in common: a new record, its quota, its tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keyferry.crypto.keyblock import Exportability, OptionalBlock
from keyferry.keys import KeyAttributes, KeyUsage, key_check_value
from keyferry.service.context import Context
from keyferry.service.control.answers import key_answer
from keyferry.service.control.identifiers import new_id, same_key
from keyferry.service.control.replication_regions import replicate_new_key
from keyferry.service.control.sealing import seal_key
from keyferry.service.control.states import require_usable
from keyferry.service.errors import QuotaExceededError
from keyferry.service.replication.state import part_of
from keyferry.service.store.interface import StoreView, Transaction
from keyferry.service.store.records import KeyOrigin, KeyRecord
from keyferry.service.wire import control_types as t


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NewKey:
    """
    A key about to be stored. `material` is the clear symmetric key or PKCS#8 DER; None for a
    public key. `public_key` is DER SubjectPublicKeyInfo of an asymmetric key.

    `helpers` are the keys its import rests on: they must still be usable when it is written.
    """

    attributes: KeyAttributes
    exportability: Exportability
    origin: KeyOrigin
    material: bytes | None = None
    public_key: bytes | None = None
    certificate: bytes | None = None
    issuer_key_id: str | None = None
    derive_key_usage: KeyUsage | None = None
    optional_blocks: tuple[OptionalBlock, ...] = ()
    key_version: str = "00"
    helpers: tuple[KeyRecord, ...] = ()


def exportability_of(exportable: bool) -> Exportability:
    """
    The letter behind the boolean of a request: `S`, or `N`.

    `S` and not `E`: keys made exportable by the API also leave in cryptograms without a header.
    """
    return Exportability.SENSITIVE if exportable else Exportability.NONE


def make_record(
    context: Context, new: NewKey, *, enabled: bool | None, check_value_method: str | None
) -> KeyRecord:
    """
    Give the key an id and a check value, and seal its material.

    Raises:
        KeyAttributesError: the check value method does not go with the algorithm.
    """
    shown = new.public_key if new.public_key is not None else new.material
    if shown is None:
        raise ValueError("a key has material or is public")
    algorithm = new.attributes.key_algorithm
    check_value, method = key_check_value(algorithm, shown, check_value_method)
    is_enabled = enabled is not False
    record = KeyRecord(
        account=context.account,
        key_id=new_id(),
        attributes=new.attributes,
        exportability=new.exportability,
        origin=new.origin,
        check_value=check_value,
        check_value_algorithm=method,
        derive_key_usage=new.derive_key_usage,
        optional_blocks=new.optional_blocks,
        key_version=new.key_version,
        public_key=new.public_key,
        certificate=new.certificate,
        issuer_key_id=new.issuer_key_id,
        created_at=context.now,
        enabled=is_enabled,
        usage_started_at=context.now if is_enabled else None,
        usage_stopped_at=None if is_enabled else context.now,
    )
    return record if new.material is None else seal_key(context, record, new.material)


def check_quota(context: Context, view: StoreView) -> None:
    """Refuse a key beyond the account's quota in this Region; deleted keys do not count."""
    limit = context.limits.keys
    if limit is not None and view.count_keys(context.account) >= limit:
        raise QuotaExceededError(f"the account has {limit} keys in this Region already")


def insert_key(
    context: Context,
    tx: Transaction,
    record: KeyRecord,
    *,
    tags: Sequence[tuple[str, str]],
    regions: list[str] | None = None,
    helpers: Sequence[KeyRecord] = (),
) -> t.Key:
    """
    Write the record within a change, begin its replication and show it.

    Args:
        regions: to replicate it to, as `check_choice` returned them.
        helpers: the keys its import rests on.

    Raises:
        InvalidRequestError: a key it rests on was stopped or deleted in the meantime.
        QuotaExceededError: the account has too many keys.
    """
    for helper in helpers:
        current = same_key(tx, helper, identifier=context.key_arn(helper.key_id))
        require_usable(context, current)
    check_quota(context, tx)
    tx.insert_key(record, tags)
    replicate_new_key(context, tx, record, regions)
    return key_answer(context, record, part_of(tx, record))
