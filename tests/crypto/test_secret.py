"""A secret gives its bytes to those who ask by name, and to nobody else."""

from __future__ import annotations

import copy
import pickle

import pytest

from keyferry.crypto.secret import Secret

CLEAR = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


def test_reveals_what_it_was_given() -> None:
    """The bytes come back unchanged."""
    assert Secret(CLEAR).reveal() == CLEAR
    assert len(Secret(CLEAR)) == 16


def test_keeps_a_copy() -> None:
    """Changing the buffer it was made from does not change the secret."""
    buffer = bytearray(CLEAR)
    secret = Secret(buffer)
    buffer[0] ^= 0xFF
    assert secret.reveal() == CLEAR


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r:>40}".format, "%s".__mod__])
def test_does_not_print(show) -> None:
    """No way of formatting shows the bytes."""
    text = show(Secret(CLEAR))
    assert "16 bytes" in text
    assert CLEAR.hex() not in text.lower()


@pytest.mark.parametrize("take_away", [pickle.dumps, copy.copy, copy.deepcopy])
def test_does_not_travel(take_away) -> None:
    """It is neither pickled nor copied."""
    with pytest.raises(TypeError, match="not pickled"):
        take_away(Secret(CLEAR))


def test_does_not_hash() -> None:
    """It is no key of a dictionary: its hash would be a fingerprint."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret(CLEAR))


def test_compares_with_secrets_only() -> None:
    """Equal bytes are equal secrets; bytes themselves are not."""
    assert Secret(CLEAR) == Secret(CLEAR)
    assert Secret(CLEAR) != Secret(CLEAR[::-1])
    assert Secret(CLEAR) != CLEAR


def test_is_wiped_on_the_way_out() -> None:
    """After its block nothing is left to reveal, and two wiped secrets are not equal."""
    with Secret(CLEAR) as secret:
        assert secret.reveal() == CLEAR
    with pytest.raises(ValueError, match="wiped"):
        secret.reveal()
    assert secret != Secret(bytes(16))
    assert secret != secret.__class__(bytes(16))
