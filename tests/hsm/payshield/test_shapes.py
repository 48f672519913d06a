"""What a device remembers of messages never changes what it answers."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from keyferry.hsm.groups import inner_names
from keyferry.hsm.payshield.commands import COMMANDS
from keyferry.hsm.payshield.simulator import Device, Settings
from keyferry.hsm.payshield.simulator.shapes import MOST_SHAPES

Ask = Callable[..., bytes]

ZPK = "U1EF828AA8F6B80EB83E19FBC373F3A85"
NEW_ZPK = "U9D961F6AF1D24B38AB37B320022FF57D"
TAK = "U7AD0BB2A32ADE115807C3572FC302BA5"
SEEDS = [
    f"CC{ZPK}{NEW_ZPK}1291DDDA0A7C12CFAA0101550000025321",
    f"CC{ZPK}{NEW_ZPK}1291DDDA0A7C12CFAA0101550000025321%02",
    f"EC{ZPK}X367930344805B1FAD6146EF4ED7502B391DDDA0A7C12CFAA0155000002532114402",
    "CWU9B4934384B19946B040CD702B4D581454123456789012345;8701101",
    "CYU9B4934384B19946B040CD702B4D581455614123456789012345;8701101",
    f"M601031003{TAK}0010ABCDEF1234567890",
    f"M801031003{TAK}0010ABCDEF123456789001234567%02",
]


def fresh() -> Device:
    """A device that has seen nothing."""
    return Device(settings=Settings(default_lmk="02"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_device_with_memory_answers_as_one_without(ask: Ask, seed: str) -> None:
    """Every message near one that was seen gets the answer a fresh device gives."""
    chances = random.Random(seed)
    remembering = fresh()
    ask(remembering, seed)
    alphabet = "0123456789ABCDEFabcdefGSU%;\x19 "
    for _ in range(150):
        at = chances.randrange(2, len(seed))
        changed = seed[:at] + chances.choice(alphabet) + seed[at + 1 :]
        assert ask(remembering, changed) == ask(fresh(), changed), changed


def test_other_lmk_of_the_port(ask: Ask) -> None:
    """The LMK a port stands for belongs to what is remembered."""
    device = fresh()
    assert ask(device, SEEDS[0], port_lmk="02")[2:4] == b"00"
    assert ask(device, SEEDS[0], port_lmk="00") == b"CDA1"


def test_replaced_user_storage(ask: Ask) -> None:
    """A key in user storage is read each time: it may have been replaced."""
    device = fresh()
    request = f"CCUK001{NEW_ZPK}1291DDDA0A7C12CFAA0101550000025321"
    assert ask(device, request) == b"CD12"
    assert ask(device, f"LAK0010033{ZPK}") == b"LB00"
    assert ask(device, request)[:4] == b"CD00"
    assert ask(device, f"LAK0010033{NEW_ZPK}") == b"LB00"
    assert ask(device, request) == b"CD20"


def test_memory_is_bounded(ask: Ask) -> None:
    """Ever new messages do not fill the memory."""
    device = fresh()
    for number in range(MOST_SHAPES + 50):
        ask(device, f"CC{ZPK}{NEW_ZPK}1291DDDA0A7C12CFAA0101550000025321\x19{number:04d}")
    assert device.remembered_shapes <= MOST_SHAPES


@pytest.mark.parametrize("code", [code for code in COMMANDS if COMMANDS[code].varying])
def test_varying_fields_are_fields(code: str) -> None:
    """A command names fields it has."""
    command = COMMANDS[code]
    assert command.varying <= set(inner_names(command.request or ()))
