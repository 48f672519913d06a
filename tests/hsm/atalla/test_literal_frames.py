"""Every command against frames written out by hand from the public material, both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keyferry.errors import HSMValueError
from keyferry.hsm.atalla.commands import COMMANDS
from keyferry.hsm.atalla.framing import FrameParser, encode_frame
from keyferry.hsm.atalla.message import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    response_id_of,
    split,
)
from keyferry.hsm.commands import Evidence
from keyferry.hsm.groups import inner_names
from keyferry.hsm.values import Values

DOCUMENT = json.loads(Path(__file__).with_name("frames").joinpath("frames.json").read_text())


def expand(value: Any) -> Any:
    """Put the constants of the file in, wherever they stand."""
    text = json.dumps(value)
    for name, constant in DOCUMENT["constants"].items():
        text = text.replace("{" + name + "}", constant)
    return json.loads(text)


ALL: list[dict[str, Any]] = [expand(frame) for frame in DOCUMENT["frames"]]


def named(frame: dict[str, Any]) -> str:
    return f"{frame['command']} {frame['about']}"


def message(frame: str) -> bytes:
    """Cut the one message out of a frame."""
    (cut,) = FrameParser().feed(frame.encode())
    return cut


def shown(values: Values) -> dict[str, object]:
    """Turn decoded values into what the file holds: bytes as hex, tuples as lists."""

    def convert(value: object) -> object:
        if isinstance(value, bytes):
            return value.hex().upper()
        return list(value) if isinstance(value, tuple) else value

    return {name: convert(value) for name, value in values.items()}


@pytest.mark.parametrize("frame", ALL, ids=named)
def test_requests(frame: dict[str, Any]) -> None:
    """A literal request decodes to its fields, and they encode to it again."""
    command = COMMANDS[frame["command"]]
    raw = split(message(frame["request"]))
    assert raw.id == command.code
    values = decode_request(command, raw)
    assert shown(values) == frame["fields"]
    assert encode_frame(encode_request(command, values)) == frame["request"].encode()


@pytest.mark.parametrize("frame", [f for f in ALL if "response" in f], ids=named)
def test_responses(frame: dict[str, Any]) -> None:
    """A literal response decodes to its fields, and they encode to it again."""
    command = COMMANDS[frame["command"]]
    request = decode_request(command, split(message(frame["request"])))
    values = decode_response(command, message(frame["response"]), request=request)
    assert isinstance(values, Values)
    assert shown(values) == frame["answer"]
    encoded = encode_response(command, values, request=request)
    assert encode_frame(encoded) == frame["response"].encode()


@pytest.mark.parametrize("frame", ALL, ids=named)
def test_another_number_of_fields_is_refused(frame: dict[str, Any]) -> None:
    """One field more than a command has is error 04, unless the device takes any number."""
    command = COMMANDS[frame["command"]]
    text = frame["request"].removesuffix(">") + "X#Y#Z#>"
    with pytest.raises(HSMValueError) as caught:
        decode_request(command, split(message(text)))
    assert caught.value.reply == "0400" or frame["command"] in ("350",)


def test_every_command_has_literal_frames() -> None:
    """No command with a known layout goes without a hand-written request and response."""
    known = {code for code, command in COMMANDS.items() if command.request is not None}
    assert {frame["command"] for frame in ALL} == known
    assert {frame["command"] for frame in ALL if "response" in frame} == known


def test_evidence_of_frames_is_the_evidence_of_commands() -> None:
    """A command claims no better evidence than the best of its literal frames."""
    order = list(Evidence)
    for code, command in COMMANDS.items():
        grades = [Evidence(frame["evidence"]) for frame in ALL if frame["command"] == code]
        if grades:
            assert min(map(order.index, command.evidence)) >= min(map(order.index, grades)), code


@pytest.mark.parametrize("code", COMMANDS)
def test_names_of_requests_and_responses_differ(code: str) -> None:
    """A response is decoded with its request as context: no name may stand for two things."""
    command = COMMANDS[code]
    request = set(inner_names(command.request or ()))
    assert not request & set(inner_names(command.response))


@pytest.mark.parametrize("code", COMMANDS)
def test_response_ids_follow_the_rule(code: str) -> None:
    """The first character of a response id is one more than the command's; 00 answers 00."""
    assert COMMANDS[code].response_code == response_id_of(code)


@pytest.mark.parametrize("portion", [1, 2, 7, 64])
def test_frames_in_portions(portion: int) -> None:
    """However a stream is cut, garbage and line ends between the frames included."""
    stream = b"\r\nnoise" + b"\r\n".join(frame["request"].encode() for frame in ALL) + b"\r\n"
    parser = FrameParser()
    cut = [
        found
        for at in range(0, len(stream), portion)
        for found in parser.feed(stream[at : at + portion])
    ]
    assert cut == [message(frame["request"]) for frame in ALL]
    assert not parser.half_frame
