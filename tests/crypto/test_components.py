"""Components combine to keys; parity is set and seen."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.components import combine, has_odd_parity, odd_parity
from keyferry.errors import KeySizeError


@pytest.mark.vectors("kcv", "combine")
def test_known_components(vector: dict[str, Any]) -> None:
    """Components XOR to the known key, with the known check values."""
    components = [bytes.fromhex(text) for text in vector["components"]]
    key = combine(components)
    assert key.hex().upper() == vector["key"]
    assert tdes_kcv(key).hex().upper() == vector["kcv"]
    shown = [tdes_kcv(component).hex().upper() for component in components]
    assert shown == vector["component_kcvs"]


@pytest.mark.vectors("kcv", "parity")
def test_known_parity(vector: dict[str, Any]) -> None:
    """Odd parity is recognised, and set where it was missing."""
    key = bytes.fromhex(vector["key"])
    assert has_odd_parity(key) is vector["had_odd_parity"]
    assert odd_parity(key).hex().upper() == vector["odd_parity_key"]


def test_parity_of_every_byte() -> None:
    """Only the lowest bit changes, and every byte ends up odd."""
    for byte in range(256):
        (result,) = odd_parity(bytes([byte]))
        assert result & 0xFE == byte & 0xFE
        assert result.bit_count() % 2 == 1


@pytest.mark.parametrize(
    "components", [[], [bytes(16)], [bytes(16), bytes(8)], [b"", b""], [bytes(16), b""]]
)
def test_refuses_what_does_not_combine(components: list[bytes]) -> None:
    """One component is no dual control, and lengths must agree."""
    with pytest.raises(KeySizeError):
        combine(components)
