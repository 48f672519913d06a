"""FY: EC key pair. IG: agree a key by ECDH. QE: certificate signing request."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.oid import NameOID

from keyferry.crypto.certificates import create_csr
from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.errors import CertificateError, KeyferryError
from keyferry.hsm.payshield.rsa_public import read_public_key
from keyferry.hsm.payshield.simulator.call import SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.device_key import (
    ALGORITHM_BYTES,
    DeviceKey,
    algorithm_of,
)
from keyferry.hsm.payshield.simulator.operations.headers import (
    check_usage,
    header_blocks,
    require_header,
)
from keyferry.hsm.payshield.simulator.operations.rsa import load_public_key
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.private_key import CURVES

INVALID_CURVE: Final = "D2"
INVALID_ENCODING: Final = "D3"
INVALID_MODE: Final = "A8"
INCOMPATIBLE_LENGTH: Final = "A5"
KEY_PAIR_MISMATCH: Final = "49"

_KDF: Final = {
    "1": KeyDerivationFunction.NIST_SP800,
    "2": KeyDerivationFunction.ANSI_X963,
}
_HASH_NAMES: Final = {"06": "SHA256", "07": "SHA384", "08": "SHA512"}
_SIGNS: Final = "SN"
_AGREES: Final = "XN"

_SUBJECT: Final = (
    ("common_name", NameOID.COMMON_NAME),
    ("organizational_unit", NameOID.ORGANIZATIONAL_UNIT_NAME),
    ("organization", NameOID.ORGANIZATION_NAME),
    ("locality", NameOID.LOCALITY_NAME),
    ("state", NameOID.STATE_OR_PROVINCE_NAME),
    ("country", NameOID.COUNTRY_NAME),
)


@handles("FY")
def generate_key_pair(call: Call) -> Result:
    """Generate an EC key pair; the private block is printable, clients paste it as text."""
    lmk = call.key_block_lmk
    require_header(call)
    mode = call.values.text("header_mode")
    if mode not in "SXN":
        raise CommandRefusedError(INVALID_MODE)
    key = ec.generate_private_key(CURVES[call.values.text("curve")])
    return {
        "new_public_key": key.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        ),
        "new_private_key": lmk.seal_ec(
            key,
            mode=mode,
            version=call.values.text("header_version"),
            exportability=call.values.text("header_exportability"),
        ),
    }


@handles("IG")
def agree_key(call: Call) -> Result:
    """Agree a key with a peer; its bytes are used as derived, without parity."""
    lmk = call.key_block_lmk
    usage, mode = call.values.text("header_usage"), call.values.text("header_mode")
    code = call.values.text("header_algorithm")
    check_usage(usage, mode)
    size = ALGORITHM_BYTES[code]
    if call.values.number("key_bits") != 8 * size:
        raise CommandRefusedError(INCOMPATIBLE_LENGTH)
    call.authorise("eckai", usage)
    peer = load_peer(call.values.raw("peer_public_key"))
    private, private_mode = lmk.open_ec(call.device.dereference(call.key("private_key")))
    if private_mode.value not in _AGREES:
        raise CommandRefusedError(INVALID_MODE)
    key = DeviceKey(
        material=_derive(call, private, peer, size),
        algorithm=algorithm_of(code),
        usage=usage,
        mode=mode,
        key_version=call.values.text("header_version"),
        exportability=call.values.text("header_exportability"),
        optional_blocks=header_blocks(call.values),
    )
    return {"new_key": call.seal(key, "S"), "kcv": key.check_value()}


def _derive(
    call: Call,
    private: ec.EllipticCurvePrivateKey,
    peer: ec.EllipticCurvePublicKey,
    size: int,
) -> bytes:
    text = call.values.maybe("shared_info", str) or ""
    hash_name = _HASH_NAMES.get(call.values.text("hash"))
    if len(text) % 2 or hash_name is None:
        raise CommandRefusedError(SYNTAX)
    if peer.curve.name != private.curve.name:
        raise CommandRefusedError(INVALID_CURVE)
    try:
        return derive_key(
            agree(private, peer),
            kdf=_KDF[call.values.text("kdf")],
            hash_name=hash_name,
            shared_info=bytes.fromhex(text),
            size=size,
        )
    except KeyferryError as error:
        raise CommandRefusedError(SYNTAX) from error


def load_peer(der: bytes) -> ec.EllipticCurvePublicKey:
    """Return a peer's public key: D3 where it is no SubjectPublicKeyInfo, D2 on another curve."""
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CommandRefusedError(INVALID_ENCODING) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CommandRefusedError(INVALID_ENCODING)
    if all(key.curve.name != curve.name for curve in CURVES.values()):
        raise CommandRefusedError(INVALID_CURVE)
    return key


@handles("QE")
def request_certificate(call: Call) -> Result:
    """Make a certificate signing request, SHA-256, for a key pair of this device."""
    private = _open_pair(call)
    try:
        subject = x509.Name(
            [
                x509.NameAttribute(oid, call.values.text(name))
                for name, oid in _SUBJECT
                if call.values.text(name)
            ]
        )
        request = create_csr(private, subject=subject, hash_name="SHA256")
    except (ValueError, CertificateError) as error:
        raise CommandRefusedError(SYNTAX) from error
    return {"request_pem": request.public_bytes(Encoding.PEM)}


def _open_pair(call: Call) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    der = call.values.raw("public_key")
    field = call.device.dereference(call.key("private_key"))
    if call.values.text("signature_method") == "02":
        lmk = call.key_block_lmk
        peer = load_peer(der)
        private, mode = lmk.open_ec(field)
        if mode.value not in _SIGNS:
            raise CommandRefusedError(INVALID_MODE)
        if private.public_key() != peer:
            raise CommandRefusedError(KEY_PAIR_MISMATCH)
        return private
    load_public_key(der)
    pair = call.lmk.open_rsa(field)
    numbers = pair.key.public_key().public_numbers()
    if (numbers.n, numbers.e) != read_public_key(der):
        raise CommandRefusedError(KEY_PAIR_MISMATCH)
    return pair.key
