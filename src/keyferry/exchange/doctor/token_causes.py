"""What can be wrong with a TR-34 token, and why it usually is."""

from __future__ import annotations

from typing import Final

from keyferry.exchange.doctor.examination import Cause

_COPY: Final = "copy the token again, whole"

NOT_HEX: Final = Cause("token-not-hex", "characters were misread or lost", _COPY)
START_LOST: Final = Cause(
    "token-start-lost", "the first bytes were lost: a short read, or a field that was cut", _COPY
)
CUT: Final = Cause("token-cut", "the end was lost: a short read, or a field of fixed size", _COPY)
TRAILING: Final = Cause(
    "token-trailing",
    "something was copied along behind the token, or padding was not removed",
    "cut it off at the length its first bytes state",
)
NOT_DER: Final = Cause(
    "token-not-der",
    "it was written in BER, with indefinite or needlessly long lengths",
    "have the sender encode in DER; openssl cms does so without -stream",
)
WRONG_TYPE: Final = Cause(
    "token-type",
    "it is another CMS structure: a credential, a bare envelope, a certificate bundle",
    "send the key token, which is SignedData over EnvelopedData",
)
LAYOUT: Final = Cause(
    "token-layout",
    "the envelope is in a form that is none of the four known ones",
    "build it as the AWS samples do: members without their SEQUENCE, ciphertext beside the IV",
)
HASH: Final = Cause(
    "token-hash",
    "the sender digests or signs with SHA-1, SHA-384 or SHA-512; TR-34 is SHA-256 throughout",
    "set the sender to SHA-256",
)
OAEP_DECLARED: Final = Cause(
    "token-oaep-declared",
    "the envelope declares PKCS #1 v1.5, or OAEP with another hash",
    "set the sender to RSA-OAEP with SHA-256, also for the mask",
)
CIPHER: Final = Cause(
    "token-cipher",
    "the envelope is under another cipher than 3DES-CBC or AES-128-CBC",
    "set the sender to one of the two",
)
SIGNERS: Final = Cause(
    "token-signers", "several signers or recipients", "send a token of one KDH to one KRD"
)
ATTRIBUTES: Final = Cause(
    "token-attributes",
    "an attribute is missing, stands twice or has another number of values than one",
    "sign contentType, randomNonce, the key block header and messageDigest, each once",
)
HEADER: Final = Cause(
    "token-header",
    "the key block header in the token is not 16 characters like those of TR-31",
    "give the sender a header such as D9999K1TB00E0000",
)
MALFORMED: Final = Cause(
    "token-malformed", "the sender's structure differs here from TR-34", "compare with the samples"
)
SIGNER: Final = Cause(
    "token-signer",
    "the token was signed under another certificate of the KDH than the one at hand",
    "give the API the certificate whose issuer and serial number stand in the token",
)
SIGNATURE: Final = Cause(
    "token-signature",
    "another private key signed, or the token was changed afterwards",
    "check that the KDH's certificate is for the key that signs (certificate, then B8 or 139)",
)
RESORTED: Final = Cause(
    "token-attribute-order",
    "the attributes stand in another order than they were signed in: a nonce longer than 8 bytes"
    " changes their DER order, and a library re-sorted them",
    "send the attributes in the order they were signed, or use an 8-byte nonce",
)
SIGNED_TAG: Final = Cause(
    "token-signed-tag",
    "the signature is over the attributes with tag A0, as they stand in the token",
    "sign them with the tag of a SET, 31",
)
CONTENT_TYPE: Final = Cause(
    "token-content-type",
    "the signed content type is data, not envelopedData",
    "sign contentType 1.2.840.113549.1.7.3",
)
DIGEST: Final = Cause(
    "token-digest",
    "the envelope was changed or replaced after it was signed",
    "put together envelope and attributes of one and the same answer of the HSM",
)
DIGEST_WITH_SEQUENCE: Final = Cause(
    "token-digest-enclosed",
    "the digest is over the envelope with its SEQUENCE, the token carries its members alone (or"
    " the other way round)",
    "digest exactly what the OCTET STRING carries",
)
NONCE_MISSING: Final = Cause(
    "token-nonce-missing",
    "a one-pass token answers a two-pass request",
    "have the sender use the nonce, or leave RandomNonce out",
)
NONCE_DIFFERS: Final = Cause(
    "token-nonce",
    "the token is an older one, or was made for another exchange",
    "export anew with the nonce of this exchange, and give the API the same one",
)
NONCE_SIZE: Final = Cause(
    "nonce-size", "the nonce at hand is not 8 to 16 bytes", "give 16 to 32 hex digits"
)
RECIPIENT: Final = Cause(
    "token-recipient",
    "the token was made for import parameters fetched earlier, or for another Region",
    "export for the wrapping certificate of the import token that is used",
)
ENVELOPE: Final = Cause(
    "token-envelope",
    "the content key is under another RSA key than the certificate's, or the envelope is damaged",
    "export again for the KRD certificate at hand",
)
OAEP_USED: Final = Cause(
    "token-oaep",
    "the content key was wrapped with other OAEP parameters than the token declares",
    "set the sender to SHA-256 for the label hash and for the mask (MGF1)",
)
BOUND_KDH: Final = Cause(
    "token-bound-kdh",
    "the key block inside names another KDH than the one that signed",
    "give the HSM issuer and serial number of the certificate that signs (B8 field 5, 136 field 4)",
)
BOUND_HEADER: Final = Cause(
    "token-bound-header",
    "the signed header is not the one inside the envelope",
    "use one header for the key block and for the attributes",
)
KEY_SIZE: Final = Cause(
    "token-key-size",
    "the header's algorithm and the length of the key disagree",
    "write T for TDES keys of 16 or 24 bytes, A for AES keys",
)
NOT_BY_TR34: Final = Cause(
    "token-key-algorithm",
    "TR-34 carries TDES and AES_128 keys here; AES_192 and AES_256 have no RSA key strong enough",
    "send such keys by ECDH, or by TR-31 under an AES KEK",
)
WEAK_CIPHER: Final = Cause(
    "token-weak-cipher",
    "an AES key travels in an envelope under 3DES",
    "set the sender's envelope to AES-128",
)
WEAK_RSA: Final = Cause(
    "token-weak-rsa",
    "an AES_128 key needs an RSA key of 3072 bits or more",
    "fetch import parameters with WrappingKeyAlgorithm RSA_3072",
)
API_FORM: Final = Cause(
    "token-not-for-api",
    "the API takes tokens as upper-case hex of at most 4096 characters",
    "write upper-case hex; leave certificates and CRLs out of the token",
)
