"""Seals open only what they sealed, for what they sealed it for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import StoreIntegrityError
from keyferry.service.store.records import Sealed
from keyferry.service.vault.envelope import EnvelopeVault
from keyferry.service.vault.store_key import StoreKey

STORE_KEY = bytes(range(32))


@pytest.fixture(scope="module")
def vault() -> EnvelopeVault:
    return EnvelopeVault(StoreKey(STORE_KEY))


@given(material=st.binary(max_size=300), binding=st.binary(max_size=100))
def test_round_trip(material: bytes, binding: bytes) -> None:
    """Whatever is sealed opens with the same binding; the sizes are the documented ones."""
    vault = EnvelopeVault(StoreKey(STORE_KEY))
    sealed = vault.seal(material, binding=binding)
    assert len(sealed.wrapped_data_key) == 60
    assert len(sealed.ciphertext) == len(material) + 28
    assert vault.open(sealed, binding=binding) == material
    again = vault.seal(material, binding=binding)
    assert again.wrapped_data_key != sealed.wrapped_data_key
    assert again.ciphertext != sealed.ciphertext


def test_opens_by_hand() -> None:
    """The format, step by step with another caller of AES-GCM, so that it cannot drift."""
    vault = EnvelopeVault(StoreKey(STORE_KEY), random_bytes=counting())
    sealed = vault.seal(b"material", binding=b"binding")
    # HKDF-Expand (RFC 5869) with the store key as pseudorandom key and "keyferry sealing" as info.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    sealing = HKDFExpand(SHA256(), 32, b"keyferry sealing").derive(STORE_KEY)
    wrapped, ciphertext = sealed.wrapped_data_key, sealed.ciphertext
    data_key = AESGCM(sealing).decrypt(wrapped[:12], wrapped[12:], b"binding")
    assert data_key == bytes([1] * 32)
    assert AESGCM(data_key).decrypt(ciphertext[:12], ciphertext[12:], b"binding") == b"material"


def counting() -> Callable[[int], bytes]:
    """Random bytes that are 1s the first time, 2s the second."""
    calls = iter(range(1, 256))
    return lambda size: bytes([next(calls)]) * size


def test_every_flipped_bit_is_refused(vault: EnvelopeVault) -> None:
    """In the wrapped data key, in the ciphertext and in the binding."""
    sealed = vault.seal(b"0123456789ABCDEF", binding=b"binding")
    parts = {"wrapped": sealed.wrapped_data_key, "cipher": sealed.ciphertext, "binding": b"binding"}
    for name, part in parts.items():
        for bit in range(8 * len(part)):
            changed = bytearray(part)
            changed[bit // 8] ^= 1 << bit % 8
            tried = parts | {name: bytes(changed)}
            with pytest.raises(StoreIntegrityError):
                vault.open(Sealed(tried["wrapped"], tried["cipher"]), binding=tried["binding"])


def test_halves_of_two_seals_do_not_fit(vault: EnvelopeVault) -> None:
    """A data key opens only its own ciphertext, also under one binding."""
    one, two = (vault.seal(b"material", binding=b"same") for _ in range(2))
    with pytest.raises(StoreIntegrityError):
        vault.open(Sealed(one.wrapped_data_key, two.ciphertext), binding=b"same")


def test_truncated_seals_are_refused(vault: EnvelopeVault) -> None:
    """Any shorter or empty part is refused with the documented error."""
    sealed = vault.seal(b"material", binding=b"")
    for size in range(60):
        with pytest.raises(StoreIntegrityError):
            vault.open(Sealed(sealed.wrapped_data_key[:size], sealed.ciphertext), binding=b"")
    for size in range(len(sealed.ciphertext)):
        with pytest.raises(StoreIntegrityError):
            vault.open(Sealed(sealed.wrapped_data_key, sealed.ciphertext[:size]), binding=b"")


def test_another_store_does_not_open(vault: EnvelopeVault) -> None:
    """A seal belongs to one store key."""
    sealed = vault.seal(b"material", binding=b"")
    with pytest.raises(StoreIntegrityError):
        EnvelopeVault(StoreKey(bytes(32))).open(sealed, binding=b"")


def test_derived_keys_differ_by_purpose(vault: EnvelopeVault) -> None:
    """Each purpose has its own 32 bytes, the same every time."""
    purposes = ("pages", "sealing", "row MAC")
    assert len({vault.derive_key(purpose) for purpose in purposes}) == 3
    assert vault.derive_key("pages") == EnvelopeVault(StoreKey(STORE_KEY)).derive_key("pages")
    assert len(vault.derive_key("pages")) == 32
