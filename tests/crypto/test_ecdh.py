"""Key agreement and key derivation, as one flow and each alone."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.ecdh import agree, load_point
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.keyblock import KBPK
from keyferry.errors import (
    DataSizeError,
    KeyAgreementError,
    KeyBlockError,
    KeySizeError,
    UnsupportedAlgorithmError,
)

CURVES = {"P256": ec.SECP256R1(), "P384": ec.SECP384R1(), "P521": ec.SECP521R1()}
SIZES = {"TDES_2KEY": 16, "TDES_3KEY": 24, "AES_128": 16, "AES_192": 24, "AES_256": 32}


def agreed(vector: dict[str, Any]) -> bytes:
    """Z of a case."""
    private = ec.derive_private_key(int(vector["private_key"], 16), CURVES[vector["curve"]])
    return agree(private, load_point(vector["curve"], bytes.fromhex(vector["peer_public_key"])))


def derived(vector: dict[str, Any], z: bytes, size: int) -> bytes:
    """The derived key of a case."""
    return derive_key(
        z,
        kdf=KeyDerivationFunction(vector["kdf"]),
        hash_name=vector["hash"],
        shared_info=bytes.fromhex(vector["shared_info"]),
        size=size,
    )


@pytest.mark.vectors("ecdh-kdf", "kdf")
def test_known_derivations(vector: dict[str, Any]) -> None:
    """Both functions give the known key, with and without shared info."""
    key = derived(vector, bytes.fromhex(vector["z"]), vector["length"])
    assert key.hex().upper() == vector["derived"]


@pytest.mark.vectors("ecdh-kdf", "ecdh")
def test_known_agreements(vector: dict[str, Any]) -> None:
    """Z is the known one at full width; what is no point is refused."""
    if vector.get("expect") == "error":
        with pytest.raises(KeyAgreementError):
            agreed(vector)
    else:
        assert agreed(vector).hex().upper() == vector["z"]


@pytest.mark.vectors("ecdh-kdf", "agree", "agree_unwrap")
def test_known_flows(vector: dict[str, Any]) -> None:
    """From two keys to a derived one, and to the key in the block it protects."""
    z = agreed(vector)
    key = derived(vector, z, SIZES[vector["derive_key_algorithm"]])
    if vector["op"] == "agree":
        assert z.hex().upper() == vector["z"]
        assert key.hex().upper() == vector["derived_key"]
        return
    cipher = Cipher.TDES if vector["derive_key_algorithm"].startswith("TDES") else Cipher.AES
    kbpk = KBPK(cipher, key)
    if vector.get("expect") == "error":
        with pytest.raises(KeyBlockError):
            kbpk.unwrap(vector["block"])
        return
    opened = kbpk.unwrap(vector["block"])
    assert key.hex().upper() == vector["derived_key"]
    assert opened.key.hex().upper() == vector["key"]
    assert vector["block"].startswith(vector["header"])
    assert opened.header.encode()[:16] == vector["header"]


@pytest.mark.parametrize("curve", list(CURVES))
def test_both_sides_agree(curve: str) -> None:
    """Each side computes the same Z from its own key and the other's point."""
    ours, theirs = (ec.generate_private_key(CURVES[curve]) for _ in range(2))
    z = agree(ours, theirs.public_key())
    assert z == agree(theirs, ours.public_key())
    assert len(z) == {"P256": 32, "P384": 48, "P521": 66}[curve]


def test_refuses_the_peer_of_another_curve() -> None:
    """Both keys are on one curve, and on one of the three."""
    ours = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(KeyAgreementError, match="secp384r1: expected secp256r1"):
        agree(ours, ec.generate_private_key(ec.SECP384R1()).public_key())
    koblitz = ec.generate_private_key(ec.SECP256K1())
    with pytest.raises(UnsupportedAlgorithmError, match="secp256k1"):
        agree(koblitz, koblitz.public_key())
    with pytest.raises(UnsupportedAlgorithmError, match="P224"):
        load_point("P224", bytes(57))


def test_refuses_compressed_points() -> None:
    """The uncompressed form is the only one, at full width."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = point.x.to_bytes(32), point.y.to_bytes(32)
    assert load_point("P256", b"\x04" + x + y).public_numbers() == point
    for form in (b"\x02" + x, b"\x03" + x, b"\x06" + x + y, b"\x04" + x, b"\x04" + x + y + b"\0"):
        with pytest.raises(KeyAgreementError):
            load_point("P256", form)
    with pytest.raises(KeyAgreementError):
        load_point("P384", b"\x04" + x + y)


@given(data=st.binary(min_size=64, max_size=64))
@settings(derandomize=True, max_examples=100)
def test_refuses_random_coordinates(data: bytes) -> None:
    """Bytes from nowhere are on no curve."""
    with pytest.raises(KeyAgreementError):
        load_point("P256", b"\x04" + data)


def test_refuses_what_is_not_derived() -> None:
    """Sizes, hashes and secrets out of range are named."""
    arguments = {
        "kdf": KeyDerivationFunction.ANSI_X963,
        "hash_name": "SHA256",
        "shared_info": b"",
        "size": 16,
    }
    assert derive_key(b"z", **arguments) == derive_key(
        b"z", **{**arguments, "hash_name": "SHA_256"}
    )
    for size in (0, -1, 1025):
        with pytest.raises(KeySizeError, match="derived key"):
            derive_key(b"z", **{**arguments, "size": size})
    for name in ("SHA1", "SHA224", "", "sha256"):
        with pytest.raises(UnsupportedAlgorithmError, match="hash"):
            derive_key(b"z", **{**arguments, "hash_name": name})
    with pytest.raises(DataSizeError, match="shared secret"):
        derive_key(b"", **arguments)
