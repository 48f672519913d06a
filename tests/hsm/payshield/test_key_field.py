"""Key fields: the first character decides, and only whole keys are keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import HSMFrameError
from keyferry.hsm.payshield.key_field import KeyField, PrivateKeyField, WireKey, read_key
from keyferry.hsm.reading import Reader
from keyferry.hsm.values import Values

HEX32 = "0123456789ABCDEFFEDCBA9876543210"
BLOCK = "S00072K0TB00E0001FB8A4952BFE42179AB8D79A81943DF1FAD67CF015117EE8528E79900"


@pytest.mark.parametrize(
    ("field", "scheme", "size"),
    [
        ("U" + HEX32, "U", 32),
        ("X" + HEX32, "X", 32),
        ("T" + HEX32 + HEX32[:16], "T", 48),
        ("Y" + HEX32 + HEX32[:16], "Y", 48),
        (BLOCK, "S", 72),
        ("RB0016P0TN00N0000", "R", 16),
        (HEX32, "", 32),
        ("UK0F1", "U", 4),
    ],
)
def test_schemes(field: str, scheme: str, size: int) -> None:
    """Each scheme has its length; what follows is left alone."""
    reader = Reader(field.encode() + b"%00")
    key = read_key(reader, "key", bare=32)
    assert (key.scheme, len(key.body)) == (scheme, size)
    assert reader.remaining == 3
    assert key.text == field


def test_what_a_block_says_of_itself() -> None:
    """Usage, algorithm and LMK identifier stand in the header."""
    key = WireKey.parse(BLOCK)
    assert (key.usage, key.algorithm, key.lmk_identifier) == ("K0", "T", "01")
    assert not key.is_reference
    assert WireKey.parse("UK0F1").is_reference


def test_hex_is_read_in_either_case() -> None:
    """Small letters are accepted and become capitals."""
    assert WireKey.parse("U" + HEX32.lower()).text == "U" + HEX32


def test_representation_shows_no_ciphertext() -> None:
    """The header of a block is no secret; what is wrapped stays out of logs."""
    assert repr(WireKey.parse("U" + HEX32)) == "<WireKey U: 32 bytes>"
    assert "FB8A" not in repr(WireKey.parse(BLOCK))


@pytest.mark.parametrize(
    "field",
    [
        "",
        "U",
        "U0123",
        "U" + HEX32[:-1] + "G",
        "Q" + HEX32,
        "S0007",
        "S2" + BLOCK[2:],
        "S00015K0TB00E0001",
        "S0xx72" + BLOCK[6:],
        BLOCK[:-1],
        BLOCK + "0",
        "RZ0016P0TN00N0000",
        HEX32 + "0",
        "UK0G1",
        "é" * 33,
    ],
)
def test_what_is_no_key(field: str) -> None:
    """Cut, foreign or superfluous: refused."""
    with pytest.raises(HSMFrameError):
        WireKey.parse(field)


def test_bare_keys_only_where_allowed() -> None:
    """A field that takes no bare key does not read hex digits as one."""
    with pytest.raises(HSMFrameError):
        read_key(Reader(HEX32.encode()), "key", bare=0)


def test_raw_bytes_only_in_asymmetric_blocks() -> None:
    """A binary block must be of an RSA key, and the field must allow it."""
    rsa = b"S0002403RS00N0000" + bytes(8)
    assert read_key(Reader(rsa), "key", bare=0, binary=True).body == rsa[1:]
    with pytest.raises(HSMFrameError):
        read_key(Reader(rsa), "key", bare=0)
    with pytest.raises(HSMFrameError):
        read_key(Reader(rsa.replace(b"03R", b"K0T")), "key", bare=0, binary=True)


@pytest.mark.parametrize("data", [b"0000", b"00x1a", b"0002a", b"FFFF", b"FFFFU" + HEX32.encode()])
def test_private_keys_cut_or_foreign(data: bytes) -> None:
    """A private key has a length of its own, or FFFF and a Thales block."""
    with pytest.raises(HSMFrameError):
        PrivateKeyField("private_key").decode(Reader(data), Values())


@given(st.binary(max_size=120))
def test_any_bytes(data: bytes) -> None:
    """Whatever comes, a key is read whole or refused; a key read is written back the same."""
    reader = Reader(data)
    try:
        key = read_key(reader, "key", bare=16, binary=True)
    except HSMFrameError:
        return
    out = bytearray()
    KeyField("key", binary=True).encode(Values({"key": key}), out)
    taken = data[: len(data) - reader.remaining]
    assert bytes(out) == (taken if key.is_block else taken.upper())
