"""Generated key material, and what is refused as such."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.crypto.components import has_odd_parity
from keyferry.errors import KeyAttributesError, KeyMaterialError
from keyferry.keys import KeyAlgorithm, check_material, generate_material

SIZES = {
    "TDES_2KEY": 16,
    "TDES_3KEY": 24,
    "AES_128": 16,
    "AES_192": 24,
    "AES_256": 32,
    "HMAC_SHA224": 28,
    "HMAC_SHA256": 32,
    "HMAC_SHA384": 48,
    "HMAC_SHA512": 64,
}


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_generated_keys_have_the_length_of_their_algorithm(name: str, size: int) -> None:
    """Each symmetric algorithm gets its length, and its own check passes."""
    algorithm = KeyAlgorithm(name)
    key = generate_material(algorithm)
    assert len(key) == size == algorithm.size_bytes
    check_material(algorithm, key)


@pytest.mark.parametrize("name", ["TDES_2KEY", "TDES_3KEY"])
def test_generated_tdes_keys_have_odd_parity_and_distinct_parts(name: str) -> None:
    """No two parts of a generated TDES key are the same DES key."""
    source = random.Random(20_240_601)
    for _ in range(200):
        key = generate_material(KeyAlgorithm(name), source.randbytes)
        assert has_odd_parity(key)
        parts = [key[i : i + 8] for i in range(0, len(key), 8)]
        assert len(set(parts)) == len(parts)


def test_equal_parts_are_drawn_again() -> None:
    """A draw whose parts differ only in parity bits is thrown away."""
    half = bytes.fromhex("0123456789ABCDEF")
    draws = iter([half + bytes(b ^ 1 for b in half), bytes(range(16))])
    key = generate_material(KeyAlgorithm.TDES_2KEY, lambda _: next(draws))
    assert [b & 0xFE for b in key] == [b & 0xFE for b in range(16)]


def test_a_stuck_source_of_randomness_is_refused() -> None:
    """A source that repeats itself for ever ends in an error, not in a weak key or a loop."""
    with pytest.raises(KeyMaterialError, match="repeats"):
        generate_material(KeyAlgorithm.TDES_3KEY, bytes)


@pytest.mark.parametrize("name", [a.value for a in KeyAlgorithm if not a.is_symmetric])
def test_asymmetric_algorithms_have_no_bytes(name: str) -> None:
    """Pairs are not made of random bytes."""
    with pytest.raises(KeyAttributesError):
        generate_material(KeyAlgorithm(name))
    with pytest.raises(KeyAttributesError):
        check_material(KeyAlgorithm(name), bytes(32))


@pytest.mark.parametrize("name", [n for n in SIZES if not n.startswith("HMAC")])
def test_other_lengths_are_refused(name: str) -> None:
    """A cipher key has one length."""
    for size in range(70):
        key = bytes(range(size))
        if size == SIZES[name]:
            check_material(KeyAlgorithm(name), key)
        else:
            with pytest.raises(KeyMaterialError, match=f"{size} bytes"):
                check_material(KeyAlgorithm(name), key)


@given(parts=st.lists(st.integers(0, 3), min_size=2, max_size=3), flips=st.binary(min_size=24))
def test_degenerate_tdes_keys_are_refused_whatever_their_parity(
    parts: list[int], flips: bytes
) -> None:
    """Neighbouring parts that are the same DES key make single DES of TDES; K1 = K3 does not."""
    keys = [bytes((0x10 * (8 * part + i)) & 0xFF for i in range(8)) for part in range(4)]
    keys = [bytes(b | (2 * part) for b in key) for part, key in enumerate(keys)]
    clear = b"".join(keys[part] for part in parts)
    key = bytes(b ^ (flip & 1) for b, flip in zip(clear, flips, strict=False))
    algorithm = KeyAlgorithm.TDES_2KEY if len(parts) == 2 else KeyAlgorithm.TDES_3KEY
    if any(left == right for left, right in itertools.pairwise(parts)):
        with pytest.raises(KeyMaterialError, match="degenerate"):
            check_material(algorithm, key)
    else:
        check_material(algorithm, key)
