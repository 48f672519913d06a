"""
Keys opened for use, kept for as long as nothing about them changes.

Opening a key costs two row reads, two AES-GCM decryptions and its cipher contexts; using an opened
one costs a fraction of it. What makes keeping it safe is the store's key epoch: every change of a
key or of an alias writes a new one in its own transaction. Every request begins with `refresh`,
which reads the epoch; with another one than before every name is looked up again. A key that was
stopped or deleted is therefore refused by every request that begins after the change is committed,
whichever process made it.

Opened handles survive an epoch if their record did not change. Those not used for a while are
dropped by `forget_idle`, so that the material of a destroyed key does not stay for the life of the
process.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from keyferry.crypto.certificates import load_certificate
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import AESBDK, TDESBDK
from keyferry.crypto.keyblock import KBPK
from keyferry.crypto.mac import HMACKey
from keyferry.crypto.secret import Secret
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import StoreIntegrityError
from keyferry.service.control.identifiers import CallPlace, Identifier, check_place
from keyferry.service.control.sealing import PrivateKey, load_private_key
from keyferry.service.control.states import unusable_because
from keyferry.service.errors import InvalidRequestError, ResourceNotFoundError
from keyferry.service.store.records import AliasRecord, KeyRecord
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.interface import Vault

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
T = TypeVar("T")

# Keys in use at once by one process and Region; a handle takes a few KB.
MOST_KEYS = 20_000


class KeyReads(Protocol):
    """What opening keys reads of a store; see `StoreView`."""

    def key_epoch(self) -> bytes: ...

    def key(self, account: str, key_id: str) -> KeyRecord | None: ...

    def alias(self, account: str, name: str) -> AliasRecord | None: ...


class OpenedKey:
    """
    A key of the store, with the handles it was used through so far.

    Handles are opened when first asked for and kept. They may be shared between threads; this
    object belongs to the event loop.
    """

    __slots__ = (
        "_binding",
        "_handles",
        "_vault",
        "algorithm",
        "arn",
        "check_value",
        "is_tdes",
        "profile",
        "record",
        "roles",
        "unusable_because",
    )

    def __init__(self, record: KeyRecord, *, arn: str, region: str, vault: Vault) -> None:
        attributes = record.attributes
        self.record = record
        self.arn = arn
        self.check_value = record.check_value
        self.algorithm = attributes.key_algorithm
        self.is_tdes = self.algorithm.is_tdes
        # What eligibility depends on, ready to be looked up.
        self.profile = (
            attributes.key_class,
            attributes.key_usage,
            attributes.key_algorithm,
            attributes.modes_of_use.letter,
        )
        # Roles it was found to fit; this object is of one revision, so it fits them for good.
        self.roles: set[object] = set()
        self.unusable_because = unusable_because(record, arn)
        self._vault = vault
        self._binding = key_binding(region, record)
        self._handles: dict[type, object] = {}

    def __repr__(self) -> str:
        return f"<OpenedKey: {self.arn}>"

    def require_usable(self) -> None:
        """Raise InvalidRequestError unless the key is complete and enabled."""
        if self.unusable_because is not None:
            raise InvalidRequestError(self.unusable_because)

    def material(self) -> Secret:
        """
        Open the clear material; the caller wipes it.

        Raises:
            StoreIntegrityError: there is none, or the record was changed behind our back.
        """
        if self.record.sealed is None:
            raise StoreIntegrityError(f"key {self.record.key_id} has no material")
        return Secret(self._vault.open(self.record.sealed, binding=self._binding))

    def cipher_key(self) -> CipherKey:
        """The key as a TDES or AES key."""
        if self.is_tdes:
            return self.tdes_key()
        handle = self._handles.get(CipherKey)
        if not isinstance(handle, CipherKey):
            with self.material() as key:
                handle = self._kept(CipherKey, CipherKey(self._cipher(), key.reveal()))
        return handle

    def tdes_key(self) -> TDESKey:
        """The key as a TDES key; its algorithm was checked before."""
        handle = self._handles.get(TDESKey)
        if not isinstance(handle, TDESKey):
            with self.material() as key:
                handle = self._kept(TDESKey, TDESKey(key.reveal()))
        return handle

    def hmac_key(self, hash_name: str) -> HMACKey:
        """The key as an HMAC key with one hash; a key of the HMAC algorithms has only its own."""
        handle = self._handles.get(HMACKey)
        if not isinstance(handle, HMACKey) or handle.hash_name != hash_name:
            with self.material() as key:
                handle = self._kept(HMACKey, HMACKey(key.reveal(), hash_name))
        return handle

    def bdk(self) -> TDESBDK | AESBDK:
        """The key as a DUKPT base derivation key."""
        handle = self._handles.get(TDESBDK) or self._handles.get(AESBDK)
        if handle is None:
            with self.material() as key:
                handle = (
                    self._kept(TDESBDK, TDESBDK(key.reveal()))
                    if self.is_tdes
                    else self._kept(AESBDK, AESBDK(key.reveal()))
                )
        if isinstance(handle, TDESBDK | AESBDK):
            return handle
        raise self._not_what_it_says()

    def kbpk(self) -> KBPK:
        """The key as a key block protection key."""
        handle = self._handles.get(KBPK)
        if not isinstance(handle, KBPK):
            with self.material() as key:
                handle = self._kept(KBPK, KBPK(self._cipher(), key.reveal()))
        return handle

    def private_key(self) -> PrivateKey:
        """The private key of a pair."""
        handle = self._handles.get(rsa.RSAPrivateKey)
        if handle is None:
            with self.material() as key:
                handle = self._kept(rsa.RSAPrivateKey, load_private_key(key))
        if isinstance(handle, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            return handle
        raise self._not_what_it_says()

    def public_key(self) -> PublicKey:
        """The public key of a pair, or an imported one."""
        handle = self._handles.get(rsa.RSAPublicKey)
        if handle is None:
            der = self.record.public_key
            if der is None:
                raise StoreIntegrityError(f"key {self.record.key_id} has no public key")
            handle = self._kept(rsa.RSAPublicKey, load_der_public_key(der))
        if isinstance(handle, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            return handle
        raise self._not_what_it_says()

    def certificate(self) -> x509.Certificate:
        """The certificate an imported public key came with."""
        handle = self._handles.get(x509.Certificate)
        if not isinstance(handle, x509.Certificate):
            der = self.record.certificate
            if der is None:
                raise StoreIntegrityError(f"key {self.record.key_id} has no certificate")
            handle = self._kept(x509.Certificate, load_certificate(der))
        return handle

    def _not_what_it_says(self) -> StoreIntegrityError:
        return StoreIntegrityError(f"key {self.record.key_id} is not what its record says")

    def _kept(self, kind: type, handle: T) -> T:
        self._handles[kind] = handle
        return handle

    def _cipher(self) -> Cipher:
        cipher = self.algorithm.cipher
        if cipher is None:
            raise StoreIntegrityError(f"key {self.record.key_id} is no cipher key")
        return cipher


class OpenedKeys:
    """The opened keys of one Region in one process; belongs to the event loop."""

    def __init__(
        self, region: str, store: KeyReads, vault: Vault, *, most: int = MOST_KEYS
    ) -> None:
        self._region = region
        self._store = store
        self._vault = vault
        self._most = most
        self._epoch = b""
        # (account, what callers name it by) → key, as of `_epoch`.
        self._names: dict[tuple[str, str], OpenedKey] = {}
        # (account, key id) → key, of whatever epoch. Those used since the last `forget_idle`, and
        # those used between the two before: what is in neither was idle and is gone.
        self._opened: dict[tuple[str, str], OpenedKey] = {}
        self._earlier: dict[tuple[str, str], OpenedKey] = {}

    def __len__(self) -> int:
        """How many keys are kept."""
        return len(self._opened.keys() | self._earlier.keys())

    def refresh(self) -> None:
        """Begin a request: forget what names meant, if anything was changed since the last one."""
        epoch = self._store.key_epoch()
        if epoch != self._epoch:
            self._names.clear()
            self._epoch = epoch

    def find(self, place: CallPlace, identifier: str, *, action: str) -> OpenedKey:
        """
        Return the key an identifier names, in whatever state it is, as of `refresh` or later.

        Args:
            place: account and Region of the caller.
            identifier: key ARN, alias or alias ARN.
            action: name of the operation, for the text of a refusal.

        Raises:
            AccessDeniedError: the identifier names another account. Whether the key exists there
                is not told.
            ResourceNotFoundError: unknown key or alias, an alias without a target, another Region.
        """
        key = self._names.get((place.account, identifier))
        if key is None:
            key = self._look_up(place, identifier, action)
            if len(self._names) >= self._most:
                self._names.clear()
            # What was read may be newer than the epoch, never older: the next `refresh` then sees
            # another epoch, and this is read again.
            self._names[place.account, identifier] = key
        return key

    def forget_idle(self) -> None:
        """
        Drop what nobody used since the call before this one.

        Names are dropped all: whatever is still in use is read again now and then, and found in
        `_earlier` unless its record changed.
        """
        self._names.clear()
        self._earlier, self._opened = self._opened, {}

    def _look_up(self, place: CallPlace, identifier: str, action: str) -> OpenedKey:
        named = Identifier.parse(identifier)
        check_place(place, named, action=action)
        account, key_id = place.account, named.key_id
        if named.alias is not None:
            alias = self._store.alias(account, named.alias)
            key_id = None if alias is None else alias.key_id
        record = None if key_id is None else self._store.key(account, key_id)
        if record is None or key_id is None:
            raise ResourceNotFoundError(identifier)
        key = self._opened.get((account, key_id)) or self._earlier.get((account, key_id))
        if key is None or key.record.revision != record.revision:
            self._earlier.pop((account, key_id), None)
            arn = f"arn:aws:payment-cryptography:{self._region}:{account}:key/{key_id}"
            key = OpenedKey(record, arn=arn, region=self._region, vault=self._vault)
        if len(self._opened) >= self._most:
            self._earlier, self._opened = self._opened, {}
        self._opened[account, key_id] = key
        return key
