"""
A payShield as a sender. `payshield_receiver` adds what a receiver does.

The HSM makes the keys, wraps and signs; certificates are issued on this side, because the device
has no public way to hold a CA. Keys under its LMK are the caller's to keep: nothing is stored in
the device, so there is nothing to take back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keyferry.crypto.certificates import CertificateUsage, verify_chain
from keyferry.crypto.kdf import KeyDerivationFunction
from keyferry.crypto.tr34 import issuer_and_serial
from keyferry.errors import CheckValueMismatchError, ExchangeError
from keyferry.exchange.authority import CertificateAuthority
from keyferry.exchange.certificate_request import signed_request
from keyferry.exchange.config import PayShield
from keyferry.exchange.modes import modes_for
from keyferry.exchange.parties.interface import (
    KEK,
    Credential,
    Derivation,
    KeyRequest,
    TransportKey,
    Trust,
)
from keyferry.exchange.parties.payshield_keys import is_aes, possible_algorithms
from keyferry.exchange.parties.payshield_proof import PayShieldProofs
from keyferry.exchange.parties.payshield_public_keys import ec_public_key, rsa_public_key
from keyferry.exchange.parties.reach import reach_of
from keyferry.exchange.result import same_check_value
from keyferry.hsm.capabilities import Device
from keyferry.hsm.payshield import (
    LMKScheme,
    LMKSelection,
    PayShieldDriver,
    TR31Attributes,
    WireKey,
)
from keyferry.hsm.payshield.capabilities import ask_device
from keyferry.hsm.payshield.key_types import key_type_for
from keyferry.hsm.payshield.message import Response
from keyferry.keys import KeyAlgorithm, KeyUsage

KDH_NAME = "keyferry payShield KDH"
ZMK_TYPE = "000"

# How host commands name algorithms.
ALGORITHM_CODES: Mapping[KeyAlgorithm, str] = {
    KeyAlgorithm.TDES_2KEY: "T2",
    KeyAlgorithm.TDES_3KEY: "T3",
    KeyAlgorithm.AES_128: "A1",
    KeyAlgorithm.AES_192: "A2",
    KeyAlgorithm.AES_256: "A3",
}
_KDF_CODES = {KeyDerivationFunction.NIST_SP800: "1", KeyDerivationFunction.ANSI_X963: "2"}
_HASH_CODES = {"SHA256": "06", "SHA384": "07", "SHA512": "08"}


@dataclass(frozen=True, slots=True)
class _Held:
    """The private key behind a credential, under the LMK."""

    key: WireKey | str = field(repr=False)


class _TracingDriver(PayShieldDriver):
    """A driver that logs which commands it sends; never their fields."""

    async def call(
        self,
        code: str,
        values: Mapping[str, object] | None = None,
        *,
        lmk: LMKSelection | None = None,
        timeout_s: float | None = None,
    ) -> Response:
        log = structlog.get_logger()
        started = time.monotonic()
        response = await super().call(code, values, lmk=lmk, timeout_s=timeout_s)
        milliseconds = round(1000 * (time.monotonic() - started), 1)
        log.info("payshield_command", command=code, answer=response.code, ms=milliseconds)
        return response


class PayShieldParty:
    """One payShield, working under one of its LMKs."""

    def __init__(
        self,
        config: PayShield,
        authority: CertificateAuthority,
        *,
        label: str = "PAYSHIELD",
        name: str = KDH_NAME,
    ) -> None:
        """
        Args:
            config: where it is, and which of its LMKs is meant.
            authority: issues its certificates.
            label: what steps call this party.
            name: the common name in its certificates.
        """
        self.label = label
        self._name = name
        self._authority = authority
        self._config = config
        self._lmk = LMKSelection(
            scheme=LMKScheme.VARIANT if config.variant_lmk else LMKScheme.KEY_BLOCK,
            identifier=config.lmk_identifier,
        )
        driver = _TracingDriver if config.debug else PayShieldDriver
        self._driver = driver(config.host, config.port, **reach_of(config))

    async def connect(self) -> str:
        said = await self._driver.diagnostics(self._lmk)
        scheme = "variant" if self._lmk.is_variant else "key block"
        return (
            f"payShield at {self._config.host}:{self._config.port}, firmware {said.firmware},"
            f" {scheme} LMK {self._lmk.identifier}"
        )

    async def device(self) -> Device:
        """Ask the HSM what it is; changes nothing."""
        return await ask_device(self._driver, self._lmk)

    async def transport_key(self, request: KeyRequest) -> TransportKey:
        if not request.generate:
            return await self._existing(request)
        assert request.algorithm is not None  # noqa: S101 (a plan never generates without one)
        made = await self._driver.generate_key(
            self._lmk,
            usage=request.usage.code,
            algorithm=ALGORITHM_CODES[request.algorithm],
            mode=modes_for(request.usage).letter.value,
            exportability="E",
        )
        return TransportKey(
            handle=made.key,
            usage=request.usage,
            algorithm=request.algorithm,
            check_value=made.check_value.upper(),
            generated=True,
        )

    async def _existing(self, request: KeyRequest) -> TransportKey:
        """Ask the HSM for the check value of a key before anything is done with it."""
        shown = await self._driver.check_value(
            self._lmk, key=request.transport_key, key_type=self._key_type(request.usage)
        )
        expected = request.expected_check_value
        if expected and not same_check_value(shown, expected):
            raise CheckValueMismatchError(
                f"the payShield shows check value {shown} for transport_key, not {expected}",
                hint="correct transport_key or transport_key_kcv",
            )
        return TransportKey(
            handle=request.transport_key,
            usage=request.usage,
            algorithm=request.algorithm,
            check_value=shown.upper(),
            generated=False,
        )

    def _key_type(self, usage: KeyUsage) -> str | None:
        return key_type_for(usage.code) if self._lmk.is_variant else None

    def _attributes(self, usage: KeyUsage) -> TR31Attributes | None:
        """What a variant key is called on its way; a key block says it itself."""
        if not self._lmk.is_variant:
            return None
        return TR31Attributes(usage=usage.code, mode=modes_for(usage).letter.value)

    # --- TR-34 ----------------------------------------------------------------------------------

    async def signing_credential(self, algorithm: KeyAlgorithm) -> Credential:
        pair = await self._driver.generate_rsa_key_pair(self._lmk, bits=algorithm.modulus_bits)
        public_key = rsa_public_key(pair.public_key, command="EI")

        async def sign(data: bytes) -> bytes:
            fields = {
                "hash": "06",
                "signature_method": "01",
                "padding": "01",
                "data": data,
                "private_key": pair.private_key,
            }
            response = await self._driver.call("EW", fields, lmk=self._lmk)
            return response.values.raw("signature")

        async def request() -> bytes:
            return await signed_request(public_key, name=self._name, sign=sign)

        certificate = await self._authority.issue(
            public_key,
            algorithm=algorithm,
            name=self._name,
            usage=CertificateUsage.DIGITAL_SIGNATURE,
            request=request,
            now=datetime.now(UTC),
        )
        chain = await self._authority.chain(algorithm)
        return Credential(
            certificate=certificate, authorities=chain, handle=_Held(pair.private_key)
        )

    async def export_tr34(
        self,
        key: TransportKey,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,  # noqa: ARG002 (the device holds no trust; it was checked here)
        nonce: bytes,
    ) -> bytes:
        receiver, private_key = peer.certificate.public_key(), _held(own)
        if not isinstance(receiver, rsa.RSAPublicKey) or not isinstance(private_key, WireKey):
            raise ExchangeError("TR-34 needs RSA keys on both sides")
        kdh_id = issuer_and_serial(own.certificate)
        parts = await self._driver.export_key_tr34(
            self._lmk,
            key=key.handle,
            kdh_id=kdh_id,
            krd_id=issuer_and_serial(peer.certificate),
            krd_public_key=receiver.public_bytes(Encoding.DER, PublicFormat.PKCS1),
            private_key=private_key,
            nonce=nonce,
            version="D" if key.algorithm is not None and key.algorithm.is_aes else "B",
            key_type=self._key_type(key.usage),
            attributes=self._attributes(key.usage),
        )
        _check_same(key, parts.check_value, "B8")
        return parts.token(kdh_id)

    async def trust(self, credential: Credential) -> Trust:
        *between, root = credential.authorities
        verify_chain(credential.certificate, between, root, now=datetime.now(UTC))
        return Trust()

    # --- TR-31 ----------------------------------------------------------------------------------

    async def kek(
        self,
        identifier: str,
        *,
        peer: KEK | None = None,  # noqa: ARG002 (the key says itself what it is)
    ) -> KEK:
        shown = await self._driver.check_value(
            self._lmk, key=identifier, key_type=ZMK_TYPE if self._lmk.is_variant else None
        )
        possible = possible_algorithms(identifier)
        return KEK(
            handle=identifier,
            algorithm=possible[0] if len(possible) == 1 else None,
            possible=possible,
            check_value=shown.upper(),
            aes=is_aes(identifier),
        )

    async def export_tr31(self, key: TransportKey, kek: KEK) -> str:
        return await self._export(key, zmk=kek.handle, aes=kek.aes)

    async def _export(self, key: TransportKey, *, zmk: str, aes: bool) -> str:
        exported = await self._driver.export_key_tr31(
            self._lmk,
            zmk=zmk,
            key=key.handle,
            version="D" if aes else "B",
            key_type=self._key_type(key.usage),
            attributes=self._attributes(key.usage),
        )
        _check_same(key, exported.check_value, "A8")
        return exported.block

    # --- ECDH -----------------------------------------------------------------------------------

    async def agreement_credential(self, algorithm: KeyAlgorithm) -> Credential:
        pair = await self._driver.generate_ecc_key_pair(
            self._lmk, curve=algorithm.curve_name or algorithm.value
        )
        public_key = ec_public_key(pair.public_key, command="FY")
        certificate = await self._authority.issue(
            public_key,
            algorithm=algorithm,
            name=self._name,
            usage=CertificateUsage.KEY_AGREEMENT,
            request=None,
            now=datetime.now(UTC),
        )
        chain = await self._authority.chain(algorithm)
        return Credential(
            certificate=certificate, authorities=chain, handle=_Held(pair.private_key)
        )

    async def export_ecdh(
        self,
        key: TransportKey,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,  # noqa: ARG002 (the device holds no trust; it was checked here)
        derivation: Derivation,
    ) -> str:
        zmk = await self._derive(own, peer, derivation)
        return await self._export(key, zmk=zmk, aes=derivation.algorithm.is_aes)

    async def _derive(self, own: Credential, peer: Credential, derivation: Derivation) -> str:
        """Have the HSM derive the wrapping key with the peer; return it under the LMK."""
        private_key = _held(own)
        if not isinstance(private_key, str):
            raise ExchangeError("ECDH needs an EC key")
        derived = await self._driver.agree_key(
            self._lmk,
            peer_public_key=peer.certificate.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            ),
            private_key=private_key,
            kdf=_KDF_CODES[derivation.function],
            hash_code=_HASH_CODES[derivation.hash_name],
            shared_info=derivation.shared_info,
            algorithm=ALGORITHM_CODES[derivation.algorithm],
        )
        return derived.key

    @property
    def proofs(self) -> PayShieldProofs:
        """What the HSM computes and verifies under keys of the LMK."""
        return PayShieldProofs(self._driver, self._lmk)

    async def clean_up(self, *, failed: bool) -> list[str]:  # noqa: ARG002 (leaves nothing)
        return []

    async def close(self) -> None:
        await self._driver.close()


def _held(credential: Credential) -> WireKey | str:
    if not isinstance(credential.handle, _Held):
        raise ExchangeError("the credential is not of this party")
    return credential.handle.key


def _check_same(key: TransportKey, shown: str, command: str) -> None:
    """The HSM says again which key it wrapped; a difference would be another key."""
    if not same_check_value(shown, key.check_value):
        raise CheckValueMismatchError(
            f"{command} wrapped a key with check value {shown.upper()}, not {key.check_value}"
        )
