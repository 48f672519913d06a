"""
The payShield driver: typed methods for keys, over host commands.

The commands are those the published samples send. Sources: docs/evidence.md.
"""

from __future__ import annotations

from typing import Final

from keyferry.errors import ConfigurationError
from keyferry.hsm.payshield.client import HostClient
from keyferry.hsm.payshield.key_field import Under, WireKey
from keyferry.hsm.payshield.key_types import KEY_BLOCK_TYPE
from keyferry.hsm.payshield.lmk import LMKSelection
from keyferry.hsm.payshield.message import GOOD
from keyferry.hsm.payshield.request_values import (
    check_key_block,
    curve_code,
    export_values,
    key_bits,
    key_text,
    key_type_of,
    new_key_values,
    tr31_text,
    unnamed,
)
from keyferry.hsm.payshield.results import (
    ECCKeyPair,
    ExportedKey,
    GeneratedExport,
    GeneratedKey,
    ImportedKey,
    RSAKeyPair,
    TR31Attributes,
    TR34Parts,
)

_DER: Final = "02"  # the public key encoding that is correct DER
_SUBJECT_PUBLIC_KEY_INFO: Final = "03"


class PayShieldDriver(HostClient):
    """
    One payShield and the keys in it. Use as an asynchronous context manager, in one event loop.

    Every method raises `HSMRefusedError` when the HSM answers with an error code,
    `HSMConnectionError` or `HSMTimeoutError` when it does not answer, and `HSMFrameError` when
    what it answers is not the command's response.
    """

    async def generate_key(
        self,
        lmk: LMKSelection,
        *,
        usage: str,
        algorithm: str,
        mode: str = "N",
        exportability: str = "E",
        key_version: str = "00",
        key_type: str | None = None,
    ) -> GeneratedKey:
        """
        Generate a key under the LMK (A0, mode 0).

        Args:
            lmk: under which, and of which scheme.
            usage: X9.143 key usage, e.g. `K1`.
            algorithm: `T2`, `T3`, `A1`, `A2` or `A3`; a variant LMK takes DES keys only.
            mode, exportability, key_version: of the key block header; a variant key has none.
            key_type: of a variant LMK, where it is not the usual one of the usage.
        """
        fields = new_key_values(lmk, usage, algorithm, mode, exportability, key_version, key_type)
        values = (await self.call("A0", {"mode": "0", **fields}, lmk=lmk)).values
        return GeneratedKey(key=key_text(values, "new_key"), check_value=values.text("kcv"))

    async def generate_and_export_key(
        self,
        lmk: LMKSelection,
        *,
        zmk: str,
        usage: str,
        algorithm: str,
        mode: str = "N",
        exportability: str = "E",
        key_version: str = "00",
        key_type: str | None = None,
        version: str | None = None,
        attributes: TR31Attributes | None = None,
    ) -> GeneratedExport:
        """
        Generate a key and export it as TR-31 in one command (A0, mode 1).

        Args: those of `generate_key` and `export_key_tr31`.
        """
        fields = {
            **new_key_values(lmk, usage, algorithm, mode, exportability, key_version, key_type),
            **export_values(lmk, version, attributes),
            "mode": "1",
            "zmk": WireKey.parse(zmk),
            "zmk_scheme": "R",
            "zmk_flag": "0" if lmk.is_variant else None,
        }
        values = (await self.call("A0", fields, lmk=lmk)).values
        return GeneratedExport(
            key=key_text(values, "new_key"),
            block=tr31_text(values),
            check_value=values.text("kcv"),
        )

    async def export_key_tr31(
        self,
        lmk: LMKSelection,
        *,
        zmk: str,
        key: str,
        version: str | None = None,
        key_type: str | None = None,
        attributes: TR31Attributes | None = None,
        exportability: str | None = None,
    ) -> ExportedKey:
        """
        Export a key as a TR-31 block (A8).

        Args:
            lmk: under which both keys are.
            zmk: the wrapping key in wire form.
            key: the key to export in wire form.
            version: block version, `B` or `D`; by default the HSM's choice.
            key_type: of the key, needed under a variant LMK.
            attributes: the header, needed under a variant LMK.
            exportability: of the exported copy, under a key block LMK.
        """
        fields = {
            "key_type": key_type_of(lmk, key_type),
            "zmk": WireKey.parse(zmk),
            "key": WireKey.parse(key),
            "zmk_scheme": "R",
            "changed_exportability": exportability,
            **export_values(lmk, version, attributes),
        }
        values = (await self.call("A8", fields, lmk=lmk)).values
        return ExportedKey(block=tr31_text(values), check_value=values.text("kcv"))

    async def import_key_tr31(
        self,
        lmk: LMKSelection,
        *,
        zmk: str,
        block: str,
        key_type: str | None = None,
        scheme: str = "U",
        usage: str | None = None,
    ) -> ImportedKey:
        """
        Import a TR-31 block (A6).

        Args:
            lmk: under which the ZMK is and the key will be.
            zmk: the unwrapping key in wire form.
            block: the TR-31 block, without the R of host commands.
            key_type: the type the key gets, needed under a variant LMK.
            scheme: how a variant LMK writes the key: `U` double, `T` triple length.
            usage: replaces the usage in the block's header, under a key block LMK.
        """
        fields: dict[str, object] = {
            "key_type": key_type_of(lmk, key_type),
            "zmk": WireKey.parse(zmk),
            "wrapped_key": WireKey.parse("R" + block, under=Under.ZMK),
            "lmk_scheme": scheme if lmk.is_variant else "S",
        }
        if usage is not None:
            fields |= {"header_usage": usage, "header_blocks": ()}
        response = await self.call("A6", fields, lmk=lmk)
        return ImportedKey(
            key=key_text(response.values, "new_key"),
            check_value=response.values.text("kcv"),
            parity_adjusted=response.code != GOOD,
        )

    async def check_value(self, lmk: LMKSelection, *, key: str, key_type: str | None = None) -> str:
        """
        Return the check value of a key, 6 hex characters (BU).

        Args:
            lmk: under which the key is.
            key: in wire form.
            key_type: of the key, needed under a variant LMK.
        """
        field = WireKey.parse(key)
        flag = "F" if not lmk.is_variant else {16: "0", 32: "1", 48: "2"}[len(field.body)]
        fields = {
            "type_code": "FF",
            "length_flag": flag,
            "key": field,
            "key_type": key_type_of(lmk, key_type),
            "reserved": "00",
            "kcv_type": "1",
        }
        return (await self.call("BU", fields, lmk=lmk)).values.text("kcv")[:6]

    # --- RSA and TR-34 ----------------------------------------------------------------------

    async def generate_rsa_key_pair(
        self,
        lmk: LMKSelection,
        *,
        bits: int,
        signing: bool = True,
        key_management: bool = False,
        exportability: str = "N",
        timeout_s: float = 60.0,
    ) -> RSAKeyPair:
        """
        Generate an RSA key pair (EI); large ones take the HSM many seconds.

        Args:
            lmk: wraps the private key.
            bits: of the modulus, 2048 to 4096.
            signing, key_management: what the private key may do, one or both.
            exportability: of the private key, under a key block LMK.
            timeout_s: for this command.
        """
        if not signing and not key_management:
            raise ConfigurationError("an RSA key pair is for signing, for key management, or both")
        use = "2" if signing and key_management else ("0" if signing else "1")
        fields: dict[str, object] = {
            "key_use": use,
            "modulus_bits": bits,
            "encoding": _DER,
        }
        if not lmk.is_variant:
            fields |= {
                "header_version": "00",
                "header_blocks": (),
                "changed_exportability": exportability,
            }
        values = (await self.call("EI", fields, lmk=lmk, timeout_s=timeout_s)).values
        return RSAKeyPair(
            public_key=values.raw("new_public_key"),
            private_key=values.typed("new_private_key", WireKey),
        )

    async def export_key_tr34(
        self,
        lmk: LMKSelection,
        *,
        key: str,
        kdh_id: bytes,
        krd_id: bytes,
        krd_public_key: bytes,
        private_key: WireKey,
        nonce: bytes,
        version: str = "B",
        key_type: str | None = None,
        attributes: TR31Attributes | None = None,
    ) -> TR34Parts:
        """
        Export a key by TR-34 (B8): encrypted for the KRD, signed with the KDH's private key.

        Args:
            lmk: under which key and private key are.
            key: in wire form.
            kdh_id: issuer and serial number of the KDH certificate, DER.
            krd_id: the same of the KRD certificate.
            krd_public_key: DER, PKCS#1 RSAPublicKey.
            private_key: as `generate_rsa_key_pair` returned it.
            nonce: 8 to 16 bytes, fresh; the KRD checks it.
            version: version letter of the key block header inside the token.
            key_type: of the key; under a variant LMK `000` by default.
            attributes: the header, needed under a variant LMK.
        """
        fields = {
            "key_type": (key_type or "000") if lmk.is_variant else KEY_BLOCK_TYPE,
            "key": WireKey.parse(key),
            "kdh_id": kdh_id,
            "krd_id": krd_id,
            "krd_public_key": krd_public_key,
            "private_key": private_key,
            "nonce": nonce,
            **export_values(lmk, version, attributes),
        }
        values = (await self.call("B8", fields, lmk=unnamed(lmk))).values
        return TR34Parts(
            attributes=values.raw("attributes"),
            enveloped_data=values.raw("enveloped_data"),
            signature=values.raw("signature"),
            check_value=values.raw("kcv").hex().upper(),
        )

    # --- ECDH -------------------------------------------------------------------------------

    async def generate_ecc_key_pair(
        self, lmk: LMKSelection, *, curve: str, mode: str = "X", exportability: str = "S"
    ) -> ECCKeyPair:
        """
        Generate an EC key pair (FY), under a key block LMK only.

        Args:
            lmk: wraps the private key.
            curve: `P256`, `P384` or `P521`.
            mode: `X` key agreement, `S` signature, `N` both.
            exportability: of the private key.
        """
        check_key_block(lmk, "FY")
        fields = {
            "curve": curve_code(curve),
            "encoding": _SUBJECT_PUBLIC_KEY_INFO,
            "header_mode": mode,
            "header_version": "00",
            "header_exportability": exportability,
            "header_blocks": (),
        }
        values = (await self.call("FY", fields, lmk=lmk)).values
        return ECCKeyPair(
            public_key=values.raw("new_public_key"), private_key=key_text(values, "new_private_key")
        )

    async def agree_key(
        self,
        lmk: LMKSelection,
        *,
        peer_public_key: bytes,
        private_key: str,
        kdf: str,
        hash_code: str = "06",
        shared_info: bytes,
        algorithm: str,
        usage: str = "K1",
        mode: str = "B",
        exportability: str = "E",
    ) -> GeneratedKey:
        """
        Agree a key with a peer by ECDH (IG), under a key block LMK only.

        Args:
            lmk: under which the private key is; the command has no place for its identifier.
            peer_public_key: DER, SubjectPublicKeyInfo.
            private_key: as `generate_ecc_key_pair` returned it.
            kdf: `1` NIST SP 800-56 concatenation, `2` ANSI X9.63.
            hash_code: `06` SHA-256 (the only one public clients send), `07`, `08`.
            shared_info: goes into the derivation; travels as hex digits.
            algorithm: of the derived key: `T2`, `T3`, `A1`, `A2` or `A3`.
            usage, mode, exportability: of the derived key.
        """
        check_key_block(lmk, "IG")
        fields: dict[str, object] = {
            "encoding": _SUBJECT_PUBLIC_KEY_INFO,
            "peer_public_key": peer_public_key,
            "private_key": WireKey.parse(private_key),
            "kdf": kdf,
            "hash": hash_code,
            "shared_info_flag": "1" if shared_info else "0",
            "key_bits": key_bits(algorithm),
            "header_usage": usage,
            "header_algorithm": algorithm,
            "header_mode": mode,
            "header_version": "00",
            "header_exportability": exportability,
            "header_blocks": (),
        }
        if shared_info:
            fields["shared_info"] = shared_info.hex().upper()
        values = (await self.call("IG", fields, lmk=unnamed(lmk))).values
        return GeneratedKey(
            key=key_text(values, "new_key"), check_value=values.raw("kcv").hex().upper()
        )
