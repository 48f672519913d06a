"""
What the peer says of a canary: a MAC over its change number, made with the replica there.

Only who holds the key can make it, so the change arrived with the key, and the peer uses it.
"""

from __future__ import annotations

from datetime import datetime

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.mac import cmac
from keyferry.crypto.secret import Secret
from keyferry.errors import StoreIntegrityError
from keyferry.service.authz.reserved import CANARY_ACCOUNT
from keyferry.service.replication import messages as m
from keyferry.service.replication.destruction import destroy_replica
from keyferry.service.store.interface import KeyStore, StoreView, Transaction
from keyferry.service.store.records import KeyRecord, KeyState
from keyferry.service.store.replication_records import RegionPart
from keyferry.service.vault.binding import encode_binding, key_binding
from keyferry.service.vault.interface import Vault

_MOST_CANARIES = 1000  # a Region has one of each peer, and what is left of earlier ones


def canary_mac(
    record: KeyRecord, *, sender: str, region: str, vault: Vault, number: int, challenge: bytes
) -> bytes:
    """
    The CMAC of a canary over its change number.

    Args:
        record: the canary in one of its Regions.
        sender: the Region the canary comes from.
        region: the Region that computes, whose seal the material is under.
        challenge: 32 random bytes of who asks.

    Raises:
        StoreIntegrityError: the material does not open.
    """
    if record.sealed is None:
        raise StoreIntegrityError(f"canary {record.key_id} has no material")
    with Secret(vault.open(record.sealed, binding=key_binding(region, record))) as material:
        key = CipherKey(Cipher.AES, material.reveal())
    return cmac(key, encode_binding("canary", sender, record.key_id, number, challenge))


async def prove_canary(
    asked: m.ProveCanaryInput,
    *,
    peer: str,
    region: str,
    store: KeyStore,
    vault: Vault,
    now: datetime,
) -> m.ProveCanaryOutput:
    """
    Answer what `peer` asks of its canary in this Region.

    Canaries of the peer that it does not speak of are of a store it has no more; they go.
    """
    record = store.key(CANARY_ACCOUNT, asked.key_id)
    part = store.multi_region(CANARY_ACCOUNT, asked.key_id)
    if (
        record is None
        or record.state is not KeyState.CREATE_COMPLETE
        or part is None
        or part.part is not RegionPart.REPLICA
        or part.primary_region != peer
    ):
        return m.ProveCanaryOutput(change_number=0)
    if _orphans(store, peer, asked.key_id):
        await store.write(lambda tx: _destroy_orphans(tx, peer, asked.key_id, region, now))
    mac = canary_mac(
        record,
        sender=peer,
        region=region,
        vault=vault,
        number=part.change_number,
        challenge=asked.challenge,
    )
    return m.ProveCanaryOutput(change_number=part.change_number, mac=mac)


def _orphans(view: StoreView, peer: str, key_id: str) -> list[KeyRecord]:
    found = []
    for _, record in view.keys(
        CANARY_ACCOUNT, state=KeyState.CREATE_COMPLETE, limit=_MOST_CANARIES
    ):
        part = view.multi_region(CANARY_ACCOUNT, record.key_id)
        if (
            record.key_id != key_id
            and part is not None
            and part.part is RegionPart.REPLICA
            and part.primary_region == peer
        ):
            found.append(record)
    return found


def _destroy_orphans(tx: Transaction, peer: str, key_id: str, region: str, now: datetime) -> None:
    for record in _orphans(tx, peer, key_id):
        destroy_replica(tx, record, region=region, now=now)
