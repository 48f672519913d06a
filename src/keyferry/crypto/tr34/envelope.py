"""EnvelopedData: the key block under a content key, the content key under the KRD's RSA key."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.rsa_wrap import unwrap_oaep, wrap_oaep
from keyferry.crypto.tr34 import der, identifiers
from keyferry.crypto.tr34.credentials import read_issuer_and_serial
from keyferry.crypto.tr34.key_block import KeyBlock, encode_key_block, parse_padded_key_block
from keyferry.crypto.tr34.layouts import ContentCipher, Layout
from keyferry.errors import MalformedTokenError, RSADecryptionError, TokenDecryptionError

OAEP_HASH = "SHA256"  # TR 34-2019, 5.1 allows nothing else, and no reader takes anything else


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A parsed EnvelopedData; nothing in it is decrypted."""

    layout: Layout
    recipient_id: bytes  # issuer and serial number of the KRD certificate, DER
    encrypted_key: bytes = field(repr=False)  # the content key under RSA-OAEP
    content_cipher: ContentCipher
    iv: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)  # whole blocks of the content cipher, at least one


def build_enveloped_data(
    *,
    key: bytes,
    header: str,
    kdh_id: bytes,
    krd_id: bytes,
    krd_public_key: rsa.RSAPublicKey,
    content_cipher: ContentCipher,
    layout: Layout = Layout.AWS,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """
    Encrypt a key for a KRD and return what the token's OCTET STRING carries.

    Args:
        key: the clear key to send; its length is not checked here.
        header: 16 ASCII characters, or more with optional blocks.
        kdh_id, krd_id: issuer and serial number of either certificate, DER.
        layout: AWS gives the bare members, the others EnvelopedData with its SEQUENCE.

    Source: RFC 5652, 6; TR 34-2019, B.2.2.3.1; the AWS samples for layout AWS.
    """
    content_key = random_bytes(content_cipher.key_bytes)
    iv = random_bytes(content_cipher.block_bytes)
    clear = encode_key_block(key=key, header=header, kdh_id=kdh_id)
    padding = content_cipher.block_bytes - len(clear) % content_cipher.block_bytes
    opened = CipherKey(content_cipher.cipher, content_key)
    ciphertext = opened.encrypt_cbc(clear + bytes((padding,)) * padding, iv)
    return assemble_envelope(
        krd_id=krd_id,
        encrypted_key=wrap_oaep(krd_public_key, content_key, OAEP_HASH),
        content_cipher=content_cipher,
        iv=iv,
        ciphertext=ciphertext,
        layout=layout,
    )


def assemble_envelope(
    *,
    krd_id: bytes,
    encrypted_key: bytes,
    content_cipher: ContentCipher,
    iv: bytes,
    ciphertext: bytes,
    layout: Layout = Layout.AWS,
) -> bytes:
    """
    Put EnvelopedData together of parts an HSM made; returns what the token's OCTET STRING carries.

    Args:
        krd_id: issuer and serial number of the KRD certificate, DER.
        encrypted_key: the content key under RSA-OAEP.
        iv, ciphertext: of the padded key block.
        layout: as for `build_enveloped_data`.
    """
    recipient = der.sequence(
        der.integer(0), krd_id, _oaep_identifier(layout), der.octet_string(encrypted_key)
    )
    members = (
        der.integer(0)
        + der.set_of([recipient])
        + _encrypted_content_info(content_cipher, iv, ciphertext, layout)
    )
    return der.encode(der.SEQUENCE, members) if layout.is_enclosed else members


def envelope_members(enveloped_data: bytes) -> bytes:
    """
    Return the members of an EnvelopedData that has its SEQUENCE: layout AWS carries only those.

    An HSM hands out the whole SEQUENCE while its digest covers the members.

    Raises:
        MalformedTokenError: not exactly one SEQUENCE.
    """
    return der.read_whole(enveloped_data, der.SEQUENCE, "enveloped data").content


def _oaep_identifier(layout: Layout) -> bytes:
    mask_oid, label_oid = der.oid(identifiers.MGF1), der.oid(identifiers.P_SPECIFIED)
    digest = identifiers.sha256_identifier(with_null=True)
    label = der.sequence(label_oid, der.octet_string(b""))
    if layout.has_tagged_oaep:
        parameters = der.sequence(
            der.explicit(0, digest),
            der.explicit(1, der.sequence(mask_oid, digest)),
            der.explicit(2, label),
        )
    else:
        # The NULL of the mask's hash is missing in every sample that has untagged parameters.
        mask = der.sequence(mask_oid, identifiers.sha256_identifier(with_null=False))
        parameters = der.sequence(digest, mask, label)
    return der.sequence(der.oid(identifiers.RSAES_OAEP), parameters)


def _encrypted_content_info(
    content_cipher: ContentCipher, iv: bytes, ciphertext: bytes, layout: Layout
) -> bytes:
    algorithm = der.oid(content_cipher.oid) + der.octet_string(iv)
    content = der.encode(der.context_tag(0, constructed=False), ciphertext)
    if layout.has_ciphertext_inside:
        return der.sequence(der.oid(identifiers.DATA), der.sequence(algorithm, content))
    return der.sequence(der.oid(identifiers.DATA), der.sequence(algorithm), content)


def parse_envelope(econtent: bytes, *, offset: int = 0) -> Envelope:
    """
    Parse what the token's OCTET STRING carries, in any of the four layouts.

    `offset` is where `econtent` stands in the token, for errors.

    Raises:
        MalformedTokenError: not strict DER, not one of the layouts, more than one recipient, or
            another algorithm than RSA-OAEP with SHA-256 and one of the content ciphers.
    """
    reader = der.Reader(econtent, field="enveloped data", offset=offset)
    enclosed = reader.peek_tag() == der.SEQUENCE
    members = reader.sequence("enveloped data") if enclosed else reader
    _expect_zero(members, "enveloped data version")
    recipients = members.set_of("recipients")
    recipient = recipients.sequence("recipient")
    recipients.end()
    _expect_zero(recipient, "recipient version")
    recipient_id = read_issuer_and_serial(recipient, "recipient id")
    tagged = _read_oaep_identifier(recipient)
    encrypted_key = recipient.octet_string("encrypted content key")
    recipient.end()
    info = members.sequence("encrypted content info")
    inside, content_cipher, iv, ciphertext = _read_content(info)
    members.end()
    reader.end()
    for layout in Layout:
        if (layout.is_enclosed, layout.has_ciphertext_inside, layout.has_tagged_oaep) == (
            enclosed,
            inside,
            tagged,
        ):
            return Envelope(
                layout=layout,
                recipient_id=recipient_id,
                encrypted_key=encrypted_key,
                content_cipher=content_cipher,
                iv=iv,
                ciphertext=ciphertext,
            )
    raise MalformedTokenError("layout", offset=offset, expected="one of aws, printed, errata, cms")


def _expect_zero(reader: der.Reader, field: str) -> None:
    start = reader.offset
    if reader.integer(field) != 0:
        raise reader.refuse(field, "0", offset=start)


def _read_oaep_identifier(recipient: der.Reader) -> bool:
    """Read the key transport algorithm; return whether its parameters were tagged."""
    name = "key transport algorithm"
    algorithm = recipient.sequence(name)
    algorithm.expect_oid(identifiers.RSAES_OAEP, "RSAES-OAEP", name)
    parameters = algorithm.sequence("OAEP parameters")
    algorithm.end()
    tagged = parameters.peek_tag() == der.context_tag(0, constructed=True)

    def member(number: int, field: str) -> der.Reader:
        tag = der.context_tag(number, constructed=True)
        return parameters.inside(parameters.element(tag, field), field) if tagged else parameters

    digest = member(0, "OAEP hash")
    identifiers.read_sha256(digest, "OAEP hash")
    mask_member = member(1, "OAEP mask")
    mask = mask_member.sequence("OAEP mask")
    mask.expect_oid(identifiers.MGF1, "MGF1", "OAEP mask")
    identifiers.read_sha256(mask, "OAEP mask hash")
    mask.end()
    # RFC 4055 leaves the label out when it is empty, and so do CMS libraries.
    label_member = None if tagged and parameters.at_end else member(2, "OAEP label")
    if label_member is not None:
        label = label_member.sequence("OAEP label")
        label.expect_oid(identifiers.P_SPECIFIED, "pSpecified", "OAEP label")
        start = label.offset
        if label.octet_string("OAEP label"):
            raise label.refuse("OAEP label", "an empty label", offset=start)
        label.end()
    for part in (digest, mask_member, label_member):
        if part is not None and part is not parameters:
            part.end()
    parameters.end()
    return tagged


def _read_content(info: der.Reader) -> tuple[bool, ContentCipher, bytes, bytes]:
    """Read EncryptedContentInfo: ciphertext inside the algorithm or not, cipher, IV, ciphertext."""
    info.expect_oid(identifiers.DATA, "the data identifier", "encrypted content type")
    algorithm = info.sequence("content cipher")
    start = algorithm.offset
    oid = algorithm.oid("content cipher")
    content_cipher = next((known for known in ContentCipher if known.oid == oid), None)
    if content_cipher is None:
        raise algorithm.refuse("content cipher", "des-ede3-cbc or aes128-cbc", offset=start)
    start = algorithm.offset
    iv = algorithm.octet_string("content IV")
    if len(iv) != content_cipher.block_bytes:
        raise algorithm.refuse("content IV", f"{content_cipher.block_bytes} bytes", offset=start)
    inside = not algorithm.at_end
    holder = algorithm if inside else info
    ciphertext = _read_ciphertext(holder, content_cipher)
    algorithm.end()
    info.end()
    return inside, content_cipher, iv, ciphertext


def _read_ciphertext(reader: der.Reader, content_cipher: ContentCipher) -> bytes:
    """
    Read the ciphertext: [0] primitive, or [0] constructed as some writers have it.

    A constructed one holds either the bytes themselves or one OCTET STRING. Whole cipher blocks
    tell which: a string's tag and length (2 to 4 bytes) in front never leave a whole number.
    """
    name = "ciphertext"
    block_bytes = content_cipher.block_bytes
    element = reader.next_element(name)
    content = element.content
    if element.tag == der.context_tag(0, constructed=True):
        if len(content) % block_bytes:
            held = reader.inside(element, name)
            content = held.octet_string(name)
            held.end()
    elif element.tag != der.context_tag(0, constructed=False):
        raise reader.refuse(name, "[0]", offset=element.offset)
    if not content or len(content) % block_bytes:
        raise reader.refuse(name, f"whole blocks of {block_bytes} bytes", offset=element.offset)
    return content


def open_envelope(
    envelope: Envelope,
    krd_private_key: rsa.RSAPrivateKey,
    *,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> KeyBlock:
    """
    Decrypt an envelope and return its key block.

    Whatever fails (OAEP, content key length, padding, key block), the same steps run and the same
    error is raised. A failed OAEP goes on with a random content key, so that neither the answer
    nor the time it takes is an oracle for another token of the same KRD.

    Raises:
        TokenDecryptionError: it does not open.
    """
    content_cipher = envelope.content_cipher
    stand_in = random_bytes(content_cipher.key_bytes)
    genuine = True
    try:
        content_key = unwrap_oaep(krd_private_key, envelope.encrypted_key, OAEP_HASH)
    except RSADecryptionError:
        content_key = b""
    if len(content_key) != content_cipher.key_bytes:
        genuine, content_key = False, stand_in
    opened = CipherKey(content_cipher.cipher, content_key)
    clear = opened.decrypt_cbc(envelope.ciphertext, envelope.iv)
    try:
        block = parse_padded_key_block(clear, block_bytes=content_cipher.block_bytes)
    except MalformedTokenError:
        block = None
    if block is None or not genuine:
        raise TokenDecryptionError
    return block
