"""12A, 120, 123, 124, 125, 12F: RSA keys, what the device trusts, signatures."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from keyferry.crypto.certificates import public_key_der
from keyferry.crypto.check_values import public_key_kcv
from keyferry.crypto.keyblock.akb import AKBHeader
from keyferry.crypto.rsa_wrap import wrap_oaep
from keyferry.errors import KeyferryError
from keyferry.hsm.atalla.commands.rsa import HASH_CODES
from keyferry.hsm.atalla.rsa_public import encode_public_key, public_key_of
from keyferry.hsm.atalla.simulator.call import (
    EXECUTION,
    LENGTH,
    MFK_NAME,
    VALUE,
    Call,
    Result,
    handles,
)
from keyferry.hsm.atalla.simulator.challenges import is_approved
from keyferry.hsm.atalla.simulator.operations.keys import new_material
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError

MODULUS_BITS: Final = (2048, 4096)
TRUSTED_USAGES: Final = "kKRSsw"
ENCRYPTING: Final = "kK"

_HASHES: Final = {
    "SHA1": hashes.SHA1(),  # noqa: S303 - a device of this age still verifies it
    "SHA224": hashes.SHA224(),
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
}


@handles("12A")
def trust_public_key(call: Call) -> Result:
    """Make an AKB of a foreign public key, once two administrators have approved it."""
    header = call.header("header")
    if header.algorithm != "R" or header.usage not in TRUSTED_USAGES:
        raise CommandRefusedError(VALUE, "header")
    exponent, modulus = call.values.raw("exponent"), call.values.raw("modulus")
    public_key = _public_key(exponent, modulus)
    answer = call.values.maybe("answer", str)
    if answer is None:
        record = call.device.challenges.open(header.encode(), exponent, modulus)
        return {
            "outcome": "CHALLENGE",
            "challenge": record.challenge,
            "revealed_answer": record.answer if is_approved(record) else None,
        }
    call.device.challenges.redeem(header.encode(), exponent, modulus, answer)
    return {"outcome": "OK", "new_public_key": _seal(call, header, public_key)}


@handles("120")
async def generate_rsa(call: Call) -> Result:
    """Make a key pair; the private key is for signing only."""
    bits = call.values.number("modulus_bits")
    exponent = int.from_bytes(call.values.raw("exponent"), "big")
    if not MODULUS_BITS[0] <= bits <= MODULUS_BITS[1] or bits % 8:
        raise CommandRefusedError(VALUE, "modulus_bits")
    if exponent not in (3, 65537):
        raise CommandRefusedError(VALUE, "exponent")
    usage = call.values.text("usage")
    key = await call.offload(lambda: rsa.generate_private_key(exponent, bits))
    public_mode = "E" if usage in ENCRYPTING else "V"
    public = AKBHeader(usage=usage, algorithm="R", mode=public_mode)
    private = AKBHeader(usage=usage, algorithm="R", mode="G", exportability="N")
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {
        "new_public_key": _seal(call, public, key.public_key()),
        "new_private_key": call.device.mfk.wrap_bytes(private, der),
        "check_digits": public_key_kcv(public_key_der(key.public_key())).hex().upper()[:6],
    }


@handles("123")
def import_certificate(call: Call) -> Result:
    """Make an AKB of a public key that a trusted authority has signed. No SHA-512."""
    algorithm = _hash(call)
    authority = call.public_key("authority_key", "RS")
    exponent, modulus = call.values.raw("exponent"), call.values.raw("modulus")
    public_key = _public_key(exponent, modulus)
    signed = call.values.raw("signed_data")
    try:
        authority.verify(call.values.raw("signature"), signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature as error:
        raise CommandRefusedError(EXECUTION, "signature") from error
    if modulus.lstrip(b"\x00") not in signed:
        # The signature must speak of this key, not of any other.
        raise CommandRefusedError(EXECUTION, "modulus")
    usage = call.values.text("usage")
    header = AKBHeader(usage=usage, algorithm="R", mode="E" if usage in ENCRYPTING else "V")
    return {"new_public_key": _seal(call, header, public_key)}


@handles("124")
def sign(call: Call) -> Result:
    """Sign data; not with the key of TR-34 messages, which only 139 may use."""
    algorithm = _hash(call)
    data = _data(call)
    _, key = call.private_key("private_key", "RSsp")
    return {
        "shown_form": call.values.text("form"),
        "signature": key.sign(data, padding.PKCS1v15(), algorithm),
        "items": (MFK_NAME,),
    }


@handles("125")
def verify(call: Call) -> Result:
    """Verify a signature."""
    algorithm = _hash(call)
    data = _data(call)
    key = call.public_key("public_key", "RSspw")
    try:
        key.verify(call.values.raw("signature"), data, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        verdict = "N"
    else:
        verdict = "Y"
    return {"shown_form": call.values.text("form"), "verdict": verdict, "mfk_name": MFK_NAME}


@handles("12F")
def generate_and_wrap(call: Call) -> Result:
    """Make a KEK and encrypt it for the owner of an RSA key."""
    key = call.public_key("public_key", ENCRYPTING)
    length = call.values.text("length")
    material = new_material(length)
    if call.values.text("padding") == "4":
        cryptogram = wrap_oaep(key, material, "SHA256")
    else:
        cryptogram = key.encrypt(material, padding.PKCS1v15())
    return {
        "shown_length": length,
        "new_key": call.wrap(AKBHeader.parse("1KDNE000"), material),
        "check_digits": call.check_digits(material),
        "cryptogram": cryptogram,
    }


def _hash(call: Call) -> hashes.HashAlgorithm:
    name = HASH_CODES.get(call.values.text("hash"))
    if name is None:
        raise CommandRefusedError(VALUE, "hash")
    return _HASHES[name]


def _data(call: Call) -> bytes:
    data = call.values.raw("data")
    if call.values.number("length") != len(data):
        raise CommandRefusedError(LENGTH, "length")
    return data


def _public_key(exponent: bytes, modulus: bytes) -> rsa.RSAPublicKey:
    try:
        key = public_key_of(exponent, modulus)
    except KeyferryError as error:
        raise CommandRefusedError(VALUE, "modulus") from error
    if not MODULUS_BITS[0] <= key.key_size <= MODULUS_BITS[1]:
        raise CommandRefusedError(VALUE, "modulus")
    return key


def _seal(call: Call, header: AKBHeader, key: rsa.RSAPublicKey) -> str:
    return call.device.mfk.seal_clear(header, encode_public_key(key))
