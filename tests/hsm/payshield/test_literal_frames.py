"""Every command against frames written out by hand from the public material, both ways."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keyferry.errors import HSMFrameError
from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.groups import inner_names
from keyferry.hsm.payshield.commands import COMMANDS
from keyferry.hsm.payshield.key_field import WireKey
from keyferry.hsm.payshield.message import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from keyferry.hsm.values import Values

FRAMES = Path(__file__).with_name("frames")
RAW = re.compile(r"<([0-9A-F|]*)>")
HEADER = b"\x00H1\x19"  # anything may stand in a header


def expand(text: str, constants: dict[str, str]) -> str:
    """Put constants in; `|` only separates for the eye."""
    for name, value in constants.items():
        text = text.replace("{" + name + "}", value)
    return text.replace("|", "")


def to_bytes(text: str) -> bytes:
    """Turn `<HEX>` into raw bytes and the rest into ASCII."""
    parts = RAW.split(text)
    return b"".join(
        bytes.fromhex(part) if index % 2 else part.encode("ascii")
        for index, part in enumerate(parts)
    )


def load() -> Iterator[dict[str, Any]]:
    """Yield every frame of every file, constants put in."""
    for path in sorted(FRAMES.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for frame in document["frames"]:
            yield json.loads(
                re.sub(
                    r"\{([A-Z_0-9]+)\}",
                    lambda match, names=document["constants"]: expand("{" + match[1] + "}", names),
                    json.dumps(frame),
                )
            )


ALL = list(load())


def named(frame: dict[str, Any]) -> str:
    return f"{frame['command']} {frame['about']}"


def comparable(value: object) -> object:
    """Turn a decoded value into what the files hold: keys and bytes as raw bytes."""
    if isinstance(value, WireKey):
        return value.wire
    if isinstance(value, tuple):
        return [{name: comparable(inner) for name, inner in row.items()} for row in value]
    return value


def expected(fields: dict[str, Any], decoded: Values) -> dict[str, object]:
    """Turn the fields of a file into what `comparable` returns, by the kind each decoded to."""

    def convert(value: object, found: object) -> object:
        if isinstance(value, list):
            rows = found if isinstance(found, tuple) else ()
            return [
                {name: convert(inner, row.get(name)) for name, inner in wanted.items()}
                for wanted, row in zip(value, rows, strict=True)
            ]
        if isinstance(value, str) and isinstance(found, WireKey | bytes):
            return to_bytes(expand(value, {}))
        return value

    return {name: convert(value, decoded.get(name)) for name, value in fields.items()}


def without_presence(command: Command, decoded: Values, fields: dict[str, Any]) -> dict[str, Any]:
    """Drop the marks that say a group was there, unless the file names them."""
    return {
        name: comparable(value)
        for name, value in decoded.items()
        if name in fields or value is not True
    }


@pytest.mark.parametrize("frame", ALL, ids=named)
def test_requests(frame: dict[str, Any]) -> None:
    """A literal request decodes to its fields, and they encode to it again."""
    command = COMMANDS[frame["command"]]
    body = HEADER + to_bytes(expand(frame["request"], {}))
    context = frame.get("context", {})
    request = decode_request(command, body, header_size=len(HEADER), context=context)
    assert without_presence(command, request.values, frame["fields"]) == expected(
        frame["fields"], request.values
    )
    assert encode_request(command, request.values, header=HEADER, context=context) == body


@pytest.mark.parametrize("frame", ALL, ids=named)
def test_requests_with_trailer(frame: dict[str, Any]) -> None:
    """A trailer is found behind the last field of every command, and is not taken for a field."""
    command = COMMANDS[frame["command"]]
    body = HEADER + to_bytes(expand(frame["request"], {})) + b"\x19%02&trailer"
    request = decode_request(
        command, body, header_size=len(HEADER), context=frame.get("context", {})
    )
    assert request.trailer == b"\x19%02&trailer"


@pytest.mark.parametrize("frame", [f for f in ALL if "response" in f], ids=named)
def test_responses(frame: dict[str, Any]) -> None:
    """A literal response decodes to its fields, and they encode to it again."""
    command = COMMANDS[frame["command"]]
    context = frame.get("context", {})
    request = decode_request(
        command, to_bytes(expand(frame["request"], {})), header_size=0, context=context
    ).values
    body = HEADER + to_bytes(expand(frame["response"], {}))
    merged = {**request, **context}
    response = decode_response(command, body, header_size=len(HEADER), context=merged)
    assert response.code == frame.get("code", "00")
    assert without_presence(command, response.values, frame["answer"]) == expected(
        frame["answer"], response.values
    )
    encoded = encode_response(
        command, response.code, response.values, header=HEADER, context=merged
    )
    assert encoded == body


@pytest.mark.parametrize("frame", ALL, ids=named)
def test_every_truncation_is_named(frame: dict[str, Any]) -> None:
    """A request cut anywhere either is another valid request or is refused with its place."""
    command = COMMANDS[frame["command"]]
    body = to_bytes(expand(frame["request"], {}))
    refused: list[tuple[int, HSMFrameError]] = []
    for size in range(2, len(body)):
        try:
            decode_request(command, body[:size], header_size=0, context=frame.get("context", {}))
        except HSMFrameError as error:
            refused.append((size, error))
    assert all(error.field and error.offset is not None for _, error in refused)
    assert all(2 <= (error.offset or 0) <= size for size, error in refused)


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
    assert not {"atalla_variants", "zmk_bare", "lmk_kind"} & request


@pytest.mark.parametrize("code", COMMANDS)
def test_response_codes_follow_the_rule(code: str) -> None:
    """The second character of a response code is one more than the request's."""
    assert COMMANDS[code].response_code == code[0] + chr(ord(code[1]) + 1)
