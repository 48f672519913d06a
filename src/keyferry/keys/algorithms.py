"""Which algorithm, and which length, a key belongs to."""

from __future__ import annotations

from enum import StrEnum

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import Algorithm
from keyferry.errors import KeyAttributesError


class KeyAlgorithm(StrEnum):
    """A key's algorithm with its length or curve (API: KeyAlgorithm)."""

    TDES_2KEY = "TDES_2KEY"
    TDES_3KEY = "TDES_3KEY"
    AES_128 = "AES_128"
    AES_192 = "AES_192"
    AES_256 = "AES_256"
    HMAC_SHA224 = "HMAC_SHA224"
    HMAC_SHA256 = "HMAC_SHA256"
    HMAC_SHA384 = "HMAC_SHA384"
    HMAC_SHA512 = "HMAC_SHA512"
    RSA_2048 = "RSA_2048"
    RSA_3072 = "RSA_3072"
    RSA_4096 = "RSA_4096"
    ECC_NIST_P256 = "ECC_NIST_P256"
    ECC_NIST_P384 = "ECC_NIST_P384"
    ECC_NIST_P521 = "ECC_NIST_P521"

    @property
    def is_tdes(self) -> bool:
        return self.value.startswith("TDES_")

    @property
    def is_aes(self) -> bool:
        return self.value.startswith("AES_")

    @property
    def is_hmac(self) -> bool:
        return self.value.startswith("HMAC_")

    @property
    def is_rsa(self) -> bool:
        return self.value.startswith("RSA_")

    @property
    def is_ecc(self) -> bool:
        return self.value.startswith("ECC_")

    @property
    def is_symmetric(self) -> bool:
        return self in _SIZE_BYTES

    @property
    def size_bytes(self) -> int:
        """
        Length of a generated symmetric key in bytes; for HMAC the length of its hash.

        Raises:
            KeyAttributesError: the algorithm is asymmetric.
        """
        try:
            return _SIZE_BYTES[self]
        except KeyError:
            raise KeyAttributesError(f"{self} keys have no length in bytes") from None

    @property
    def cipher(self) -> Cipher | None:
        """The block cipher of a TDES or AES key, None for all others."""
        if self.is_tdes:
            return Cipher.TDES
        return Cipher.AES if self.is_aes else None

    @property
    def hash_name(self) -> str | None:
        """The hash of an HMAC key (`SHA256`), None for all others."""
        return self.value.removeprefix("HMAC_") if self.is_hmac else None

    @property
    def hmac_block(self) -> str | None:
        """Data of the HM optional block of an HMAC key (X9.143-2021, 6.3.6.7), None for others."""
        return _HM_CODES.get(self)

    @property
    def modulus_bits(self) -> int:
        """Size of an RSA modulus in bits; KeyAttributesError for other algorithms."""
        if not self.is_rsa:
            raise KeyAttributesError(f"{self} keys have no modulus")
        return int(self.value.removeprefix("RSA_"))

    @property
    def curve_name(self) -> str | None:
        """The curve of an ECC key (`P256`), None for all others."""
        return self.value.removeprefix("ECC_NIST_") if self.is_ecc else None

    @property
    def block_algorithm(self) -> Algorithm:
        """The algorithm field of a key block header (X9.143-2021, 6.3.2, table 3)."""
        if self.is_tdes:
            return Algorithm.TDES
        if self.is_aes:
            return Algorithm.AES
        if self.is_hmac:
            return Algorithm.HMAC
        return Algorithm.RSA if self.is_rsa else Algorithm.ELLIPTIC_CURVE

    @classmethod
    def tdes_of(cls, size_bytes: int) -> KeyAlgorithm | None:
        """The TDES algorithm of a key length, None if there is none."""
        return {16: cls.TDES_2KEY, 24: cls.TDES_3KEY}.get(size_bytes)

    @classmethod
    def aes_of(cls, size_bytes: int) -> KeyAlgorithm | None:
        """The AES algorithm of a key length, None if there is none."""
        return {16: cls.AES_128, 24: cls.AES_192, 32: cls.AES_256}.get(size_bytes)

    @classmethod
    def hmac_of(cls, hmac_block: str) -> KeyAlgorithm | None:
        """The HMAC algorithm of the data of an HM block, None if the API has no name for it."""
        return _BY_HM_CODE.get(hmac_block)


_SIZE_BYTES = {
    KeyAlgorithm.TDES_2KEY: 16,
    KeyAlgorithm.TDES_3KEY: 24,
    KeyAlgorithm.AES_128: 16,
    KeyAlgorithm.AES_192: 24,
    KeyAlgorithm.AES_256: 32,
    KeyAlgorithm.HMAC_SHA224: 28,
    KeyAlgorithm.HMAC_SHA256: 32,
    KeyAlgorithm.HMAC_SHA384: 48,
    KeyAlgorithm.HMAC_SHA512: 64,
}
_HM_CODES = {
    KeyAlgorithm.HMAC_SHA224: "20",
    KeyAlgorithm.HMAC_SHA256: "21",
    KeyAlgorithm.HMAC_SHA384: "22",
    KeyAlgorithm.HMAC_SHA512: "23",
}
_BY_HM_CODE = {code: algorithm for algorithm, code in _HM_CODES.items()}
