"""Every command against frames written out by hand from the public material, both ways."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keyferry.errors import HSMFrameError, HSMValueError
from keyferry.hsm.commands import Evidence
from keyferry.hsm.futurex.commands import COMMANDS
from keyferry.hsm.futurex.message import (
    ErrorFrame,
    Response,
    decode_request,
    decode_response,
    echo_of,
    encode_error,
    encode_request,
    encode_response,
)
from keyferry.hsm.futurex.tokens import Token, split
from keyferry.hsm.groups import inner_names
from keyferry.hsm.values import Values

FRAMES = Path(__file__).with_name("frames")


def load() -> Iterator[dict[str, Any]]:
    """Yield every frame of every file, constants put in."""
    for path in sorted(FRAMES.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        text = json.dumps(document["frames"])
        for name, value in document["constants"].items():
            text = text.replace("{" + name + "}", value)
        yield from json.loads(text)


ALL = list(load())


def named(frame: dict[str, Any]) -> str:
    return f"{frame['command']} {frame['about']}"


def fields(values: dict[str, str]) -> dict[str, object]:
    """Turn `<HEX>` into bytes."""
    return {
        name: bytes.fromhex(value[1:-1]) if re.fullmatch("<[0-9A-F]*>", value) else value
        for name, value in values.items()
    }


def same(made: bytes, literal: bytes, *, free: bool) -> bool:
    """Whether two messages are equal, or hold the same of our tokens where order is free."""
    if not free:
        return made == literal
    return set(made.split(b";")) <= set(literal.split(b";"))


@pytest.mark.parametrize("frame", ALL, ids=named)
def test_requests(frame: dict[str, Any]) -> None:
    """A literal request decodes to its fields, and they encode to it again."""
    command = COMMANDS[frame["command"]]
    message = frame["request"].encode()
    tokens = split(message)
    assert decode_request(command, tokens) == Values(fields(frame["fields"]))
    assert echo_of(tokens) == frame.get("echo")
    made = encode_request(command, fields(frame["fields"]), echo=frame.get("echo"))
    assert same(made, message, free=frame.get("free", False))


@pytest.mark.parametrize("frame", [f for f in ALL if "response" in f], ids=named)
def test_responses(frame: dict[str, Any]) -> None:
    """A literal response decodes to its fields, and they encode to it again."""
    command = COMMANDS[frame["command"]]
    message = frame["response"].encode()
    decoded = decode_response(command, message, echo=frame.get("echo"))
    assert isinstance(decoded, Response)
    assert decoded.values == Values(fields(frame["answer"]))
    assert decoded.status == frame.get("status", "")
    assert decoded.is_good is (frame.get("status", "Y") == "Y")
    made = encode_response(
        command, decoded.values, echo=frame.get("echo"), status=frame.get("status")
    )
    assert same(made, message, free=frame.get("free", False))


@pytest.mark.parametrize("frame", ALL, ids=named)
def test_tokens_come_in_any_order(frame: dict[str, Any]) -> None:
    """Behind AO the order of tokens means nothing."""
    command = COMMANDS[frame["command"]]
    first, *others = frame["request"].rstrip(";").split(";")
    turned = ";".join([first, *reversed(others)]) + ";"
    values = decode_request(command, split(turned.encode()))
    assert values == Values(fields(frame["fields"]))


@pytest.mark.parametrize("frame", ALL, ids=named)
def test_every_token_is_missed_and_may_stand_once(frame: dict[str, Any]) -> None:
    """A token that is left out, doubled or unknown is named by its tag."""
    command = COMMANDS[frame["command"]]
    first, *others = frame["request"].rstrip(";").split(";")
    optional = {
        row.tag for row in command.request or () if isinstance(row, Token) and row.optional
    } | {"AG"}
    for index, token in enumerate(others):
        tag = token[:2]
        doubled = ";".join([first, *others, token]) + ";"
        with pytest.raises(HSMValueError) as caught:
            decode_request(command, split(doubled.encode()))
        assert (caught.value.field, caught.value.reply) == (tag, "34")
        if tag in optional:
            continue
        left_out = ";".join([first, *others[:index], *others[index + 1 :]]) + ";"
        with pytest.raises(HSMValueError) as caught:
            decode_request(command, split(left_out.encode()))
        assert (caught.value.field, caught.value.reply) == (tag, "901")
    with pytest.raises(HSMValueError) as caught:
        decode_request(command, split((frame["request"] + "QQ1;").encode()))
    assert (caught.value.field, caught.value.reply) == ("QQ", "34")


def test_the_one_public_error_frame() -> None:
    """The verbatim example of an unknown command decodes and is what we would send."""
    message = b"AOERRO;AM34;ANAO;BBINVALID TOKEN;"
    decoded = decode_response(COMMANDS["ECHO"], message)
    assert decoded == ErrorFrame(number="34", tag="AO", text="INVALID TOKEN")
    assert encode_error("34", "AO", "INVALID TOKEN") == message


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"AOGPGS;BG1234;AE1122", "semicolon"),
        (b"AOGPGS;AE1122;", "token BG is missing"),
        (b"AOGPGS;BG12;BG34;AE1122;", "stands twice"),
        (b"AOTWKA;BH12;", "it is one to TWKA"),
        (b"AOGPGS;BG12;AE11223;", "in hexadecimal"),
        (b"AOGPGS;BG12;AE1122;AG0002;", "another request"),
        (b"AOGPGS;;", "a tag of two characters"),
        (b"BG12;AOGPGS;", "AO and four capital letters"),
    ],
)
def test_answers_that_are_none(message: bytes, said: str) -> None:
    """What is not the command's answer is refused, and says where."""
    with pytest.raises(HSMFrameError, match=said) as caught:
        decode_response(COMMANDS["GPGS"], message, echo="0001")
    assert caught.value.field


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
def test_tags_and_names_stand_once(code: str) -> None:
    """In one command a tag has one row, and no name stands for a request's and a response's."""
    command = COMMANDS[code]
    for rows in (command.request or (), command.response):
        tags = [row.tag for row in rows if isinstance(row, Token)]
        assert len(tags) == len(set(tags)) == len(rows)
        # A result tag that another token's text begins with would mislead clients that search.
        assert not {"AO", "AG"} & set(tags)
    request = set(inner_names(command.request or ()))
    assert not request & set(inner_names(command.response))
