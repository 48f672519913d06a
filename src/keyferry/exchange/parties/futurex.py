"""
A Futurex HSM as a sender, its keys under a PMK. `futurex_receiver` adds what a receiver does.

The HSM makes the keys, wraps and signs, and unless told otherwise it is its own certificate
authority. What it makes is text that the caller keeps: nothing is stored in the device, so there is
nothing to take back.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from keyferry.crypto.certificates import (
    CertificateUsage,
    encode_pem,
    load_certificate,
    load_csr,
    verify_chain,
)
from keyferry.errors import CheckValueMismatchError, ExchangeError, HSMRefusedError
from keyferry.exchange.authority import BACKDATING, CertificateAuthority
from keyferry.exchange.config import Futurex
from keyferry.exchange.modes import modes_for
from keyferry.exchange.parties.futurex_keys import is_aes, possible_algorithms
from keyferry.exchange.parties.futurex_proof import FuturexProofs
from keyferry.exchange.parties.interface import (
    KEK,
    Credential,
    Derivation,
    KeyRequest,
    TransportKey,
    Trust,
)
from keyferry.exchange.parties.reach import reach_of
from keyferry.exchange.result import same_check_value
from keyferry.hsm.capabilities import Device
from keyferry.hsm.futurex import FuturexDriver, KeyPair, KeyPairUse
from keyferry.hsm.futurex.capabilities import ask_device
from keyferry.hsm.futurex.message import Response
from keyferry.keys import KeyAlgorithm

KDH_NAME = "keyferry Futurex KDH"
CA_NAME = "keyferry Futurex CA"

# What the certificate of a leaf says it is for, as the HSM's commands write it.
_KEY_USAGES = {
    CertificateUsage.DIGITAL_SIGNATURE: "digitalSignature",
    CertificateUsage.KEY_AGREEMENT: "keyAgreement",
    CertificateUsage.KEY_ENCIPHERMENT: "keyEncipherment",
}


@dataclass(frozen=True, slots=True)
class _Held:
    """The private key behind a credential, under the PMK."""

    key: str = field(repr=False)


class _TracingDriver(FuturexDriver):
    """A driver that logs which commands it sends; never their tokens."""

    async def call(
        self,
        code: str,
        values: Mapping[str, object] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> Response:
        started = time.monotonic()
        response = await super().call(code, values, timeout_s=timeout_s)
        milliseconds = round(1000 * (time.monotonic() - started), 1)
        structlog.get_logger().info("futurex_command", command=code, ms=milliseconds)
        return response


class FuturexParty:
    """One Futurex HSM."""

    def __init__(
        self,
        config: Futurex,
        authority: CertificateAuthority | None,
        *,
        label: str = "FUTUREX",
        name: str = KDH_NAME,
    ) -> None:
        """
        Args:
            config: where it is.
            authority: issues its certificates; None: the HSM itself does.
            label: what steps call this party.
            name: the common name in its certificates.
        """
        self.label = label
        self._name = name
        self._config, self._authority = config, authority
        driver = _TracingDriver if config.debug else FuturexDriver
        self._driver = driver(config.host, config.port, **reach_of(config))

    async def connect(self) -> str:
        await self._driver.echo()
        return f"Futurex at {self._config.host}:{self._config.port}, keys under the PMK"

    async def device(self) -> Device:
        """Ask the HSM what it is; changes nothing."""
        return await ask_device(self._driver)

    async def transport_key(self, request: KeyRequest) -> TransportKey:
        if not request.generate:
            return await self._existing(request)
        assert request.algorithm is not None  # noqa: S101 (a plan never generates without one)
        made = await self._driver.generate_key(
            usage=request.usage.code,
            algorithm=request.algorithm,
            mode=modes_for(request.usage).letter.value,
            exportability="E",
        )
        return TransportKey(
            handle=made.key,
            usage=request.usage,
            algorithm=request.algorithm,
            check_value=made.check_value,
            generated=True,
        )

    async def _existing(self, request: KeyRequest) -> TransportKey:
        """Have the HSM show the check value of a key before anything is done with it."""
        expected = request.expected_check_value
        shown = await self._driver.check_value(request.transport_key)
        if not shown and not expected:
            raise ExchangeError(
                "the Futurex shows no check value for transport_key",
                hint="state it in transport_key_kcv, so that the receiver's can be compared",
            )
        if shown and expected and not same_check_value(shown, expected):
            raise CheckValueMismatchError(
                f"the Futurex shows check value {shown} for transport_key, not {expected}",
                hint="correct transport_key or transport_key_kcv",
            )
        return TransportKey(
            handle=request.transport_key,
            usage=request.usage,
            algorithm=request.algorithm,
            check_value=shown or expected,
            generated=False,
        )

    # --- certificates ---------------------------------------------------------------------------

    async def signing_credential(self, algorithm: KeyAlgorithm) -> Credential:
        def make() -> Awaitable[KeyPair]:
            return self._driver.generate_rsa_key_pair(bits=algorithm.modulus_bits)

        return await self._credential(
            await make(), algorithm, CertificateUsage.DIGITAL_SIGNATURE, make_authority=make
        )

    async def agreement_credential(self, algorithm: KeyAlgorithm) -> Credential:
        curve = algorithm.curve_name or algorithm.value

        def make_authority() -> Awaitable[KeyPair]:
            return self._driver.generate_ecc_key_pair(curve=curve, use=KeyPairUse.SIGN)

        return await self._credential(
            await self._driver.generate_ecc_key_pair(curve=curve, use=KeyPairUse.DERIVE),
            algorithm,
            CertificateUsage.KEY_AGREEMENT,
            make_authority=make_authority,
        )

    async def _credential(
        self,
        pair: KeyPair,
        algorithm: KeyAlgorithm,
        usage: CertificateUsage,
        *,
        make_authority: Callable[[], Awaitable[KeyPair]],
    ) -> Credential:
        request = await self._driver.request_certificate(
            private_key=pair.private_key, subject=self._name, key_usage=_KEY_USAGES[usage]
        )
        if self._authority is None:
            certificate, root = await self._issue_inside(request, usage, await make_authority())
            chain: tuple[x509.Certificate, ...] = (root,)
        else:
            certificate = await self._issue_outside(self._authority, request, algorithm, usage)
            chain = await self._authority.chain(algorithm)
        return Credential(
            certificate=certificate, authorities=chain, handle=_Held(pair.private_key)
        )

    async def _issue_inside(
        self, request: bytes, usage: CertificateUsage, authority: KeyPair
    ) -> tuple[x509.Certificate, x509.Certificate]:
        """Make an authority in the HSM and have it issue the certificate of a request."""
        # Clocks of HSMs are seldom right.
        not_before = (datetime.now(UTC) - BACKDATING).date()
        root = await self._driver.self_sign(
            private_key=authority.private_key, subject=CA_NAME, not_before=not_before
        )
        leaf = await self._driver.sign_request(
            request=request,
            issuer=root,
            private_key=authority.private_key,
            key_usage=_KEY_USAGES[usage],
            not_before=not_before,
        )
        return load_certificate(leaf), load_certificate(root)

    async def _issue_outside(
        self,
        authority: CertificateAuthority,
        request: bytes,
        algorithm: KeyAlgorithm,
        usage: CertificateUsage,
    ) -> x509.Certificate:
        csr = load_csr(request)
        public_key = csr.public_key()
        if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise ExchangeError("ASYR answered with a request of a key that is neither RSA nor EC")

        async def pem() -> bytes:
            return encode_pem(csr)

        return await authority.issue(
            public_key,
            algorithm=algorithm,
            name=self._name,
            usage=usage,
            request=pem,
            now=datetime.now(UTC),
        )

    async def trust(self, credential: Credential) -> Trust:
        *between, root = credential.authorities
        verify_chain(credential.certificate, between, root, now=datetime.now(UTC))
        tpk = await self._driver.trust_root(der_of(root))
        for authority in reversed(between):
            tpk = await self._driver.trust_issued(
                der_of(authority), issuer_tpk=tpk, use=KeyPairUse.VERIFY
            )
        return Trust(handle=tpk)

    # --- the three ways out ---------------------------------------------------------------------

    async def export_tr34(
        self, key: TransportKey, *, own: Credential, peer: Credential, trust: Trust, nonce: bytes
    ) -> bytes:
        return await self._driver.export_key_tr34(
            key=key.handle,
            kdh_certificate=der_of(own.certificate),
            private_key=held_by(own),
            krd_certificate=der_of(peer.certificate),
            krd_issuer_tpk=trust.handle,
            nonce=nonce,
            aes_envelope=key.algorithm.is_aes if key.algorithm else is_aes(key.handle),
        )

    async def kek(
        self,
        identifier: str,
        *,
        peer: KEK | None = None,  # noqa: ARG002 (the key says itself what it is)
    ) -> KEK:
        possible = possible_algorithms(identifier)
        try:
            shown = await self._driver.check_value(identifier)
        except HSMRefusedError:
            # A KEK that may not leave cannot be asked; the MAC of the key block will tell.
            shown = ""
        return KEK(
            handle=identifier,
            algorithm=possible[0] if len(possible) == 1 else None,
            possible=possible,
            check_value=shown,
            aes=is_aes(identifier),
        )

    async def export_tr31(self, key: TransportKey, kek: KEK) -> str:
        return await self._export(key, kek.handle)

    async def _export(self, key: TransportKey, kek: str) -> str:
        exported = await self._driver.export_key_tr31(kek=kek, key=key.handle)
        # Where the HSM says again which key it wrapped, a difference would be another key.
        if exported.check_value and not same_check_value(exported.check_value, key.check_value):
            raise CheckValueMismatchError(
                f"TWKA wrapped a key with check value {exported.check_value}, not {key.check_value}"
            )
        return exported.block

    async def export_ecdh(
        self,
        key: TransportKey,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,
        derivation: Derivation,
    ) -> str:
        return await self._export(key, await self._derive(own, peer, trust, derivation))

    async def _derive(
        self, own: Credential, peer: Credential, trust: Trust, derivation: Derivation
    ) -> str:
        """Have the HSM derive the wrapping key with the peer; return it under the PMK."""
        peer_tpk = await self._driver.trust_issued(
            der_of(peer.certificate), issuer_tpk=trust.handle, use=KeyPairUse.DERIVE
        )
        return await self._driver.agree_key(
            private_key=held_by(own),
            peer_tpk=peer_tpk,
            algorithm=derivation.algorithm,
            kdf=derivation.function,
            hash_name=derivation.hash_name,
            shared_info=derivation.shared_info,
        )

    @property
    def proofs(self) -> FuturexProofs:
        """What the HSM computes and verifies under keys of the PMK."""
        return FuturexProofs(self._driver)

    async def clean_up(self, *, failed: bool) -> list[str]:  # noqa: ARG002 (leaves nothing)
        return []

    async def close(self) -> None:
        await self._driver.close()


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def held_by(credential: Credential) -> str:
    if not isinstance(credential.handle, _Held):
        raise ExchangeError("the credential is not of this party")
    return credential.handle.key
