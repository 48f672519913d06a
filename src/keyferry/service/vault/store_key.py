"""
The store key: what a Region's store derives all its other keys from.

It is random, made with the store, and kept in the store wrapped by the master key. A check of the
master key lies beside it, so that a wrong master key and a changed store can be told apart.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from keyferry.errors import ConfigurationError, MasterKeyError, StoreIntegrityError
from keyferry.service.vault.binding import encode_binding
from keyferry.service.vault.master_key import MasterKey


class StoreKey:
    """32 clear bytes that do not print; only keys derived from them are used."""

    SIZE: ClassVar[int] = 32
    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def derive(self, purpose: str) -> bytes:
        """
        Return the 32-byte key for one purpose.

        HKDF-Expand with SHA-256 and one block (RFC 5869, 2.3); the store key is uniformly random,
        so the extract step is not needed (3.3).
        """
        return hmac.digest(self._key, b"keyferry " + purpose.encode() + b"\x01", "sha256")

    def wrap(
        self,
        master_key: MasterKey,
        *,
        region: str,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> WrappedStoreKey:
        """Wrap for the first time, which also gives the store its identity (16 random bytes)."""
        identity = random_bytes(16)
        wrapped = master_key.wrap(self._key, binding=_binding(identity, region))
        return WrappedStoreKey(
            identity=identity, region=region, wrapped=wrapped, master_key_check=master_key.check
        )

    def __repr__(self) -> str:
        return "<StoreKey>"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a store key is not pickled")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedStoreKey:
    """The store key as the store keeps it, in its `meta` table."""

    identity: bytes  # 16 random bytes that name the store
    region: str
    wrapped: bytes  # nonce, AES-256-GCM ciphertext and tag: 60 bytes with a local master key
    master_key_check: bytes

    def unwrap(self, master_key: MasterKey, *, region: str) -> StoreKey:
        """
        Open with the master key, for the service of `region`.

        Raises:
            ConfigurationError: the store belongs to another Region.
            MasterKeyError: it is not the master key of this store.
            StoreIntegrityError: it is, but what is kept here was changed.
        """
        if self.region != region:
            raise ConfigurationError(
                f"the store belongs to Region {self.region}, not to {region}",
                hint="give each Region a store of its own: put {region} into the URL",
            )
        if not hmac.compare_digest(self.master_key_check, master_key.check):
            raise MasterKeyError(
                f"the master key is not the one of this store (Region {self.region})",
                hint="point --master-key at the key the store was made with",
            )
        key = master_key.unwrap(self.wrapped, binding=_binding(self.identity, self.region))
        if key is None:
            raise StoreIntegrityError("the store key in the store was changed")
        return StoreKey(key)

    def to_meta(self) -> dict[str, bytes]:
        return {
            "store_id": self.identity,
            "region": self.region.encode(),
            "store_key": self.wrapped,
            "master_key_check": self.master_key_check,
        }

    @classmethod
    def from_meta(cls, meta: Mapping[str, bytes]) -> Self:
        """Raises StoreIntegrityError if a part is gone."""
        try:
            return cls(
                identity=meta["store_id"],
                region=meta["region"].decode(),
                wrapped=meta["store_key"],
                master_key_check=meta["master_key_check"],
            )
        except (KeyError, UnicodeDecodeError):
            raise StoreIntegrityError("the store's record of its key is not whole") from None


def _binding(identity: bytes, region: str) -> bytes:
    return encode_binding("store key", identity, region)
