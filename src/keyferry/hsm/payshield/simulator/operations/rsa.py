"""EI, EO, EM, EK, LA, EW, EY, GM: RSA keys, signatures, hashes and user storage."""

from __future__ import annotations

import hashlib
from hmac import compare_digest
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

from keyferry.errors import HSMFrameError
from keyferry.hsm.payshield.rsa_public import encode_public_key, read_public_key
from keyferry.hsm.payshield.simulator.call import SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.lmk import KeyBlockDeviceLMK, VariantDeviceLMK
from keyferry.hsm.payshield.simulator.operations.headers import require_header
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.private_key import RSAPrivate

DEFAULT_EXPONENT: Final = 65537
EXPONENTS: Final = (3, DEFAULT_EXPONENT)  # those the RSA library generates for
SHORTEST_MODULUS: Final = 1024  # likewise
GENERATION_FAILURE: Final = "43"
STRONGER_LMK: Final = "48"
INVALID_DIGEST_INFO: Final = "74"
KEY_FUNCTION: Final = "29"
NOT_LICENSED: Final = "47"
PUBLIC_KEY_ERROR: Final = "76"

HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "01": hashes.SHA1(),  # noqa: S303 - the device offers it
    "02": hashes.MD5(),  # noqa: S303 - the device offers it
    "05": hashes.SHA224(),
    "06": hashes.SHA256(),
    "07": hashes.SHA384(),
    "08": hashes.SHA512(),
}
NO_HASH: Final = "04"
PKCS1: Final = "01"

# DigestInfo without its digest (RFC 8017, 9.2, note 1): in "no hash" mode the host sends it whole.
_DIGEST_INFO: Final = {
    bytes.fromhex(prefix): code
    for prefix, code in (
        ("3021300906052B0E03021A05000414", "01"),
        ("3020300C06082A864886F70D020505000410", "02"),
        ("302D300D06096086480165030402040500041C", "05"),
        ("3031300D060960864801650304020105000420", "06"),
        ("3041300D060960864801650304020205000430", "07"),
        ("3051300D060960864801650304020305000440", "08"),
    )
}


@handles("EI")
async def generate_key_pair(call: Call) -> Result:
    """Generate an RSA key pair, beside the event loop: large ones take seconds."""
    bits = call.values.number("modulus_bits")
    exponent = _exponent(call)
    exportability = call.values.maybe("changed_exportability", str) or "N"
    if call.is_variant:
        if call.values.get("header_version") is not None:
            raise CommandRefusedError(SYNTAX)
    else:
        require_header(call)
    call.authorise("generate", "rsa")
    if bits < SHORTEST_MODULUS:
        raise CommandRefusedError("04")
    if bits > call.lmk.strongest_rsa_bits:
        raise CommandRefusedError(STRONGER_LMK)
    if exponent not in EXPONENTS:
        raise CommandRefusedError(GENERATION_FAILURE)
    key = await call.offload(
        lambda: rsa.generate_private_key(public_exponent=exponent, key_size=bits)
    )
    numbers = key.public_key().public_numbers()
    private = RSAPrivate(key, call.values.text("key_use"))
    version = call.values.maybe("header_version", str) or "00"
    return {
        "new_public_key": encode_public_key(numbers.n, numbers.e, call.values.text("encoding")),
        "new_private_key": call.lmk.seal_rsa(private, version=version, exportability=exportability),
    }


def _exponent(call: Call) -> int:
    raw = call.values.maybe("exponent", bytes)
    if raw is None:
        return DEFAULT_EXPONENT
    exponent = int.from_bytes(raw, "big")
    if exponent.bit_length() != call.values.number("exponent_bits"):
        raise CommandRefusedError("06")
    if exponent % 2 == 0:
        raise CommandRefusedError("08")
    return exponent


@handles("EO")
def import_public_key(call: Call) -> Result:
    """Vouch for a public key: a MAC over it, or a key block of it."""
    der = call.values.raw("public_key_der")
    load_public_key(der)
    authentication = call.values.maybe("authentication_data", bytes) or b""
    if isinstance(call.lmk, VariantDeviceLMK):
        if call.values.get("header_mode") is not None:
            raise CommandRefusedError(SYNTAX)
        mac = call.lmk.public_key_mac(der + authentication)
        return {"new_public_key_mac": mac, "new_public_key": der}
    require_header(call)
    block = call.lmk.seal_public(
        der,
        mode=call.values.text("header_mode"),
        version=call.values.text("header_version"),
        exportability=call.values.text("header_exportability"),
    )
    return {"new_public_block": block}


def load_public_key(der: bytes) -> rsa.RSAPublicKey:
    """Return an RSA public key in either encoding; 76 where it is none."""
    try:
        modulus, exponent = read_public_key(der)
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except (HSMFrameError, ValueError) as error:
        raise CommandRefusedError(PUBLIC_KEY_ERROR) from error


@handles("EM")
def translate_private_key(call: Call) -> Result:
    """Bring a private key from the old LMK to the new one."""
    old = call.device.lmks.old(call.lmk.identifier)
    private = old.open_rsa(call.device.dereference(call.key("private_key")))
    if not call.is_variant:
        require_header(call)
    return {
        "new_private_key": call.lmk.seal_rsa(
            private,
            version=call.values.maybe("header_version", str) or "00",
            exportability=call.values.maybe("changed_exportability", str) or "N",
        )
    }


@handles("EK")
def load_private_key(call: Call) -> Result:
    """Keep a private key in the device, under an index."""
    field = call.key("private_key")
    call.lmk.open_rsa(call.device.dereference(field))
    stored = (b"S" if field.is_block else b"V") + field.body
    kept = call.device.state.private_keys
    call.device.remember(private_keys={**kept, call.values.text("index"): stored.hex()})
    return {}


@handles("LA")
def store_data(call: Call) -> Result:
    """Keep bytes in user storage, under an index of three hex digits."""
    kept, content = call.device.state.user_storage, call.values.raw("data")
    call.device.remember(user_storage={**kept, call.values.text("index"): content.hex()})
    return {}


@handles("EW")
def sign(call: Call) -> Result:
    """Sign data with an RSA private key."""
    data, algorithm = _to_sign(call)
    private = call.open_rsa()
    if not private.may_sign:
        raise CommandRefusedError("A8" if not call.is_variant else KEY_FUNCTION)
    try:
        signature = private.key.sign(data, _padding(call, algorithm), algorithm)
    except ValueError as error:
        raise CommandRefusedError("80") from error
    return {"signature": signature}


@handles("EY")
def verify(call: Call) -> Result:
    """Verify a signature with a public key the device vouches for."""
    data, algorithm = _to_sign(call)
    der = _vouched_for(call)
    try:
        load_public_key(der).verify(
            call.values.raw("signature"), data, _padding(call, algorithm), algorithm
        )
    except (InvalidSignature, ValueError) as error:
        raise CommandRefusedError("02") from error
    return {}


def _vouched_for(call: Call) -> bytes:
    if isinstance(call.lmk, KeyBlockDeviceLMK):
        if call.values.get("public_key_mac") is not None:
            raise CommandRefusedError("A1")
        return call.lmk.open_public(call.key("public_key"))
    if call.values.get("public_key_mac") is None:
        raise CommandRefusedError("A1")
    der = call.values.raw("public_key")
    authentication = call.values.maybe("authentication_data", bytes) or b""
    expected = call.lmk.public_key_mac(der + authentication)
    if not compare_digest(expected, call.values.raw("public_key_mac")):
        raise CommandRefusedError("01")
    return der


def _to_sign(call: Call) -> tuple[bytes, hashes.HashAlgorithm | utils.Prehashed]:
    code, data = call.values.text("hash"), call.values.raw("data")
    if code == NO_HASH:
        for prefix, hash_code in _DIGEST_INFO.items():
            algorithm = HASHES[hash_code]
            if data.startswith(prefix) and len(data) == len(prefix) + algorithm.digest_size:
                return data[len(prefix) :], utils.Prehashed(algorithm)
        raise CommandRefusedError(INVALID_DIGEST_INFO)
    if code not in HASHES:
        raise CommandRefusedError(NOT_LICENSED)
    return data, HASHES[code]


def _padding(
    call: Call, algorithm: hashes.HashAlgorithm | utils.Prehashed
) -> padding.AsymmetricPadding:
    if call.values.text("padding") == PKCS1:
        return padding.PKCS1v15()
    if isinstance(algorithm, utils.Prehashed):
        raise CommandRefusedError(INVALID_DIGEST_INFO)
    return padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)


_HASHLIB: Final = {
    "01": "sha1",
    "02": "md5",
    "05": "sha224",
    "06": "sha256",
    "07": "sha384",
    "08": "sha512",
}


@handles("GM")
def hash_data(call: Call) -> Result:
    """Hash data."""
    name = _HASHLIB.get(call.values.text("hash"))
    if name is None:
        raise CommandRefusedError(NOT_LICENSED)
    digest = hashlib.new(name, call.values.raw("data"), usedforsecurity=False)
    return {"digest": digest.digest()}
