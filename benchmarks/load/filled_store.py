"""Stores filled with keys whose material is known, through the store's own interface."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.load.signed import ACCOUNT, REGION
from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.keyblock import Exportability
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse
from keyferry.service.control.identifiers import new_id
from keyferry.service.settings import ServiceSettings
from keyferry.service.store.interface import Transaction
from keyferry.service.store.opening import open_store
from keyferry.service.store.records import KeyOrigin, KeyRecord
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.binding import key_binding

_BATCH = 2000


def _attributes(usage: KeyUsage, modes: str) -> KeyAttributes:
    return KeyAttributes(
        key_usage=usage,
        key_class=KeyClass.SYMMETRIC_KEY,
        key_algorithm=KeyAlgorithm.TDES_2KEY,
        modes_of_use=ModesOfUse.from_letter(modes),
    )


CVK = _attributes(KeyUsage.TR31_C0_CARD_VERIFICATION_KEY, "C")
PEK = _attributes(KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY, "B")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KnownKey:
    """A key in a store, and its material: 16 bytes of TDES."""

    arn: str
    material: bytes


def fill(data_dir: Path, attributes: KeyAttributes, *, count: int, known: int) -> list[KnownKey]:
    """
    Write `count` keys, sealed and authenticated as the service does it, into the store a service
    with this data directory opens; return `known` of them, spread evenly over all.
    """
    settings = ServiceSettings(regions=(REGION,), data_dir=data_dir, credentials=Path("unused"))
    data_dir.mkdir(mode=0o700, exist_ok=True)
    master_key = settings.master_key_uri(REGION)
    if master_key is None:
        raise ValueError("a store on disk has a master key")
    kept: list[KnownKey] = []
    with open_store(settings.store_url(REGION), region=REGION, master_key=master_key) as store:
        records = _records(store, attributes, count, max(1, count // known), kept)
        while batch := list(islice(records, _BATCH)):
            store.write_blocking(partial(_insert, batch))
    return kept[:known]


def _records(
    store: SQLStore, attributes: KeyAttributes, count: int, step: int, kept: list[KnownKey]
) -> Iterator[KeyRecord]:
    for number in range(count):
        material = os.urandom(16)
        record = KeyRecord(
            account=ACCOUNT,
            key_id=new_id(),
            attributes=attributes,
            exportability=Exportability.SENSITIVE,
            origin=KeyOrigin.AWS_PAYMENT_CRYPTOGRAPHY,
            check_value=tdes_kcv(material).hex().upper(),
            check_value_algorithm="ANSI_X9_24",
            created_at=datetime.now(UTC),
        )
        if number % step == 0:
            arn = f"arn:aws:payment-cryptography:{REGION}:{ACCOUNT}:key/{record.key_id}"
            kept.append(KnownKey(arn=arn, material=material))
        sealed = store.vault.seal(material, binding=key_binding(REGION, record))
        yield replace(record, sealed=sealed)


def _insert(records: list[KeyRecord], transaction: Transaction) -> None:
    for record in records:
        transaction.insert_key(record)
