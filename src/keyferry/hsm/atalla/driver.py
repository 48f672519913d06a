"""
The Atalla driver: typed methods for keys, over host commands.

The commands for TR-34 and TR-31 are those the published samples send. Sources: docs/evidence.md.
"""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.keyblock.akb import AKB
from keyferry.crypto.tr34 import (
    ContentCipher,
    Layout,
    assemble_envelope,
    assemble_token,
    build_signed_attributes,
    der,
)
from keyferry.errors import (
    CertificateError,
    ConfigurationError,
    HSMFrameError,
    KeyferryError,
)
from keyferry.hsm.atalla.commands.rsa import HASH_CODES
from keyferry.hsm.atalla.dual_control import Operator, trust_public_key
from keyferry.hsm.atalla.payments import PaymentClient
from keyferry.hsm.atalla.results import (
    ExportedKey,
    GeneratedKey,
    RSAKeyPair,
    Status,
    TR34Parts,
    TR34Token,
)
from keyferry.hsm.atalla.rsa_public import decode_public_key, unsigned
from keyferry.hsm.atalla.usages import KRD_PUBLIC_KEY
from keyferry.hsm.values import Values

_SHA_256: Final = "5"
_PKCS1: Final = "1"
_TDES_EPHEMERAL: Final = "D"
_OAEP_SHA_256: Final = "4"
_RSA_TIMEOUT_S: Final = 120.0


class AtallaDriver(PaymentClient):
    """
    One Atalla and the keys its host keeps. Use as an asynchronous context manager.

    Every method raises `HSMRefusedError` when the HSM answers with an error,
    `HSMConnectionError` or `HSMTimeoutError` when it does not answer, and `HSMFrameError` when
    what it answers is not the command's response.
    """

    # --- the device -------------------------------------------------------------------------

    async def status(self) -> Status:
        """Return what the device says of itself (1101)."""
        values = await self.call("1101")
        return Status(
            software=values.text("software"),
            crc=values.text("crc"),
            product=values.text("product"),
        )

    async def echo(self, text: str) -> str:
        """Have the HSM send text back (00)."""
        return (await self.call("00", {"text": text})).text("echoed")

    async def configuration(self, what: str) -> tuple[str, ...]:
        """Return a configuration report (9A): `ID`, `KEY`, `CONFIG-ON` and others."""
        items = (await self.call("9A", {"what": what})).typed("items", tuple)
        return tuple(str(item) for item in items)

    async def random(self, digits: int) -> str:
        """Return random hexadecimal digits (93)."""
        return (await self.call("93", {"form": "H", "count": str(digits)})).text("random")

    # --- symmetric keys ---------------------------------------------------------------------

    async def generate_key(
        self, *, header: str, length: str, kek: str | None = None
    ) -> GeneratedKey:
        """
        Generate a key (10).

        Args:
            header: the 8 characters of its AKB.
            length: `S`, `D` or `T`: single, double, triple.
            kek: AKB of a KEK under which the key is wanted too.
        """
        values = await self.call("10", {"header": header, "kek": kek, "length": length})
        return GeneratedKey(
            key=values.text("new_key"),
            check_digits=values.text("check_digits"),
            key_under_kek=values.maybe("new_key_under_kek", str),
        )

    async def check_digits(self, key: str) -> str:
        """Return the check digits of a key: as many as the device shows, 6 at most (7E)."""
        return (await self.call("7E", {"method": "V", "key": key})).text("check_digits")

    async def export_key_tr31(
        self,
        *,
        kek: str,
        key: str,
        mac_usage: str | None = None,
        key_version: str = "00",
    ) -> ExportedKey:
        """
        Export a key as a TR-31 block of version B (11A).

        Args:
            kek: AKB of a TR-31 wrapping key, header `1kDNE000`.
            key: AKB of the working key.
            mac_usage: for a MAC key `M0`, `M1` or `M3`; for other keys nothing.
            key_version: of the block, two characters.
        """
        values = await self.call(
            "11A",
            {
                "block_version": "B",
                "usage": mac_usage,
                "kek": kek,
                "key": key,
                "key_version": key_version,
                "optional_block_count": "0",
            },
        )
        return _exported(values, "tr31_block")

    async def export_key_akb(self, *, kek: str, key: str) -> ExportedKey:
        """Export a key as an AKB under a KEK (11)."""
        return _exported(await self.call("11", {"kek": kek, "key": key}), "exported_key")

    async def import_key_akb(self, *, kek: str, key: str) -> GeneratedKey:
        """Import a key that is an AKB under a KEK (13; its layout is inferred)."""
        values = await self.call("13", {"kek": kek, "key_under_kek": key})
        return GeneratedKey(key=values.text("new_key"), check_digits=values.text("check_digits"))

    async def import_key_cryptogram(self, *, kek: str, cryptogram: bytes) -> GeneratedKey:
        """
        Import a key that came without a header, in ECB (11B).

        Args:
            kek: AKB of a KEK whose byte 6 is `I`; the rest of its header becomes the key's.
            cryptogram: 8, 16 or 24 bytes.
        """
        values = await self.call("11B", {"variant": "0", "cryptogram": cryptogram, "kek": kek})
        return GeneratedKey(key=values.text("new_key"), check_digits=values.text("check_digits"))

    async def export_key_cryptogram(self, *, kek: str, key: str) -> ExportedKey:
        """Export a key without a header, in ECB under a KEK (1A)."""
        values = await self.call("1A", {"variant": "0", "kek": kek, "key": key})
        return ExportedKey(
            block=values.raw("exported_cryptogram").hex().upper(),
            check_digits=values.text("check_digits"),
        )

    # --- RSA --------------------------------------------------------------------------------

    async def generate_rsa_key_pair(
        self, *, bits: int = 2048, usage: str = "w", timeout_s: float = _RSA_TIMEOUT_S
    ) -> RSAKeyPair:
        """
        Generate an RSA key pair (120); large ones take the HSM many seconds.

        Args:
            bits: of the modulus.
            usage: letter of the AKB header; `w` signs TR-34 messages.
            timeout_s: for this command.
        """
        values = await self.call(
            "120",
            {"usage": usage, "exponent": b"\x01\x00\x01", "modulus_bits": bits},
            timeout_s=timeout_s,
        )
        public_akb = values.text("new_public_key")
        try:
            public_key = decode_public_key(AKB.parse(public_akb).key_field)
        except KeyferryError as error:
            raise HSMFrameError(f"120 answered with no public key: {error}") from error
        return RSAKeyPair(
            public_key=public_key,
            public_akb=public_akb,
            private_akb=values.text("new_private_key"),
            check_digits=values.text("check_digits"),
        )

    async def sign(self, data: bytes, *, private_key: str) -> bytes:
        """Sign data with RSA PKCS #1 v1.5 and SHA-256 (139 without an envelope)."""
        values = await self.call(
            "139",
            {"hash": _SHA_256, "padding": _PKCS1, "data": data, "private_key": private_key},
        )
        return values.raw("signature")

    async def trust_public_key(
        self,
        public_key: rsa.RSAPublicKey,
        *,
        operator: Operator,
        header: str = KRD_PUBLIC_KEY.encode(),
    ) -> str:
        """
        Have two administrators approve a foreign RSA key, and return its AKB (12A).

        Args:
            public_key: e.g. of a KRD.
            operator: is told what to do, and gives the answer.
            header: of the new AKB.
        """
        numbers = public_key.public_numbers()
        return await trust_public_key(
            self,
            header=header,
            exponent=b"\x01\x00\x01" if numbers.e == 65537 else unsigned(numbers.e),
            modulus=unsigned(numbers.n),
            operator=operator,
        )

    async def import_certificate(
        self, certificate: x509.Certificate, *, authority_key: str, usage: str = "k"
    ) -> str:
        """
        Return the AKB of a certified RSA key, whose authority the HSM trusts already (123).

        Args:
            certificate: signed with RSA PKCS #1 v1.5.
            authority_key: AKB of the authority's public key, header usage `R` or `S`.
            usage: letter of the new header.

        Raises:
            ConfigurationError: the certificate is signed with a hash the command does not know,
                as the service's own are (SHA-512): trust its key by 12A instead.
        """
        public_key = certificate.public_key()
        if not isinstance(public_key, rsa.RSAPublicKey):
            raise CertificateError("123 takes certificates of RSA keys")
        numbers = public_key.public_numbers()
        values = await self.call(
            "123",
            {
                "usage": usage,
                "hash": _hash_code(certificate.signature_hash_algorithm),
                "padding": _PKCS1,
                "exponent": unsigned(numbers.e).rjust(3, b"\x00"),
                "modulus": unsigned(numbers.n),
                "signed_data": certificate.tbs_certificate_bytes,
                "signature": certificate.signature,
                "authority_key": authority_key,
            },
        )
        return values.text("new_public_key")

    # --- TR-34 ------------------------------------------------------------------------------

    async def export_key_tr34(
        self,
        *,
        key: str | None,
        length: str,
        block_header: str,
        kdh_id: bytes,
        krd_id: bytes,
        krd_public_key: str,
        private_key: str,
        nonce: bytes,
    ) -> TR34Token:
        """
        Export a key by TR-34 (136, then 139), and put the token together.

        Args:
            key: AKB of an existing key; None: the HSM generates one.
            length: `D` or `T`.
            block_header: 16 characters like a TR-31 header's, e.g. `B9999K1TB00E0000`.
            kdh_id, krd_id: issuer and serial number of either certificate, DER.
            krd_public_key: AKB that `trust_public_key` returned.
            private_key: AKB that `generate_rsa_key_pair` returned.
            nonce: 8 to 16 bytes, fresh; the KRD checks it.
        """
        parts = await self._key_block(key, length, block_header, kdh_id, krd_public_key)
        try:
            envelope = assemble_envelope(
                krd_id=krd_id,
                encrypted_key=parts.encrypted_key,
                content_cipher=ContentCipher.TDES,
                iv=parts.iv,
                ciphertext=parts.encrypted_block,
            )
            attributes = build_signed_attributes(
                econtent=envelope, header=block_header, nonce=nonce
            )
        except KeyferryError as error:
            raise HSMFrameError(f"136 answered parts that make no envelope: {error}") from error
        values = await self.call(
            "139",
            {
                "hash": _SHA_256,
                "padding": _PKCS1,
                "data": attributes,
                "envelope": envelope,
                "encrypted_key_at": _position(envelope, parts.encrypted_key),
                "iv_at": _position(envelope, parts.iv),
                "encrypted_block_at": _position(envelope, parts.encrypted_block),
                "signing_token": parts.signing_token,
                "private_key": private_key,
            },
        )
        token = assemble_token(
            econtent=envelope,
            attributes_set=attributes,
            kdh_id=kdh_id,
            signature=values.raw("signature"),
            layout=Layout.AWS,
        )
        return TR34Token(token=token, key=parts.key, check_digits=parts.check_digits)

    async def _key_block(
        self,
        key: str | None,
        length: str,
        block_header: str,
        kdh_id: bytes,
        krd_public_key: str,
    ) -> TR34Parts:
        if length not in ("D", "T"):
            raise ConfigurationError("TR-34 carries double and triple length keys")
        values = await self.call(
            "136",
            {
                "length": length,
                "block_header": block_header,
                "key": key,
                "block_prefix": der.integer(1) + kdh_id,
                "ephemeral": _TDES_EPHEMERAL,
                "padding": _OAEP_SHA_256,
                "krd_public_key": krd_public_key,
            },
        )
        return TR34Parts(
            key=values.text("kept_key"),
            check_digits=values.text("check_digits"),
            encrypted_key=values.raw("encrypted_key"),
            iv=values.raw("iv"),
            encrypted_block=values.raw("encrypted_block"),
            signing_token=values.text("new_signing_token"),
        )


def _exported(values: Values, name: str) -> ExportedKey:
    return ExportedKey(block=values.text(name), check_digits=values.text("check_digits"))


def _position(envelope: bytes, part: bytes) -> int:
    """Return where a part begins, 1-based, in hex characters."""
    at = envelope.find(part)
    if at < 0:
        raise HSMFrameError("136 answered a part that is not in its envelope")
    return 2 * at + 1


def _hash_code(algorithm: hashes.HashAlgorithm | None) -> str:
    name = (algorithm.name if algorithm else "").upper()
    for code, known in HASH_CODES.items():
        if known == name:
            return code
    raise ConfigurationError(
        f"123 does not take certificates signed with {name or 'no hash'}",
        hint="trust the certificate's key itself: 12A, under dual control",
    )
