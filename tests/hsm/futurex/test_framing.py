"""Frames cut out of a byte stream, in any portions, and what is no frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import HSMFrameError
from keyferry.hsm.futurex.framing import MAX_FRAME_BYTES, TokenFrameParser, encode_frame
from keyferry.hsm.futurex.simulator import Device

MESSAGES = st.binary(max_size=40).map(lambda raw: raw.hex().encode() + b";")
BLANKS = st.sampled_from([b"", b"\r\n", b"\n", b" ", b" \r\n\t"])
DEVICE = Device()


@given(st.lists(st.tuples(MESSAGES, BLANKS), max_size=5), st.data())
def test_any_portions(frames: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    """However the stream is cut, the same messages come out, blanks between them dropped."""
    stream = b"".join(blank + encode_frame(message) for message, blank in frames)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    parser = TokenFrameParser()
    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[start:end])
    assert found == [message for message, _ in frames]
    assert not parser.half_frame


def test_one_byte_at_a_time() -> None:
    """A frame that trickles in is half until its bracket."""
    parser = TokenFrameParser()
    for byte in b"\n[AOECHO;":
        assert parser.feed(bytes([byte])) == []
    assert parser.half_frame
    assert parser.feed(b"]\r\n") == [b"AOECHO;"]
    assert not parser.half_frame


@pytest.mark.parametrize(
    "stream",
    [b"AOECHO;", b"]", b"[AO[ECHO;]", b"[AOECHO;\n]", b"[AO\xffCHO;]", b"\x00", b"GET / HTTP/1.1"],
)
def test_what_is_no_frame(stream: bytes) -> None:
    """Garbage is told at once, not when a buffer is full."""
    with pytest.raises(HSMFrameError):
        TokenFrameParser().feed(stream)


def test_a_frame_has_a_limit() -> None:
    """64 KiB fit, one byte more does not, whether or not the end has come."""
    longest = b"A" * (MAX_FRAME_BYTES - 2)
    assert TokenFrameParser().feed(encode_frame(longest)) == [longest]
    with pytest.raises(HSMFrameError, match="at most"):
        encode_frame(longest + b"A")
    with pytest.raises(HSMFrameError, match="at most"):
        TokenFrameParser().feed(b"[" + longest + b"AA")


@pytest.mark.parametrize("message", [b"AO]CHO;", b"AO[CHO;", b"AO\rCHO;"])
def test_brackets_have_no_place_inside(message: bytes) -> None:
    """What would break the frame is never sent."""
    with pytest.raises(HSMFrameError):
        encode_frame(message)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="[]")))
def test_every_message_has_an_answer(text: str) -> None:
    """Whatever stands between the brackets, the device answers it with an error frame."""
    answer = DEVICE.answer(text.encode())
    assert isinstance(answer, bytes)
    assert answer.startswith((b"AOERRO;", b"AOECHO;"))
    assert b"AM999" not in answer


@given(
    st.sampled_from(["GPGS", "TRTP", "TWKA", "SDDH", "AVPC", "GCVV", "VPIN", "GKBL", "TWKM"]),
    st.dictionaries(
        st.text("ABCDEFGKLMOPRSTUVXYZ", min_size=2, max_size=2),
        st.text("0123456789ABCDEF", max_size=20),
        max_size=12,
    ),
)
def test_no_tokens_break_a_command(code: str, tokens: dict[str, str]) -> None:
    """Tokens at random are refused, never with an internal error."""
    message = f"AO{code};" + "".join(f"{tag}{value};" for tag, value in tokens.items())
    answer = DEVICE.answer(message.encode())
    assert isinstance(answer, bytes)
    assert b"AM999" not in answer
