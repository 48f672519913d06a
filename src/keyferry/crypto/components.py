"""Key components, which XOR to the key, and the odd parity of DES keys."""

from __future__ import annotations

from collections.abc import Sequence

from keyferry.errors import KeySizeError

__all__ = ["combine", "has_odd_parity", "odd_parity"]

# The lowest bit of every byte makes the number of ones odd (FIPS 46-3, key schedule).
_ODD_PARITY = bytes(byte & 0xFE | (1 - (byte & 0xFE).bit_count() % 2) for byte in range(256))


def combine(components: Sequence[bytes]) -> bytes:
    """
    Return the XOR of the components.

    Args:
        components: two or more, all of one length. Each usually has odd parity; the XOR of an even
            number of them has even parity, and stays as it is: the check value ignores parity.

    Raises:
        KeySizeError: fewer than two components, an empty one, or lengths that differ.

    Vectors: kcv.json.
    """
    if len(components) < 2:
        raise KeySizeError(f"{len(components)} key components: expected at least 2")
    size = len(components[0])
    for number, component in enumerate(components, start=1):
        if not component or len(component) != size:
            raise KeySizeError(
                f"key component {number} of {len(component)} bytes: expected {size or 'some'}"
            )
    value = 0
    for component in components:
        value ^= int.from_bytes(component)
    return value.to_bytes(size)


def odd_parity(key: bytes) -> bytes:
    """Return `key` with the lowest bit of every byte set so that the byte has odd parity."""
    return key.translate(_ODD_PARITY)


def has_odd_parity(key: bytes) -> bool:
    """Tell whether every byte of `key` has odd parity."""
    return odd_parity(key) == key
