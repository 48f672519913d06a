"""Simulated Futurex devices for the tests, and one way to ask them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

import pytest

from keyferry.hsm.futurex.simulator import Device, fresh_state

Ask = Callable[[str], dict[str, str]]


@pytest.fixture(scope="session")
def device() -> Device:
    """A device with PMK and MFK, a key table, and every command enabled."""
    state = fresh_state(mfk=True)
    device = Device(state, settings=state.settings.changed(["disabled_commands="]))
    state.key_table |= {
        "1": ask_device(device, "AOGPGS;FS6;CT2;AKD0000P0TB00E0000;")["BG"],
        "2": ask_device(device, "AOGPGS;FS6;CT2;AKD0000P0TB00E0000;")["BG"],
    }
    return device


@pytest.fixture(scope="session")
def ask(device: Device) -> Ask:
    """Send a message to the device and return its answer by tag."""
    return lambda message: ask_device(device, message)


def ask_device(device: Device, message: str) -> dict[str, str]:
    """Return the tokens of an answer by tag."""
    answer = device.answer(message.encode())
    if inspect.isawaitable(answer):
        waiting = answer

        async def wait() -> bytes:
            device_answer: bytes = await waiting
            return device_answer

        answer = asyncio.run(wait())
    assert isinstance(answer, bytes)
    text = answer.decode("ascii")
    assert text.endswith(";")
    tokens = text[:-1].split(";")
    tags = [token[:2] for token in tokens]
    assert tags[0] == "AO"
    assert len(set(tags)) == len(tags)
    return {token[:2]: token[2:] for token in tokens}
