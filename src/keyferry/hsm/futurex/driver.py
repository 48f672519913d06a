"""
The Futurex driver: typed methods for keys, certificates and exchanges, over host commands.

Keys are under an AES-256 PMK. The commands are those the published samples send. Sources:
docs/evidence.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from typing import Final

from keyferry.crypto.kdf import KeyDerivationFunction
from keyferry.crypto.keyblock import (
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)
from keyferry.errors import ConfigurationError, KeyBlockError
from keyferry.hsm.futurex.codes import (
    CURVES,
    HASHES,
    KDFS,
    RSA_BITS,
    KeyPairUse,
    MajorKey,
    key_type,
)
from keyferry.hsm.futurex.payments import PaymentClient
from keyferry.hsm.futurex.results import ExportedKey, GeneratedKey, KeyPair
from keyferry.hsm.values import Values
from keyferry.keys import KeyAlgorithm

VALIDITY_DAYS: Final = 1122  # what the samples send; that it counts days is inferred
SERIAL_BYTES: Final = 8
_PMK: Final = MajorKey.PMK.value
_SHA512: Final = HASHES["SHA512"]


class FuturexDriver(PaymentClient):
    """
    One Futurex HSM and the keys under its PMK. Use as an asynchronous context manager.

    Nothing is stored in the HSM: keys, key pairs and trusted public keys are text that the caller
    keeps. Every method raises `HSMRefusedError` when the HSM answers with an error frame,
    `HSMConnectionError` or `HSMTimeoutError` when it does not answer, and `HSMFrameError` when
    what it answers is not the command's response.
    """

    async def generate_key(
        self,
        *,
        usage: str,
        algorithm: KeyAlgorithm,
        mode: str,
        exportability: str = "E",
        key_version: str = "00",
    ) -> GeneratedKey:
        """
        Generate a symmetric key under the PMK (GPGS).

        Args:
            usage, mode, exportability, key_version: of its key block header, e.g. `K1`, `B`, `E`.
            algorithm: TDES or AES.
        """
        try:
            header = KeyBlockHeader(
                version=BlockVersion.D,
                usage=usage,
                algorithm=algorithm.block_algorithm,
                mode=ModeOfUse(mode),
                key_version=key_version,
                exportability=Exportability(exportability),
            )
        except (KeyBlockError, ValueError):
            raise ConfigurationError(
                f"key block header {usage!r}, {mode!r}, {exportability!r}: expected X9.143 codes"
            ) from None
        values = {
            "major_key": _PMK,
            "key_type": key_type(algorithm),
            # The HSM computes the length.
            "header": header.encode(length=0),
        }
        answer = (await self.call("GPGS", values)).values
        return GeneratedKey(key=answer.text("new_key"), check_value=_shown(answer))

    async def check_value(self, key: str) -> str:
        """
        Return the check value of an exportable key, or nothing where the HSM shows none.

        No public command asks for it. A new KEK that nobody keeps is made, and the key exported
        under it; the answer of TWKA carries the check value on the devices that show it.
        """
        kek = await self.generate_key(
            usage="K1", algorithm=KeyAlgorithm.AES_256, mode="E", exportability="N"
        )
        return (await self.export_key_tr31(kek=kek.key, key=key)).check_value

    # --- key pairs and certificates ---------------------------------------------------------

    async def generate_rsa_key_pair(
        self, *, bits: int, use: KeyPairUse = KeyPairUse.SIGN, timeout_s: float = 120.0
    ) -> KeyPair:
        """
        Generate an RSA key pair (GRSA); large ones may take the HSM many seconds.

        Args:
            bits: of the modulus: 2048, 3072 or 4096.
            use: what the private key is for.
            timeout_s: for this command.
        """
        if str(bits) not in RSA_BITS:
            raise ConfigurationError(f"RSA of {bits} bits: expected {', '.join(RSA_BITS)}")
        values = {"modulus_bits": str(bits), "use": use.value, "major_key": _PMK}
        return _pair((await self.call("GRSA", values, timeout_s=timeout_s)).values)

    async def generate_ecc_key_pair(
        self, *, curve: str, use: KeyPairUse = KeyPairUse.DERIVE
    ) -> KeyPair:
        """Generate an EC key pair on `P256`, `P384` or `P521` (GECC)."""
        code = CURVES.get(curve)
        if code is None:
            raise ConfigurationError(f"curve {curve[:20]!r}: expected {', '.join(CURVES)}")
        values = {"major_key": _PMK, "curve": code, "use": use.value}
        return _pair((await self.call("GECC", values)).values)

    async def self_sign(
        self,
        *,
        private_key: str,
        subject: str,
        second_name: str = "SelfSignedCertificate",
        not_before: date,
        serial_number: int | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> bytes:
        """
        Make a self-signed certificate authority (ASGC) and return its DER.

        Args:
            private_key: of a pair that signs.
            subject: common name.
            second_name: organisation or label; which is not public.
            not_before: first day, UTC; take one that has begun everywhere.
            serial_number: by default random.
            random_bytes: where a serial number comes from.
        """
        values = {
            "not_before": f"{not_before:%Y%m%d}",
            "validity_days": str(VALIDITY_DAYS),
            "key_usage": "digitalSignature,nonRepudiation,keyCertSign",
            "signature_hash": _SHA512,
            "basic_constraints": "CA:TRUE",
            "subject": subject,
            "second_name": second_name,
            "serial_number": str(serial_number or _serial(random_bytes)),
            "major_key": _PMK,
            "private_key": private_key,
        }
        return (await self.call("ASGC", values)).values.raw("new_certificate")

    async def request_certificate(self, *, private_key: str, subject: str, key_usage: str) -> bytes:
        """
        Make a certificate request signed by its own key (ASYR) and return its DER.

        Args:
            private_key: of the subject.
            subject: common name.
            key_usage: as OpenSSL writes it, e.g. `digitalSignature`; it is marked critical.
        """
        values = {
            "signature_hash": _SHA512,
            "key_usage": f"critical,{key_usage}",
            "subject": subject,
            "unexplained_la": "10201",  # as the samples send it
            "major_key": _PMK,
            "private_key": private_key,
        }
        return (await self.call("ASYR", values)).values.raw("new_request")

    async def sign_request(
        self,
        *,
        request: bytes,
        issuer: bytes,
        private_key: str,
        key_usage: str,
        not_before: date,
        serial_number: int | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> bytes:
        """
        Issue the certificate of a request (ASSR) and return its DER.

        Args:
            request: DER of the request.
            issuer: DER of the authority's certificate.
            private_key: of the authority.
            key_usage: of the certificate, as OpenSSL writes it.
            not_before, serial_number, random_bytes: as for `self_sign`.
        """
        values = {
            "not_before": f"{not_before:%Y%m%d}",
            "validity_days": str(VALIDITY_DAYS),
            "signature_hash": _SHA512,
            "key_usage": key_usage,
            "request": request,
            "serial_number": str(serial_number or _serial(random_bytes)),
            "major_key": _PMK,
            "issuer": issuer,
            "private_key": private_key,
        }
        return (await self.call("ASSR", values)).values.raw("new_certificate")

    async def trust_root(self, certificate: bytes) -> str:
        """Have the HSM trust a self-signed authority (AVPC); return its TPK."""
        return await self._trust(certificate, KeyPairUse.VERIFY, None)

    async def trust_issued(
        self, certificate: bytes, *, issuer_tpk: str, use: KeyPairUse = KeyPairUse.DERIVE
    ) -> str:
        """Have the HSM verify a certificate under a trusted authority (AVPC); return its TPK."""
        return await self._trust(certificate, use, issuer_tpk)

    async def _trust(self, certificate: bytes, use: KeyPairUse, issuer_tpk: str | None) -> str:
        values = {
            "major_key": _PMK,
            "use": use.value,
            "issuer_tpk": issuer_tpk,
            "certificate": certificate,
        }
        return (await self.call("AVPC", values)).values.text("tpk")

    # --- exchanges: out ---------------------------------------------------------------------

    async def export_key_tr34(
        self,
        *,
        key: str,
        kdh_certificate: bytes,
        private_key: str,
        krd_certificate: bytes,
        krd_issuer_tpk: str,
        nonce: bytes,
        aes_envelope: bool = False,
    ) -> bytes:
        """
        Export a key by TR-34 (TRTP) and return the whole token in DER.

        Args:
            key: a key block under the PMK, exportable.
            kdh_certificate: DER, for `private_key`.
            private_key: of the KDH, made to sign.
            krd_certificate: DER.
            krd_issuer_tpk: of the authority that issued it, from `trust_root`.
            nonce: 8 to 16 bytes, fresh; the KRD checks it.
            aes_envelope: ask for an AES-128 envelope, without which no AES key may travel. The
                samples always ask for TDES; that 4 asks for AES is inferred.
        """
        values = {
            "major_key": _PMK,
            "envelope_type": "4" if aes_envelope else "3",
            "certificate": kdh_certificate,
            "private_key": private_key,
            "krd_certificate": krd_certificate,
            "krd_issuer_tpk": krd_issuer_tpk,
            "key": key,
            "nonce": nonce,
        }
        return (await self.call("TRTP", values)).values.raw("token")

    async def export_key_tr31(self, *, kek: str, key: str) -> ExportedKey:
        """
        Export a key as a TR-31 block (TWKA): version D under an AES KEK, B under a TDES one.

        Args:
            kek: a K0 or K1 key block under the PMK.
            key: a key block under the PMK, exportable.
        """
        values = {"major_key": _PMK, "kek": kek, "key": key, "output_format": "T"}
        answer = (await self.call("TWKA", values)).values
        return ExportedKey(block=answer.text("wrapped_key"), check_value=_shown(answer))

    async def agree_key(
        self,
        *,
        private_key: str,
        peer_tpk: str,
        algorithm: KeyAlgorithm,
        kdf: KeyDerivationFunction,
        hash_name: str,
        shared_info: bytes,
    ) -> str:
        """
        Derive a KEK with a peer by ECDH (SDDH) and return it under the PMK.

        Args:
            private_key: of a pair for key agreement.
            peer_tpk: of the peer's certificate, from `trust_issued`.
            algorithm: of the derived key.
            kdf, hash_name: how both sides derive; SHA256, SHA384 or SHA512.
            shared_info: goes into the derivation; at least one byte.
        """
        code = HASHES.get(hash_name)
        if code is None:
            raise ConfigurationError(f"hash {hash_name[:20]!r}: expected {', '.join(HASHES)}")
        values = {
            "major_key": _PMK,
            "key_type": key_type(algorithm),
            "hash": code,
            "shared_info": shared_info,
            "kdf": KDFS[kdf],
            "private_key": private_key,
            "peer_tpk": peer_tpk,
        }
        return (await self.call("SDDH", values)).values.text("new_key")

    # --- exchanges: in ----------------------------------------------------------------------

    async def import_key_tr34(
        self,
        *,
        token: bytes,
        kdh_certificate: bytes,
        kdh_issuer_tpk: str,
        private_key: str,
        krd_certificate: bytes,
        nonce: bytes,
    ) -> GeneratedKey:
        """
        Import the key of a TR-34 token (TRTD).

        The layout of TRTD is not public: this is our own, which our simulator understands. Do not
        expect a device to.
        """
        values = {
            "major_key": _PMK,
            "token": token,
            "certificate": kdh_certificate,
            "kdh_issuer_tpk": kdh_issuer_tpk,
            "private_key": private_key,
            "krd_certificate": krd_certificate,
            "nonce": nonce,
        }
        answer = (await self.call("TRTD", values)).values
        return GeneratedKey(key=answer.text("new_key"), check_value=_shown(answer))

    async def import_key_tr31(self, *, kek: str, block: str) -> GeneratedKey:
        """Import a TR-31 block (TWKM with key blocks, a form inferred from TWKA)."""
        values = {"major_key": _PMK, "kek": kek, "wrapped_key": block}
        answer = (await self.call("TWKM", values)).values
        return GeneratedKey(key=answer.text("new_key"), check_value=_shown(answer))


def _shown(answer: Values) -> str:
    """Return the check value of an answer in upper-case hex, or nothing."""
    value = answer.maybe("check_value", bytes)
    return value.hex().upper() if value is not None else ""


def _pair(answer: Values) -> KeyPair:
    return KeyPair(
        private_key=answer.text("private_key"),
        tpk=answer.text("tpk"),
        public_key=answer.raw("public_key"),
    )


def _serial(random_bytes: Callable[[int], bytes]) -> int:
    # A positive INTEGER: the lowest bit is set, since zero is not allowed.
    return int.from_bytes(random_bytes(SERIAL_BYTES)) | 1
