"""Certificate requests of keys that live in an HSM: encoded here, signed there."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Awaitable, Callable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import distinguished_name, public_key_der
from keyferry.crypto.tr34 import der

# sha256WithRSAEncryption, 1.2.840.113549.1.1.11 (RFC 4055, 5), with its NULL.
_SHA256_WITH_RSA = der.sequence(der.oid(bytes.fromhex("2A864886F70D01010B")), der.null())
_BIT_STRING = 0x03
_NO_UNUSED_BITS = b"\x00"

# Signs with RSA PKCS #1 v1.5 and SHA-256.
Sign = Callable[[bytes], Awaitable[bytes]]


async def signed_request(public_key: rsa.RSAPublicKey, *, name: str, sign: Sign) -> bytes:
    """
    Return a PKCS #10 request in PEM for a key that somebody else holds.

    Args:
        public_key: of the subject.
        name: common name of the subject.
        sign: has the private key sign the request.

    Raises:
        MalformedCertificateError: the signature is not by the key.

    Source: RFC 2986, 4.
    """
    subject: x509.Name = distinguished_name(common_name=name)
    information = der.sequence(
        der.integer(0),
        subject.public_bytes(),
        public_key_der(public_key),
        der.explicit(0),  # no attributes
    )
    signature = await sign(information)
    request = der.sequence(
        information, _SHA256_WITH_RSA, der.encode(_BIT_STRING, _NO_UNUSED_BITS + signature)
    )
    body = "\n".join(textwrap.wrap(base64.b64encode(request).decode(), 64))
    return (
        f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n".encode()
    )
