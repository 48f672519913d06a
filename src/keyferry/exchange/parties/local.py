"""
A clear test key on this machine as a sender.

It does in memory what an HSM does behind its walls, so that a Region can be tried without one.
Whoever runs it has the key in the clear: it is refused unless the user says that it is a test key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keyferry.crypto.certificates import (
    CertificateUsage,
    create_csr,
    encode_pem,
    verify_chain,
)
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import derive_key
from keyferry.crypto.keyblock import KBPK, BlockVersion, Exportability, KeyBlockHeader
from keyferry.crypto.secret import Secret
from keyferry.crypto.tr34 import ContentCipher, build_token
from keyferry.errors import CheckValueMismatchError, ConfigurationError, ExchangeError
from keyferry.exchange.authority import CertificateAuthority, PrivateKey, generate_private_key
from keyferry.exchange.clear_key import read_key_file
from keyferry.exchange.modes import modes_for
from keyferry.exchange.parties.interface import (
    KEK,
    Credential,
    Derivation,
    KeyRequest,
    TransportKey,
    Trust,
)
from keyferry.exchange.parties.local_proof import LocalProofs
from keyferry.exchange.result import same_check_value
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    check_material,
    generate_material,
    header_from_attributes,
    key_check_value,
)

KDH_NAME = "keyferry local KDH"
# Version and length of a TR-34 header mean nothing; this is what the API's own clients write.
_TOKEN_LENGTH = 9999


@dataclass(frozen=True, slots=True)
class _Held:
    """The private key behind a credential."""

    key: PrivateKey


class LocalParty:
    """The sender of a clear test key."""

    def __init__(
        self,
        *,
        load_key: Callable[[], Secret],
        authority: CertificateAuthority,
        place: str,
        label: str = "LOCAL",
    ) -> None:
        """
        Args:
            load_key: reads the key or asks for it; called once, when the key is needed.
            authority: issues the certificates of this side.
            place: the party's member of the configuration, for messages.
            label: what steps call this party.
        """
        self.label = label
        self._load_key, self._authority, self._place = load_key, authority, place
        self._key: Secret | None = None
        self._kek: Secret | None = None
        self._throw_aways: dict[str, Secret] = {}

    async def connect(self) -> str:
        return "a clear test key on this machine"

    async def transport_key(self, request: KeyRequest) -> TransportKey:
        if self._key is not None:
            return self._throw_away(request)
        assert request.algorithm is not None  # noqa: S101 (a plan for a local key states it)
        secret = await asyncio.to_thread(self._load_key)
        material = secret.reveal()
        if not request.algorithm.is_hmac and len(material) != request.algorithm.size_bytes:
            raise ConfigurationError(
                f"{self._place}: a key of {len(material)} bytes is no {request.algorithm} key",
                hint="correct key_algorithm, or the key",
            )
        check_material(request.algorithm, material)
        value, _ = key_check_value(request.algorithm, material)
        expected = request.expected_check_value
        if expected and not same_check_value(value, expected):
            raise CheckValueMismatchError(
                f"the local key has check value {value}, not {expected}",
                hint="correct the key or transport_key_kcv",
            )
        self._key = secret
        return TransportKey(
            handle="",
            usage=request.usage,
            algorithm=request.algorithm,
            check_value=value,
            generated=False,
        )

    def _throw_away(self, request: KeyRequest) -> TransportKey:
        """Make the second key that a proof by use needs beside the one that travelled."""
        assert request.algorithm is not None  # noqa: S101 (a proof states it)
        material = generate_material(request.algorithm)
        handle = f"throw-away {len(self._throw_aways) + 1}"
        self._throw_aways[handle] = Secret(material)
        value, _ = key_check_value(request.algorithm, material)
        return TransportKey(
            handle=handle,
            usage=request.usage,
            algorithm=request.algorithm,
            check_value=value,
            generated=True,
        )

    @property
    def proofs(self) -> LocalProofs:
        """What is computed here under the clear key."""
        return LocalProofs(self._clear)

    async def signing_credential(self, algorithm: KeyAlgorithm) -> Credential:
        return await self._credential(algorithm, CertificateUsage.DIGITAL_SIGNATURE)

    async def agreement_credential(self, algorithm: KeyAlgorithm) -> Credential:
        return await self._credential(algorithm, CertificateUsage.KEY_AGREEMENT)

    async def _credential(self, algorithm: KeyAlgorithm, usage: CertificateUsage) -> Credential:
        key = await asyncio.to_thread(generate_private_key, algorithm)

        async def request() -> bytes:
            return encode_pem(create_csr(key, subject=KDH_NAME, hash_name="SHA256"))

        certificate = await self._authority.issue(
            key.public_key(),
            algorithm=algorithm,
            name=KDH_NAME,
            usage=usage,
            request=request,
            now=datetime.now(UTC),
        )
        chain = await self._authority.chain(algorithm)
        return Credential(certificate=certificate, authorities=chain, handle=_Held(key))

    async def trust(self, credential: Credential) -> Trust:
        *between, root = credential.authorities
        verify_chain(credential.certificate, between, root, now=datetime.now(UTC))
        return Trust()

    async def export_tr34(
        self,
        key: TransportKey,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,  # noqa: ARG002 (nothing to name: trust was checked here)
        nonce: bytes,
    ) -> bytes:
        private_key = _held(own)
        if not isinstance(private_key, rsa.RSAPrivateKey):
            raise ExchangeError("a TR-34 token is signed with an RSA key")
        assert key.algorithm is not None  # noqa: S101 (a local key's algorithm is known)
        header = self._header(key, BlockVersion.D).encode(length=_TOKEN_LENGTH)
        cipher = ContentCipher.AES128 if key.algorithm.is_aes else ContentCipher.TDES
        return build_token(
            key=self._clear(key.handle).reveal(),
            header=header,
            kdh_certificate=own.certificate,
            kdh_private_key=private_key,
            krd_certificate=peer.certificate,
            nonce=nonce,
            content_cipher=cipher,
        )

    async def kek(self, identifier: str, *, peer: KEK | None = None) -> KEK:
        """Read the clear KEK from the file `identifier`; the receiver's KEK says its algorithm."""
        place = f"{self._place}.tr31.kek"
        self._kek = await asyncio.to_thread(read_key_file, identifier, place=place)
        possible = () if peer is None else _algorithms_of(peer)
        if peer is None or not possible:
            raise ExchangeError("the receiver does not say which algorithm the KEK is of")
        size = len(self._kek)
        # A receiver may tell no more than the family; the length of the clear key tells the rest.
        algorithm = next((each for each in possible if each.size_bytes == size), None)
        if algorithm is None:
            raise CheckValueMismatchError(
                f"{place}: a key of {size} bytes, but the receiver's KEK is of"
                f" {' or '.join(possible)}",
                hint="both sides must hold the same KEK",
            )
        value, _ = key_check_value(algorithm, self._kek.reveal())
        return KEK(handle="", algorithm=algorithm, check_value=value, aes=peer.aes)

    async def export_tr31(self, key: TransportKey, kek: KEK) -> str:
        assert self._kek is not None  # noqa: S101 (a KEK comes from `kek`)
        return self._wrap(key, self._kek.reveal(), aes=kek.aes)

    async def export_ecdh(
        self,
        key: TransportKey,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,  # noqa: ARG002 (nothing to name: trust was checked here)
        derivation: Derivation,
    ) -> str:
        private_key, public_key = _held(own), peer.certificate.public_key()
        if not isinstance(private_key, ec.EllipticCurvePrivateKey) or not isinstance(
            public_key, ec.EllipticCurvePublicKey
        ):
            raise ExchangeError("ECDH needs EC keys on both sides")
        kbpk = derive_key(
            agree(private_key, public_key),
            kdf=derivation.function,
            hash_name=derivation.hash_name,
            shared_info=derivation.shared_info,
            size=derivation.algorithm.size_bytes,
        )
        return self._wrap(key, kbpk, aes=derivation.algorithm.is_aes)

    def _wrap(self, key: TransportKey, kbpk: bytes, *, aes: bool) -> str:
        cipher, version = (Cipher.AES, BlockVersion.D) if aes else (Cipher.TDES, BlockVersion.B)
        return KBPK(cipher, kbpk).wrap(self._header(key, version), self._clear(key.handle).reveal())

    def _header(self, key: TransportKey, version: BlockVersion) -> KeyBlockHeader:
        assert key.algorithm is not None  # noqa: S101 (a local key's algorithm is known)
        return header_from_attributes(
            KeyAttributes(
                key_usage=key.usage,
                key_class=KeyClass.SYMMETRIC_KEY,
                key_algorithm=key.algorithm,
                modes_of_use=modes_for(key.usage),
            ),
            version=version,
            exportability=Exportability.EXPORTABLE,
        )

    def _clear(self, handle: str) -> Secret:
        if handle in self._throw_aways:
            return self._throw_aways[handle]
        assert self._key is not None  # noqa: S101 (transport_key comes first)
        return self._key

    async def clean_up(self, *, failed: bool) -> list[str]:  # noqa: ARG002 (leaves nothing)
        self._forget()
        return []

    def _forget(self) -> None:
        self._key = self._kek = None
        self._throw_aways.clear()

    async def close(self) -> None:
        self._forget()


def _algorithms_of(kek: KEK) -> tuple[KeyAlgorithm, ...]:
    return (kek.algorithm,) if kek.algorithm is not None else kek.possible


def _held(credential: Credential) -> PrivateKey:
    if not isinstance(credential.handle, _Held):
        raise ExchangeError("the credential is not of this party")
    return credential.handle.key
