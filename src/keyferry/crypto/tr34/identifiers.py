"""Object identifiers of TR-34 tokens, as content bytes, and the algorithms they stand for."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.tr34 import der

DATA: Final = bytes.fromhex("2A864886F70D010701")  # 1.2.840.113549.1.7.1
SIGNED_DATA: Final = bytes.fromhex("2A864886F70D010702")  # 1.2.840.113549.1.7.2
ENVELOPED_DATA: Final = bytes.fromhex("2A864886F70D010703")  # 1.2.840.113549.1.7.3
CONTENT_TYPE: Final = bytes.fromhex("2A864886F70D010903")  # 1.2.840.113549.1.9.3
MESSAGE_DIGEST: Final = bytes.fromhex("2A864886F70D010904")  # 1.2.840.113549.1.9.4
SIGNING_TIME: Final = bytes.fromhex("2A864886F70D010905")  # 1.2.840.113549.1.9.5
RANDOM_NONCE: Final = bytes.fromhex("2A864886F70D01091903")  # 1.2.840.113549.1.9.25.3
RSA_ENCRYPTION: Final = bytes.fromhex("2A864886F70D010101")  # 1.2.840.113549.1.1.1
RSAES_OAEP: Final = bytes.fromhex("2A864886F70D010107")  # 1.2.840.113549.1.1.7
MGF1: Final = bytes.fromhex("2A864886F70D010108")  # 1.2.840.113549.1.1.8
P_SPECIFIED: Final = bytes.fromhex("2A864886F70D010109")  # 1.2.840.113549.1.1.9
SHA256_WITH_RSA: Final = bytes.fromhex("2A864886F70D01010B")  # 1.2.840.113549.1.1.11
SHA256: Final = bytes.fromhex("608648016503040201")  # 2.16.840.1.101.3.4.2.1
DES_EDE3_CBC: Final = bytes.fromhex("2A864886F70D0307")  # 1.2.840.113549.3.7
AES128_CBC: Final = bytes.fromhex("608648016503040102")  # 2.16.840.1.101.3.4.1.2


def sha256_identifier(*, with_null: bool) -> bytes:
    """Encode the AlgorithmIdentifier of SHA-256; both forms of its parameters are in use."""
    return der.sequence(der.oid(SHA256), der.null() if with_null else b"")


def read_sha256(reader: der.Reader, field: str) -> None:
    """Read an AlgorithmIdentifier that must be SHA-256, parameters NULL or absent (RFC 5754, 2)."""
    algorithm = reader.sequence(field)
    algorithm.expect_oid(SHA256, "SHA-256", field)
    algorithm.null_or_absent(field)
    algorithm.end()
