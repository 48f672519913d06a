"""The four ways tokens are laid out in the field, and the ciphers inside them."""

from __future__ import annotations

from enum import StrEnum

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.tr34 import identifiers


class Layout(StrEnum):
    """
    Where a token departs from RFC 5652 and RFC 4055. All are read; AWS and CMS are for writing.

    | layout | SEQUENCE around the envelope | ciphertext | OAEP parameters |
    | --- | --- | --- | --- |
    | AWS | no | inside the cipher's AlgorithmIdentifier | untagged |
    | PRINTED | yes | inside | untagged |
    | ERRATA | yes | after it | untagged |
    | CMS | yes | after it | [0] [1] [2] explicit |

    Sources: the AWS key exchange samples (AWS); X9 TR 34-2019, printed samples and their errata;
    RFC 5652 and RFC 4055 (CMS).
    """

    AWS = "aws"
    PRINTED = "printed"
    ERRATA = "errata"
    CMS = "cms"

    @property
    def is_enclosed(self) -> bool:
        """Whether the OCTET STRING holds EnvelopedData with its SEQUENCE, not its bare members."""
        return self is not Layout.AWS

    @property
    def has_ciphertext_inside(self) -> bool:
        """Whether the ciphertext stands inside the AlgorithmIdentifier of the content cipher."""
        return self in (Layout.AWS, Layout.PRINTED)

    @property
    def has_tagged_oaep(self) -> bool:
        """Whether the OAEP parameters carry the context tags of RFC 4055."""
        return self is Layout.CMS


class ContentCipher(StrEnum):
    """The cipher that encrypts the key block inside the envelope, in CBC with PKCS #7 padding."""

    TDES = "des-ede3-cbc"
    AES128 = "aes128-cbc"

    @property
    def cipher(self) -> Cipher:
        """The block cipher."""
        return Cipher.TDES if self is ContentCipher.TDES else Cipher.AES

    @property
    def key_bytes(self) -> int:
        """Size of the content encryption key."""
        return 24 if self is ContentCipher.TDES else 16

    @property
    def block_bytes(self) -> int:
        """Size of a block and of the initialisation vector."""
        return 8 if self is ContentCipher.TDES else 16

    @property
    def oid(self) -> bytes:
        """Content bytes of the object identifier."""
        if self is ContentCipher.TDES:
            return identifiers.DES_EDE3_CBC
        return identifiers.AES128_CBC
