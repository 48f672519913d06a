"""
Throw-away keys beside a key that is proven: some operations need two.

A PIN block is opened and verified in one operation, with a PIN encryption key and a PIN
verification key. A key of an account is proven together with one of these, which is in no store
and protects nothing: both Regions have it because it is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum

from keyferry.crypto.keyblock import Exportability
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
    key_check_value,
)
from keyferry.service.opened_keys import KeyReads
from keyferry.service.store.records import AliasRecord, KeyOrigin, KeyRecord
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.interface import Vault

_MATERIAL = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
_MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)


class Companion(StrEnum):
    """A throw-away key, by an id that no key of a store has: those are random."""

    PEK = "keyferryproofpek"  # PIN encryption key
    VISA_PVK = "keyferryproofvisapvk"  # makes and verifies PVVs
    IBM_PVK = "keyferryproofibmpvk"  # makes and verifies PINs of IBM 3624


_KINDS = {
    Companion.PEK: (KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY, "B"),
    Companion.VISA_PVK: (KeyUsage.TR31_V2_VISA_PIN_VERIFICATION_KEY, "C"),
    Companion.IBM_PVK: (KeyUsage.TR31_V1_IBM3624_PIN_VERIFICATION_KEY, "C"),
}


class WithCompanions:
    """A Region's keys as an operation reads them, with the throw-away keys in every account."""

    def __init__(self, store: KeyReads, companions: Mapping[str, KeyRecord]) -> None:
        self._store = store
        self._companions = companions

    def key_epoch(self) -> bytes:
        return self._store.key_epoch()

    def key(self, account: str, key_id: str) -> KeyRecord | None:
        found = self._companions.get(key_id)
        if found is not None and found.account == account:
            return found
        return self._store.key(account, key_id)

    def alias(self, account: str, name: str) -> AliasRecord | None:
        return self._store.alias(account, name)


def seal_companions(account: str, *, region: str, vault: Vault) -> dict[str, KeyRecord]:
    """The throw-away keys as keys of an account in a Region, by id."""
    return {name.value: _sealed(name, account, region=region, vault=vault) for name in Companion}


def _sealed(name: Companion, account: str, *, region: str, vault: Vault) -> KeyRecord:
    usage, letter = _KINDS[name]
    check_value, method = key_check_value(KeyAlgorithm.TDES_2KEY, _MATERIAL)
    record = KeyRecord(
        account=account,
        key_id=name.value,
        attributes=KeyAttributes(
            key_usage=usage,
            key_class=KeyClass.SYMMETRIC_KEY,
            key_algorithm=KeyAlgorithm.TDES_2KEY,
            modes_of_use=ModesOfUse.from_letter(letter),
        ),
        exportability=Exportability.NONE,
        origin=KeyOrigin.AWS_PAYMENT_CRYPTOGRAPHY,
        check_value=check_value,
        check_value_algorithm=method,
        created_at=_MADE_AT,
    )
    return replace(record, sealed=vault.seal(_MATERIAL, binding=key_binding(region, record)))
