"""No message makes the simulator raise, answer in no code of the list, or change anything."""

from __future__ import annotations

import contextlib
import json
import random
import re
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.errors import HSMFrameError
from keyferry.hsm.payshield.commands import COMMANDS
from keyferry.hsm.payshield.message import decode_response
from keyferry.hsm.payshield.refusals import MEANINGS
from keyferry.hsm.payshield.simulator import Device, Settings

SLOW = {"EI"}  # generates keys: valid mutations would take seconds
CODES = {code.encode() for code in COMMANDS if code not in SLOW}


def literal_requests() -> list[bytes]:
    """Return the literal requests of every command, as bytes."""
    found: list[bytes] = []
    for path in sorted(Path(__file__).with_name("frames").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for frame in document["frames"]:
            if frame["command"] in SLOW:
                continue
            text = frame["request"]
            for name, value in document["constants"].items():
                text = text.replace("{" + name + "}", value)
            parts = re.split(r"<([0-9A-F]*)>", text.replace("|", ""))
            found.append(
                b"".join(
                    bytes.fromhex(part) if index % 2 else part.encode()
                    for index, part in enumerate(parts)
                )
            )
    return found


LITERALS = literal_requests()
DEVICES = [
    Device(),
    Device(
        settings=Settings(
            default_lmk="02",
            trusted_format_only=False,
            x917_export=True,
            x917_import=True,
            zmk_translate=True,
            atalla_variants=True,
            restrict_check_values=False,
        )
    ),
]


def check(device: Device, message: bytes) -> None:
    """Ask, and hold the answer against what every answer must be."""
    before = (len(device.lmks), device.lmks.old_count, device.settings)
    with structlog.testing.capture_logs() as logs:
        try:
            answer = device.answer(message)
        except HSMFrameError:
            assert len(message) < 6
            return
    assert isinstance(answer, bytes)
    # 41 would be a mistake of ours: an exception nobody foresaw.
    assert not logs
    assert answer[:4] == message[:4]
    assert answer[4:6] == bytes((message[4], (message[5] + 1) & 0xFF))
    code = answer[6:8].decode("ascii")
    assert code in MEANINGS or code in ("00", "01", "03", "06", "07", "08", "09")
    assert code != "41"
    assert (len(device.lmks), device.lmks.old_count, device.settings) == before


def mutate(message: bytes, choose: random.Random) -> bytes:
    """Change, cut, repeat or insert some bytes."""
    data = bytearray(message)
    for _ in range(choose.choice((1, 1, 1, 2, 4))):
        place = choose.randrange(2, len(data) + 1) if len(data) > 2 else len(data)
        match choose.randrange(5):
            case 0 if place < len(data):
                data[place] = choose.randrange(256)
            case 1 if place < len(data):
                data[place] = choose.choice(b"0123456789ABCDEFUTXYSRZ;%#&!=~\x19")
            case 2:
                del data[place : place + choose.randrange(1, 40)]
            case 3:
                data[place:place] = choose.randbytes(choose.randrange(1, 8))
            case _:
                start = choose.randrange(2, len(data) + 1) if len(data) > 2 else 2
                data[place:place] = data[start : start + 40]
    return bytes(data)


def run_mutations(seed: int, rounds: int) -> None:
    """Mutate every literal request so many times, from one seed."""
    choose = random.Random(seed)
    for literal in LITERALS:
        for _ in range(rounds):
            message = mutate(literal, choose)
            if message[:2] in (b"EI",):
                continue
            for device in DEVICES:
                check(device, b"\x00\x19%0" + message)


def test_mutated_requests() -> None:
    """Every literal request, changed a few dozen times."""
    run_mutations(seed=20260101, rounds=30)


@pytest.mark.soak
def test_mutated_requests_for_long() -> None:
    """The same, thousands of times."""
    for seed in range(20):
        run_mutations(seed, rounds=500)


@given(st.sampled_from(sorted(CODES)), st.binary(max_size=400), st.sampled_from(range(2)))
@settings(deadline=None)
def test_any_bytes_behind_any_code(code: bytes, data: bytes, which: int) -> None:
    """Random bytes behind every known code."""
    check(DEVICES[which], b"0000" + code + data)


@given(st.binary(max_size=40))
@settings(deadline=None)
def test_any_message(message: bytes) -> None:
    """Random messages: too short, or answered."""
    if message[4:6] not in (b"EI",):
        check(DEVICES[0], message)


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=200))
@settings(deadline=None)
def test_any_response(code: str, data: bytes) -> None:
    """The driver's side of every table: decoded, or refused with its place."""
    command = COMMANDS[code]
    body = command.response_code.encode() + b"00" + data
    with contextlib.suppress(HSMFrameError):
        decode_response(command, body, header_size=0, context={"mode": "B", "lmk_kind": "V"})
