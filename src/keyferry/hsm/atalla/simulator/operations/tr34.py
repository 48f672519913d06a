"""136 and 139: a key leaves by TR-34, in two commands with the host's DER between them."""

from __future__ import annotations

import hashlib
import os
from hmac import compare_digest
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.keyblock import Algorithm, Exportability
from keyferry.crypto.keyblock.akb import AKBHeader
from keyferry.crypto.rsa_wrap import wrap_oaep
from keyferry.crypto.tr34 import (
    Envelope,
    der,
    encode_key_block,
    parse_envelope,
    parse_header,
    parse_signed_attributes,
)
from keyferry.errors import KeyBlockError, KeyferryError, TokenError
from keyferry.hsm.atalla.simulator.call import (
    EXECUTION,
    HEADER,
    KEY_LENGTH,
    USAGE,
    VALUE,
    Call,
    OpenedKey,
    Result,
    handles,
)
from keyferry.hsm.atalla.simulator.operations.keys import (
    EVERY_MODE,
    EVERY_USAGE,
    KEY_BYTES,
    new_material,
)
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError
from keyferry.hsm.atalla.usages import HEADERS, tr31_mode, tr31_usages

TOKEN_HEADER: Final = AKBHeader.parse("1bUNN000")
EPHEMERAL_BYTES: Final = 24
SHA_256_NAME: Final = "5"
_ENVELOPED_DATA: Final = bytes.fromhex("2A864886F70D010703")


@handles("136")
def generate_key_block(call: Call) -> Result:
    """Make a key or take a given one, encrypt it for the KRD, and vouch for what came out."""
    header = call.values.text("block_header")
    krd = call.public_key("krd_public_key", "k")
    kdh_id = _kdh_id(call)
    key = _key(call, header)
    ephemeral, iv = os.urandom(EPHEMERAL_BYTES), os.urandom(8)
    clear = encode_key_block(key=key.material, header=header, kdh_id=kdh_id)
    fill = 8 - len(clear) % 8
    block = CipherKey(Cipher.TDES, ephemeral).encrypt_cbc(clear + bytes((fill,)) * fill, iv)
    encrypted_key = wrap_oaep(krd, ephemeral, "SHA256")
    digest = _digest(encrypted_key, iv, block)
    return {
        "kept_key": call.wrap(key.header, key.material),
        "check_digits": call.check_digits(key.material),
        "encrypted_key": encrypted_key,
        "iv": iv,
        "encrypted_block": block,
        "new_signing_token": call.device.mfk.seal_clear(TOKEN_HEADER, digest),
        "items": (),
    }


def _kdh_id(call: Call) -> bytes:
    """Return issuer and serial number of the KDH: the prefix without its INTEGER 1."""
    try:
        reader = der.Reader(call.values.raw("block_prefix"), field="block prefix")
        number = reader.integer("version")
        kdh_id = reader.element(der.SEQUENCE, "issuer and serial number")
        reader.end()
    except KeyferryError as error:
        raise CommandRefusedError(VALUE, "block_prefix") from error
    if number != 1:
        raise CommandRefusedError(VALUE, "block_prefix")
    return kdh_id.encoded


def _key(call: Call, text: str) -> OpenedKey:
    """Return the key to send: generated, or the one that the request gives."""
    try:
        header = parse_header(text)
    except (KeyBlockError, TokenError) as error:
        raise CommandRefusedError(VALUE, "block_header") from error
    length = call.values.text("length")
    if header.algorithm not in (Algorithm.TDES, Algorithm.DES) or header.usage not in HEADERS:
        raise CommandRefusedError(VALUE, "block_header")
    if header.exportability is Exportability.NONE:
        raise CommandRefusedError(USAGE, "block_header")
    if call.values.get("key") is None:
        return OpenedKey(HEADERS[header.usage], new_material(length))
    key = call.key("key", EVERY_USAGE, modes=EVERY_MODE)
    if header.usage not in tr31_usages(key.header) or header.mode is not tr31_mode(key.header):
        raise CommandRefusedError(HEADER, "block_header")
    call.check_may_leave(key, "key")
    if key.header.usage in "Kk":
        call.check_e2()
    if len(key.material) != KEY_BYTES[length]:
        raise CommandRefusedError(KEY_LENGTH, "length")
    return key


@handles("139")
def sign_message(call: Call) -> Result:
    """Sign data, or the attributes of a TR-34 message whose envelope came out of 136."""
    data = call.values.raw("data")
    header, key = call.private_key("private_key", "wRSsp")
    if call.values.get("envelope") is None:
        _check_plain(header, data)
    else:
        _check_message(call, data)
        if header.usage != "w":
            raise CommandRefusedError(HEADER, "private_key")
    return {
        "shown_hash": SHA_256_NAME,
        "signature": key.sign(data, padding.PKCS1v15(), hashes.SHA256()),
        "items": (),
    }


def _check_plain(header: AKBHeader, data: bytes) -> None:
    """Refuse to sign TR-34 attributes without their envelope (our hardening, inferred)."""
    if header.usage != "w" or data[:1] != b"\x31":
        return
    try:
        attributes = parse_signed_attributes(data)
    except KeyferryError:
        return
    if attributes.content_type == _ENVELOPED_DATA:
        raise CommandRefusedError(USAGE, "data")


def _check_message(call: Call, data: bytes) -> None:
    """Hold the message against the token: these are the very parts that 136 made."""
    envelope_bytes = call.values.raw("envelope")
    try:
        attributes = parse_signed_attributes(data)
    except KeyferryError as error:
        raise CommandRefusedError(EXECUTION, "data") from error
    digest = hashlib.sha256(envelope_bytes).digest()
    if data[:1] != b"\x31" or not compare_digest(attributes.message_digest, digest):
        raise CommandRefusedError(EXECUTION, "data")
    try:
        envelope = parse_envelope(envelope_bytes)
    except KeyferryError as error:
        raise CommandRefusedError(EXECUTION, "envelope") from error
    _check_positions(call, envelope, envelope_bytes.hex())
    token = call.values.maybe("signing_token", str)
    if token is None:
        raise CommandRefusedError(EXECUTION, "signing_token")
    try:
        vouched = call.device.mfk.authenticate(token)
    except KeyBlockError as error:
        raise CommandRefusedError(EXECUTION, "signing_token") from error
    made = _digest(envelope.encrypted_key, envelope.iv, envelope.ciphertext)
    if vouched.header != TOKEN_HEADER or not compare_digest(vouched.key_field, made):
        raise CommandRefusedError(EXECUTION, "signing_token")


def _check_positions(call: Call, envelope: Envelope, text: str) -> None:
    for name, part in (
        ("encrypted_key_at", envelope.encrypted_key),
        ("iv_at", envelope.iv),
        ("encrypted_block_at", envelope.ciphertext),
    ):
        position = call.values.maybe(name, int) or 0
        start = position - 1
        if position < 1 or text[start : start + 2 * len(part)] != part.hex():
            raise CommandRefusedError(EXECUTION, name)


def _digest(encrypted_key: bytes, iv: bytes, block: bytes) -> bytes:
    return hashlib.sha256(encrypted_key + iv + block).digest()
