"""
A Futurex HSM as a receiver, as far as its commands go.

TR-31 and ECDH arrive by TWKM with key blocks, a form inferred from TWKA; TR-34 by TRTD, whose real
layout is not public and which only our simulator understands. What arrives is a key under the PMK,
which nobody stores but the caller.
"""

from __future__ import annotations

from keyferry.crypto.certificates import CertificateUsage
from keyferry.crypto.keyblock import Exportability, KeyBlockHeader
from keyferry.errors import ExchangeError
from keyferry.exchange.authority import CertificateAuthority
from keyferry.exchange.config import Futurex
from keyferry.exchange.parties.futurex import FuturexParty, der_of, held_by
from keyferry.exchange.parties.futurex_keys import possible_algorithms
from keyferry.exchange.parties.interface import KEK, Credential, Derivation, ReceivedKey, Trust
from keyferry.hsm.futurex import GeneratedKey, KeyPair, KeyPairUse
from keyferry.keys import (
    CheckValueMethod,
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
)

KRD_NAME = "keyferry Futurex KRD"


class FuturexReceiver(FuturexParty):
    """One Futurex HSM that a key arrives at."""

    def __init__(
        self, config: Futurex, authority: CertificateAuthority | None, *, label: str = "FUTUREX"
    ) -> None:
        super().__init__(config, authority, label=label, name=KRD_NAME)

    async def receiving_credential(self, algorithm: KeyAlgorithm) -> Credential:
        bits = algorithm.modulus_bits

        async def make_authority() -> KeyPair:
            return await self._driver.generate_rsa_key_pair(bits=bits)

        return await self._credential(
            await self._driver.generate_rsa_key_pair(bits=bits, use=KeyPairUse.DERIVE),
            algorithm,
            CertificateUsage.KEY_ENCIPHERMENT,
            make_authority=make_authority,
        )

    async def import_tr34(
        self, token: bytes, *, own: Credential, peer: Credential, trust: Trust, nonce: bytes
    ) -> ReceivedKey:
        arrived = await self._driver.import_key_tr34(
            token=token,
            kdh_certificate=der_of(peer.certificate),
            kdh_issuer_tpk=trust.handle,
            private_key=held_by(own),
            krd_certificate=der_of(own.certificate),
            nonce=nonce,
        )
        return _received(arrived)

    async def import_tr31(
        self,
        block: str,
        kek: KEK,
        *,
        algorithm: KeyAlgorithm | None = None,  # noqa: ARG002 (the HSM reads it in the block)
    ) -> ReceivedKey:
        return _received(await self._driver.import_key_tr31(kek=kek.handle, block=block))

    async def import_ecdh(
        self,
        block: str,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,
        derivation: Derivation,
    ) -> ReceivedKey:
        derived = await self._derive(own, peer, trust, derivation)
        return _received(await self._driver.import_key_tr31(kek=derived, block=block))


def _received(arrived: GeneratedKey) -> ReceivedKey:
    """Read what the HSM made of the key from its new key block."""
    header = KeyBlockHeader.parse(arrived.key)
    usage = KeyUsage.from_code(header.usage)
    possible = possible_algorithms(arrived.key)
    if usage is None or not possible:
        raise ExchangeError(
            f"the Futurex holds a key of usage {header.usage} and algorithm {header.algorithm},"
            " which this build does not know"
        )
    method = CheckValueMethod.CMAC if possible[0].is_aes else CheckValueMethod.ANSI_X9_24
    return ReceivedKey(
        identifier=arrived.key,
        check_value=arrived.check_value,
        check_value_method=method.value,
        attributes=KeyAttributes(
            key_usage=usage,
            key_class=KeyClass.SYMMETRIC_KEY,
            key_algorithm=possible[0],
            modes_of_use=ModesOfUse.from_letter(header.mode),
        ),
        exportable=header.exportability is not Exportability.NONE,
        possible=possible if len(possible) > 1 else (),
    )
