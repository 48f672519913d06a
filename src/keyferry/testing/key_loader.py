"""
Known keys into an account, as any client would bring them: by ECDH first, then by TR-31.

A test that compares with a published value needs a key it knows. ECDH on P-521 is the one way that
carries keys of every strength, so the KEK of all others travels by it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.crypto.certificates import (
    CertificateUsage,
    create_root,
    encode_pem,
    issue_leaf,
    load_certificate,
)
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.keyblock import KBPK, BlockVersion, Exportability
from keyferry.errors import KeyAgreementError, KeyAttributesError
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
    check_attributes,
    check_material,
    header_from_attributes,
)

_KEK_USAGE: Final = KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY
_DERIVE: Final = ModesOfUse(derive_key=True)
_GENERATE_AND_VERIFY: Final = ModesOfUse(generate=True, verify=True)
_BOTH_WAYS: Final = ModesOfUse(encrypt=True, decrypt=True, wrap=True, unwrap=True)
_USUAL_MODES: Final = {
    "B": _DERIVE,
    "C": _GENERATE_AND_VERIFY,
    "D": _BOTH_WAYS,
    "E": _DERIVE,
    "K": _BOTH_WAYS,
    "M": _GENERATE_AND_VERIFY,
    "P": _BOTH_WAYS,
    "V": _GENERATE_AND_VERIFY,
}


class KeyLoader:
    """
    Loads keys of known value through one control-plane client.

    The client may be of any endpoint with this API. The first key costs a few calls more, which
    set up the KEK; that KEK, an ECC pair and a root certificate stay in the account.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._kek: tuple[str, KBPK] | None = None

    def __call__(
        self,
        key: str | bytes,
        *,
        usage: str,
        algorithm: str,
        modes: Collection[str] | None = None,
        exportable: bool = True,
        alias: str | None = None,
    ) -> str:
        """
        Import one symmetric key and return its ARN.

        Args:
            key: bytes, or hexadecimal digits; test keys only.
            usage, algorithm: as the API names them.
            modes: names of KeyModesOfUse flags, such as `{"Generate"}`; the widest that the usage
                has by default.
            exportable: whether it may be exported again.
            alias: an alias name to give it.

        Raises:
            KeyAttributesError: there is no such usage, algorithm or mode, or they do not fit.
            KeyMaterialError: the key does not fit its algorithm.
            ClientError: the service refuses.
        """
        material = bytes.fromhex(key) if isinstance(key, str) else key
        attributes = _attributes(usage, algorithm, modes)
        check_attributes(attributes)
        check_material(attributes.key_algorithm, material)
        if self._kek is None:
            self._kek = self._agreed_kek()
        kek_arn, kbpk = self._kek
        block = kbpk.wrap(
            header_from_attributes(
                attributes,
                version=BlockVersion.D,
                exportability=Exportability.EXPORTABLE if exportable else Exportability.NONE,
            ),
            material,
        )
        imported = self._client.import_key(
            KeyMaterial={
                "Tr31KeyBlock": {"WrappingKeyIdentifier": kek_arn, "WrappedKeyBlock": block}
            }
        )
        arn: str = imported["Key"]["KeyArn"]
        if alias is not None:
            self._client.create_alias(AliasName=alias, KeyArn=arn)
        return arn

    def _agreed_kek(self) -> tuple[str, KBPK]:
        """Bring in an AES-256 KEK under a key that both sides derive."""
        pair = self._client.create_key(
            KeyAttributes={
                "KeyUsage": KeyUsage.TR31_K3_ASYMMETRIC_KEY_FOR_KEY_AGREEMENT,
                "KeyClass": KeyClass.ASYMMETRIC_KEY_PAIR,
                "KeyAlgorithm": KeyAlgorithm.ECC_NIST_P521,
                "KeyModesOfUse": {"DeriveKey": True},
            },
            Exportable=False,
            DeriveKeyUsage=_KEK_USAGE,
        )["Key"]["KeyArn"]
        theirs = load_certificate(
            base64.b64decode(
                self._client.get_public_key_certificate(KeyIdentifier=pair)["KeyCertificate"]
            )
        ).public_key()
        if not isinstance(theirs, ec.EllipticCurvePublicKey):
            raise KeyAgreementError("the certificate of the ECC pair holds no ECC key")

        root_key, our_key = (ec.generate_private_key(ec.SECP521R1()) for _ in range(2))
        yesterday = datetime.now(UTC) - timedelta(days=1)
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        root = create_root(
            root_key,
            common_name="keyferry.testing root",
            not_before=yesterday,
            not_after=tomorrow,
        )
        leaf = issue_leaf(
            our_key.public_key(),
            subject="keyferry.testing",
            issuer=root,
            issuer_key=root_key,
            not_before=yesterday,
            not_after=tomorrow,
            usage=CertificateUsage.KEY_AGREEMENT,
        )
        authority = self._client.import_key(
            KeyMaterial={
                "RootCertificatePublicKey": {
                    "KeyAttributes": {
                        "KeyUsage": KeyUsage.TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE,
                        "KeyClass": KeyClass.PUBLIC_KEY,
                        "KeyAlgorithm": KeyAlgorithm.ECC_NIST_P521,
                        "KeyModesOfUse": {"Verify": True},
                    },
                    "PublicKeyCertificate": base64.b64encode(encode_pem(root)).decode("ascii"),
                }
            }
        )["Key"]["KeyArn"]

        shared_info = os.urandom(16)
        agreed = KBPK(
            Cipher.AES,
            derive_key(
                agree(our_key, theirs),
                kdf=KeyDerivationFunction.NIST_SP800,
                hash_name="SHA512",
                shared_info=shared_info,
                size=32,
            ),
        )
        kek = os.urandom(32)
        header = header_from_attributes(
            _attributes(_KEK_USAGE, KeyAlgorithm.AES_256, None),
            version=BlockVersion.D,
            exportability=Exportability.NONE,
        )
        imported = self._client.import_key(
            KeyMaterial={
                "DiffieHellmanTr31KeyBlock": {
                    "CertificateAuthorityPublicKeyIdentifier": authority,
                    "PrivateKeyIdentifier": pair,
                    "PublicKeyCertificate": base64.b64encode(encode_pem(leaf)).decode("ascii"),
                    "DeriveKeyAlgorithm": KeyAlgorithm.AES_256,
                    "KeyDerivationFunction": "NIST_SP800",
                    "KeyDerivationHashAlgorithm": "SHA_512",
                    "DerivationData": {"SharedInformation": shared_info.hex().upper()},
                    "WrappedKeyBlock": agreed.wrap(header, kek),
                }
            }
        )
        return imported["Key"]["KeyArn"], KBPK(Cipher.AES, kek)


def _attributes(usage: str, algorithm: str, modes: Collection[str] | None) -> KeyAttributes:
    if usage not in KeyUsage.__members__:
        raise KeyAttributesError(f"KeyUsage: {usage!r} is not a usage of the API")
    if algorithm not in KeyAlgorithm.__members__:
        raise KeyAttributesError(f"KeyAlgorithm: {algorithm!r} is not an algorithm of the API")
    known = KeyUsage(usage)
    if modes is None:
        flags = _USUAL_MODES.get(known.code[0])
        if flags is None:
            raise KeyAttributesError(f"KeyUsage: {usage} is not for symmetric keys")
    else:
        flags = ModesOfUse.from_names(modes)
    return KeyAttributes(
        key_usage=known,
        key_class=KeyClass.SYMMETRIC_KEY,
        key_algorithm=KeyAlgorithm(algorithm),
        modes_of_use=flags,
    )
