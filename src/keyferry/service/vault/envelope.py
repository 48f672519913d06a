"""
Sealing key material: a data key for each record, wrapped by a key of the store.

    master key  ──wraps──▶  store key  ──derives──▶  sealing key  ──wraps──▶  data key  ──▶ material

AES-256-GCM throughout, nonce (12 bytes) in front, tag (16 bytes) behind: a wrapped data key has
60 bytes, sealed material 28 more than the material. A data key is used once. The sealing key takes
random nonces; NIST SP 800-38D, 8.3 allows 2^32 of them, so a store may seal four thousand million
times. Both layers carry the binding, so that neither half of one record fits another.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyferry.errors import StoreIntegrityError
from keyferry.service.store.records import Sealed
from keyferry.service.vault.store_key import StoreKey

NONCE_BYTES = 12
DATA_KEY_BYTES = 32


class EnvelopeVault:
    """The Vault of one Region, over its store key."""

    def __init__(
        self, store_key: StoreKey, *, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._store_key = store_key
        self._sealing = AESGCM(store_key.derive("sealing"))
        self._random_bytes = random_bytes

    def derive_key(self, purpose: str) -> bytes:
        """A 32-byte key of this store for another purpose (pagination tokens, say)."""
        return self._store_key.derive(purpose)

    def seal(self, material: bytes, *, binding: bytes) -> Sealed:
        """Seal under a fresh data key."""
        data_key = self._random_bytes(DATA_KEY_BYTES)
        nonce = self._random_bytes(2 * NONCE_BYTES)
        wrapping, sealing = nonce[:NONCE_BYTES], nonce[NONCE_BYTES:]
        return Sealed(
            wrapped_data_key=wrapping + self._sealing.encrypt(wrapping, data_key, binding),
            ciphertext=sealing + AESGCM(data_key).encrypt(sealing, material, binding),
        )

    def open(self, sealed: Sealed, *, binding: bytes) -> bytes:
        """
        Return the material.

        Raises:
            StoreIntegrityError: another store key, another record, or changed bytes; which of
                them is not told.
        """
        wrapped, ciphertext = sealed.wrapped_data_key, sealed.ciphertext
        try:
            data_key = self._sealing.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], binding)
            return AESGCM(data_key).decrypt(
                ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], binding
            )
        except (InvalidTag, ValueError):
            raise StoreIntegrityError("the seal of key material does not open") from None

    def __repr__(self) -> str:
        return "<EnvelopeVault>"
