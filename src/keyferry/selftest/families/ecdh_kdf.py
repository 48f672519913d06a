"""The ops of ecdh-kdf.json: key agreement, key derivation, and a key block under the result."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.crypto.ecdh import agree, load_point
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.keyblock import KBPK, KeyBlockHeader
from keyferry.errors import KeyAgreementError, UnsupportedAlgorithmError
from keyferry.keys import KeyAlgorithm
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Value

_CURVES: dict[str, ec.EllipticCurve] = {
    "P256": ec.SECP256R1(),
    "P384": ec.SECP384R1(),
    "P521": ec.SECP521R1(),
}
_KDFS = {function.value: function for function in KeyDerivationFunction}


def _z(case: Case) -> bytes:
    """Agree on Z: our scalar, the peer's point, one curve."""
    curve = case.choice("curve", _CURVES)
    scalar = int.from_bytes(case.hex("private_key"), "big")
    try:
        private_key = ec.derive_private_key(scalar, curve)
    except ValueError:
        raise KeyAgreementError("private key is not a scalar of the curve") from None
    return agree(private_key, load_point(case.text("curve"), case.hex("peer_public_key")))


def _derived(case: Case, z: bytes, size: int) -> bytes:
    return derive_key(
        z,
        kdf=case.choice("kdf", _KDFS),
        hash_name=case.text("hash"),
        shared_info=case.hex("shared_info"),
        size=size,
    )


def _algorithm(case: Case) -> KeyAlgorithm:
    return case.choice("derive_key_algorithm", {known.value: known for known in KeyAlgorithm})


def kdf(case: Case) -> dict[str, Value]:
    """Derive a key from a given Z."""
    return {"derived": _derived(case, case.hex("z"), case.number("length"))}


def ecdh(case: Case) -> dict[str, Value]:
    """Agree on Z."""
    return {"z": _z(case)}


def agree_and_derive(case: Case) -> dict[str, Value]:
    """Agree on Z and derive a key of an algorithm."""
    z = _z(case)
    return {"z": z, "derived_key": _derived(case, z, _algorithm(case).size_bytes)}


def agree_unwrap(case: Case) -> dict[str, Value]:
    """Agree, derive, and open a key block under the derived key."""
    algorithm = _algorithm(case)
    derived = _derived(case, _z(case), algorithm.size_bytes)
    if algorithm.cipher is None:
        raise UnsupportedAlgorithmError(f"{algorithm} does not protect key blocks")
    block = case.text("block")
    unwrapped = KBPK(algorithm.cipher, derived).unwrap(block)
    return {
        "derived_key": derived,
        "key": unwrapped.key,
        "header": block[: len(KeyBlockHeader.parse(block).encode())],
    }


OPS = {"kdf": kdf, "ecdh": ecdh, "agree": agree_and_derive, "agree_unwrap": agree_unwrap}
