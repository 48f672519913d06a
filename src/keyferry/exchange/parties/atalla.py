"""
An Atalla as a sender.

By TR-34 the HSM generates the key in the very command that exports it, so a new key is known only
afterwards. It trusts the receiver's key under dual control. Keys stay at the host as AKBs: nothing
is stored in the device, so there is nothing to take back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import CertificateUsage, verify_chain
from keyferry.crypto.keyblock.akb import AKB
from keyferry.crypto.tr34 import issuer_and_serial
from keyferry.errors import (
    CheckValueMismatchError,
    ConfigurationError,
    ExchangeError,
    HSMRefusedError,
)
from keyferry.exchange.authority import CertificateAuthority
from keyferry.exchange.certificate_request import signed_request
from keyferry.exchange.config import Atalla
from keyferry.exchange.parties.atalla_proof import AtallaProofs
from keyferry.exchange.parties.interface import (
    KEK,
    Credential,
    Derivation,
    KeyRequest,
    Method,
    TransportKey,
    Trust,
)
from keyferry.exchange.parties.reach import reach_of
from keyferry.exchange.result import same_check_value
from keyferry.hsm.atalla import AtallaDriver, Operator, TR34Token
from keyferry.hsm.atalla.capabilities import ask_device
from keyferry.hsm.atalla.usages import HEADERS, MAC_USAGES, tr31_mode
from keyferry.hsm.capabilities import Device
from keyferry.hsm.values import Values
from keyferry.keys import KeyAlgorithm

KDH_NAME = "keyferry Atalla KDH"
LENGTHS: Mapping[KeyAlgorithm, str] = {KeyAlgorithm.TDES_2KEY: "D", KeyAlgorithm.TDES_3KEY: "T"}
_WRONG_LENGTH = "1001"  # key length error in field 1


@dataclass(frozen=True, slots=True)
class _Held:
    """The private key behind a credential, as an AKB."""

    key: str = field(repr=False)


class _TracingDriver(AtallaDriver):
    """A driver that logs which commands it sends; never their fields."""

    async def call(
        self,
        code: str,
        values: Mapping[str, object] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> Values:
        started = time.monotonic()
        answer = await super().call(code, values, timeout_s=timeout_s)
        milliseconds = round(1000 * (time.monotonic() - started), 1)
        structlog.get_logger().info("atalla_command", command=code, ms=milliseconds)
        return answer


class AtallaParty:
    """One Atalla."""

    def __init__(
        self,
        config: Atalla,
        authority: CertificateAuthority,
        *,
        method: Method,
        operator: Operator,
        label: str = "ATALLA",
    ) -> None:
        """
        Args:
            config: where it is.
            authority: issues its certificates.
            method: how the key will travel, which decides when a new one is made.
            operator: sees to the approval of the receiver's key.
            label: what steps call this party.
        """
        self.label = label
        self._config, self._authority = config, authority
        self._method = method
        self._operator = replace(operator, wait_s=config.dual_control_timeout_seconds)
        self._made: TR34Token | None = None
        driver = _TracingDriver if config.debug else AtallaDriver
        self._driver = driver(config.host, config.port, **reach_of(config))

    async def connect(self) -> str:
        said = await self._driver.status()
        return f"Atalla at {self._config.host}:{self._config.port}, {said.software}"

    async def device(self) -> Device:
        """Ask the HSM what it is; changes nothing."""
        return await ask_device(self._driver)

    async def transport_key(self, request: KeyRequest) -> TransportKey:
        if not request.generate:
            return await self._existing(request)
        assert request.algorithm is not None  # noqa: S101 (a plan never generates without one)
        handle = check_value = ""
        if self._method is not Method.TR34:
            made = await self._driver.generate_key(
                header=HEADERS[request.usage.code].encode(), length=LENGTHS[request.algorithm]
            )
            handle, check_value = made.key, made.check_digits
        return TransportKey(
            handle=handle,
            usage=request.usage,
            algorithm=request.algorithm,
            check_value=check_value,
            generated=True,
        )

    async def _existing(self, request: KeyRequest) -> TransportKey:
        """Ask the HSM for the check digits of a key before anything is done with it."""
        key = request.transport_key.strip()
        shown = await self._driver.check_digits(key)
        expected = request.expected_check_value
        if expected and not same_check_value(shown, expected):
            raise CheckValueMismatchError(
                f"the Atalla shows check value {shown} for transport_key, not {expected}",
                hint="correct transport_key or transport_key_kcv",
            )
        return TransportKey(
            handle=key,
            usage=request.usage,
            algorithm=request.algorithm,
            check_value=shown,
            generated=False,
        )

    # --- TR-34 ----------------------------------------------------------------------------------

    async def signing_credential(self, algorithm: KeyAlgorithm) -> Credential:
        pair = await self._driver.generate_rsa_key_pair(bits=algorithm.modulus_bits)

        async def sign(data: bytes) -> bytes:
            return await self._driver.sign(data, private_key=pair.private_akb)

        async def request() -> bytes:
            return await signed_request(pair.public_key, name=KDH_NAME, sign=sign)

        certificate = await self._authority.issue(
            pair.public_key,
            algorithm=algorithm,
            name=KDH_NAME,
            usage=CertificateUsage.DIGITAL_SIGNATURE,
            request=request,
            now=datetime.now(UTC),
        )
        chain = await self._authority.chain(algorithm)
        return Credential(
            certificate=certificate, authorities=chain, handle=_Held(pair.private_akb)
        )

    async def trust(self, credential: Credential) -> Trust:
        *between, root = credential.authorities
        verify_chain(credential.certificate, between, root, now=datetime.now(UTC))
        public_key = credential.certificate.public_key()
        if not isinstance(public_key, rsa.RSAPublicKey):
            raise ExchangeError("TR-34 needs RSA keys on both sides")
        # Not command 123, which follows chains: it does not know the SHA-512 they are signed with.
        akb = await self._driver.trust_public_key(public_key, operator=self._operator)
        return Trust(handle=akb)

    async def export_tr34(
        self,
        key: TransportKey,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,
        nonce: bytes,
    ) -> bytes:
        if not isinstance(own.handle, _Held):
            raise ExchangeError("the credential is not of this party")
        header = AKB.parse(key.handle).header if key.handle else HEADERS[key.usage.code]
        mode = tr31_mode(header)
        if mode is None:
            raise ExchangeError(f"the header {header.encode()} stands for no TR-31 mode")
        lengths = [LENGTHS[key.algorithm]] if key.algorithm is not None else list(LENGTHS.values())
        for length in lengths:
            try:
                self._made = await self._driver.export_key_tr34(
                    key=key.handle or None,
                    length=length,
                    block_header=f"B9999{key.usage.code}T{mode}00{header.exportability}0000",
                    kdh_id=issuer_and_serial(own.certificate),
                    krd_id=issuer_and_serial(peer.certificate),
                    krd_public_key=trust.handle,
                    private_key=own.handle.key,
                    nonce=nonce,
                )
            except HSMRefusedError as error:
                # An AKB hides how long its key is, and the command wants to be told.
                if error.code != _WRONG_LENGTH or length == lengths[-1]:
                    raise
                continue
            break
        made = self._made
        assert made is not None  # noqa: S101 (the loop ends by a break or an error)
        if not key.generated:
            _check_same(key, made.check_digits, "136")
        return made.token

    def exported_key(self, key: TransportKey) -> TransportKey:
        made = self._made
        if made is None or not key.generated:
            return key
        return replace(key, handle=made.key, check_value=made.check_digits)

    # --- TR-31 ----------------------------------------------------------------------------------

    async def kek(
        self,
        identifier: str,
        *,
        peer: KEK | None = None,  # noqa: ARG002 (the HSM shows check digits itself)
    ) -> KEK:
        handle = identifier.strip()
        shown = await self._driver.check_digits(handle)
        return KEK(handle=handle, algorithm=None, check_value=shown, aes=False)

    async def export_tr31(self, key: TransportKey, kek: KEK) -> str:
        exported = await self._driver.export_key_tr31(
            kek=kek.handle,
            key=key.handle,
            mac_usage=key.usage.code if key.usage.code in MAC_USAGES else None,
        )
        _check_same(key, exported.check_digits, "11A")
        return exported.block

    # --- ECDH -----------------------------------------------------------------------------------

    async def agreement_credential(self, algorithm: KeyAlgorithm) -> Credential:
        raise ConfigurationError(f"no public host command of an Atalla makes {algorithm} keys")

    async def export_ecdh(
        self,
        key: TransportKey,  # noqa: ARG002 (the device has no such command)
        *,
        own: Credential,  # noqa: ARG002
        peer: Credential,  # noqa: ARG002
        trust: Trust,  # noqa: ARG002
        derivation: Derivation,
    ) -> str:
        raise ConfigurationError(
            f"no public host command of an Atalla derives keys by {derivation.function}"
        )

    @property
    def proofs(self) -> AtallaProofs:
        """What the HSM computes and verifies under keys of the master file key."""
        return AtallaProofs(self._driver)

    async def clean_up(self, *, failed: bool) -> list[str]:  # noqa: ARG002 (leaves nothing)
        return []

    async def close(self) -> None:
        await self._driver.close()


def _check_same(key: TransportKey, shown: str, command: str) -> None:
    """The HSM says again which key it wrapped; a difference would be another key."""
    if not same_check_value(shown, key.check_value):
        raise CheckValueMismatchError(
            f"{command} wrapped a key with check value {shown}, not {key.check_value}"
        )
