"""Public keys that a payShield answers with: read, or refused as a damaged answer."""

from __future__ import annotations

import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import HSMFrameError
from keyferry.exchange.parties.payshield_public_keys import ec_public_key, rsa_public_key

EC = ec.derive_private_key(7, ec.SECP521R1()).public_key()
EC_DER = EC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
RSA = rsa.RSAPublicNumbers(65537, (1 << 2047) + 981).public_key()
RSA_DER = RSA.public_bytes(Encoding.DER, PublicFormat.PKCS1)


def test_keys_are_read() -> None:
    """EI answers with PKCS #1, FY with SubjectPublicKeyInfo."""
    assert rsa_public_key(RSA_DER, command="EI") == RSA
    assert ec_public_key(EC_DER, command="FY") == EC


def test_a_key_of_the_other_kind_is_refused() -> None:
    """An EC key is no answer to EI, and an RSA key none to FY."""
    with pytest.raises(HSMFrameError, match="EI answered with a public key that is not RSA"):
        rsa_public_key(EC_DER, command="EI")
    with pytest.raises(HSMFrameError, match="FY answered with a public key that is not EC"):
        ec_public_key(RSA_DER, command="FY")


@given(
    der=st.sampled_from([EC_DER, RSA_DER]),
    at=st.integers(min_value=0, max_value=len(EC_DER) - 1),
    flip=st.integers(min_value=1, max_value=255),
)
def test_a_damaged_key_is_the_documented_error(der: bytes, at: int, flip: int) -> None:
    """One garbled byte may leave a key, and never raises anything else than a frame error."""
    garbled = der[:at] + bytes((der[at] ^ flip,)) + der[at + 1 :]
    for read, command in ((ec_public_key, "FY"), (rsa_public_key, "EI")):
        with contextlib.suppress(HSMFrameError):
            read(garbled, command=command)
