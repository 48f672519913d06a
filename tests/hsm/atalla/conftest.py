"""A simulated Atalla with the public test MFK."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from keyferry.crypto.keyblock.akb import MFK, AKBHeader
from keyferry.hsm.atalla.simulator import TEST_MFK, Device
from keyferry.hsm.atalla.simulator.challenges import DualControl

TEST_KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")  # check value 08D7B4


@pytest.fixture
def device() -> Device:
    """A device whose challenges answer themselves."""
    return Device(dual_control=DualControl.AUTO)


@pytest.fixture
def ask(device: Device) -> Callable[[str], Awaitable[str]]:
    """Send a message as text, without delimiters, and return the answer likewise."""

    async def send(message: str) -> str:
        answer = device.answer(message.encode())
        return (answer if isinstance(answer, bytes) else await answer).decode()

    return send


@pytest.fixture
def akb() -> Callable[..., str]:
    """Wrap a key under the test MFK."""

    def wrap(header: str, key: bytes = TEST_KEY) -> str:
        return MFK(bytes.fromhex(TEST_MFK)).wrap(AKBHeader.parse(header), key)

    return wrap
