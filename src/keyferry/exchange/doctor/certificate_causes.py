"""What can be wrong with certificates and chains, and why it usually is."""

from __future__ import annotations

from typing import Final

from keyferry.exchange.doctor.examination import Cause

PRIVATE_KEY: Final = Cause(
    "private-key-in-file",
    "a bundle was exported whole",
    "take the private key out of the file; if the file left the machine, make a new key pair",
)
OTHER_PEM: Final = Cause(
    "pem-label",
    "a request, a public key or a PKCS #7 bundle was given in place of certificates",
    "give the certificates: openssl pkcs7 -print_certs unpacks a bundle, a CA answers a request",
)
TOKEN_PEM: Final = Cause(
    "token-pem",
    "a tool wrote a TR-34 token as PEM; a receiver takes its DER in hex",
    "take the lines between BEGIN and END and decode them: base64 -d",
)
PEM_LINES: Final = Cause(
    "pem-line-breaks",
    "its line breaks were lost, or written as \\n: a variable, a JSON member, a web form",
    "give BEGIN and END a line of their own; printf '%b' turns \\n into line breaks",
)
BAD_PEM: Final = Cause(
    "pem-damaged",
    "a line was lost or changed, or the BEGIN and END lines do not match",
    "copy the certificate again, from BEGIN to END",
)
BAD_DER: Final = Cause(
    "certificate-damaged", "bytes were changed, or the file was cut", "fetch the certificate again"
)
UNSUPPORTED_KEY: Final = Cause(
    "certificate-key",
    "the key is not RSA of 2048, 3072 or 4096 bits, nor on P-256, P-384 or P-521",
    "have the CA certify a key of one of these algorithms",
)
EXPIRED: Final = Cause(
    "certificate-expired",
    "it was made long ago; certificates of import parameters last 30 days",
    "fetch new import parameters, or have the CA issue a new certificate",
)
NOT_YET_VALID: Final = Cause(
    "certificate-not-yet-valid",
    "the clock of the issuer runs ahead, or ours behind",
    "correct the clock, or issue with an earlier notBefore",
)
REVERSED: Final = Cause(
    "chain-order",
    "chains are written leaf first; some tools write the root first",
    "reverse the order: leaf, its issuer, and so on to the root",
)
REPEATED: Final = Cause(
    "chain-repeated",
    "leaf and chain were put together, and the chain already began with the leaf",
    "give every certificate once: leaf, its issuer, and so on to the root",
)
GAP: Final = Cause(
    "chain-gap",
    "an intermediate certificate was left out",
    "add the certificate of the authority named as issuer",
)
BAD_SIGNATURE: Final = Cause(
    "chain-signature",
    "the authority has a new key under its old name, or the certificate was altered",
    "fetch the authority's certificate again; compare subject key identifiers",
)
WEAK_HASH: Final = Cause(
    "chain-hash",
    "the CA signs with SHA-1 or MD5",
    "have the CA issue with SHA-256 or better",
)
NOT_AUTHORITY: Final = Cause(
    "issuer-not-authority",
    "a leaf was used as CA: basicConstraints or keyUsage forbid it to issue",
    "use the certificate of a CA (CA:TRUE, keyCertSign)",
)
PATH_LENGTH: Final = Cause(
    "chain-path-length",
    "an authority allows fewer authorities below it than there are",
    "issue the leaf from an authority nearer to the root",
)
NO_ROOT: Final = Cause(
    "chain-without-root",
    "the chain ends before its root",
    "give the root with --ca, or append it to the chain",
)
OTHER_ROOT: Final = Cause(
    "root-not-trusted",
    "the chain leads to another root than the one that was trusted",
    "import the chain's own root (RootCertificatePublicKey), or use a leaf of the trusted one",
)
WEAK_ISSUER: Final = Cause(
    "issuer-strength",
    "the API refuses a key certified by a weaker key, or by one of another family",
    "certify RSA keys by RSA at least as long, curves by curves at least as long",
)
WRONG_USAGE: Final = Cause(
    "certificate-usage",
    "keyUsage of the certificate does not allow what its key has to do here",
    "issue the KDH's with digitalSignature, the KRD's with keyEncipherment",
)
WRONG_KEY: Final = Cause(
    "certificate-not-for-key",
    "the certificate was issued for another key pair",
    "give the certificate that was issued for this private key",
)
NOT_RSA: Final = Cause(
    "certificate-not-rsa",
    "TR-34 is RSA transport; this certificate is for a curve",
    "use an RSA key pair for TR-34, or transport the key by ECDH",
)
