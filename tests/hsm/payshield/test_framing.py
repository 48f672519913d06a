"""The frame parser: any portions, bounded, in step or closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import HSMFrameError
from keyferry.hsm.payshield.framing import FrameParser, encode_frame


def test_published_frame() -> None:
    """NC with header HEAD, and the quick start's B2 with a binary header."""
    assert encode_frame(b"HEADNC") == bytes.fromhex("0006484541444E43")
    assert encode_frame(b"\x00\x00B2") == bytes.fromhex("000400004232")
    assert FrameParser().feed(bytes.fromhex("000600004233303000040000")) == [b"\x00\x00B300"]


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.data())
def test_any_portions(messages: list[bytes], data: st.DataObject) -> None:
    """However the stream is cut, the same messages come out."""
    stream = b"".join(encode_frame(message) for message in messages)
    parser = FrameParser()
    found: list[bytes] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += parser.feed(stream[:size])
        stream = stream[size:]
    assert found == messages
    assert not parser.half_frame


def test_longest_frame() -> None:
    """The length field bounds a message; nothing longer can be sent or asked for."""
    message = b"x" * 0xFFFF
    assert FrameParser().feed(encode_frame(message)) == [message]
    with pytest.raises(HSMFrameError) as caught:
        encode_frame(message + b"x")
    assert caught.value.field == "length"
    with pytest.raises(HSMFrameError):
        encode_frame(b"")


def test_length_zero_is_out_of_step() -> None:
    """A frame without a message says that the stream is not one of frames."""
    parser = FrameParser()
    with pytest.raises(HSMFrameError) as caught:
        parser.feed(b"\x00\x00")
    assert (caught.value.field, caught.value.offset) == ("length", 0)


def test_half_frames_are_known() -> None:
    """The parser tells whether a frame has begun."""
    parser = FrameParser()
    assert parser.feed(b"\x00") == []
    assert parser.half_frame
    assert parser.feed(b"\x01x") == [b"x"]
    assert not parser.half_frame
