"""Faults a simulator does on purpose."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable

import pytest

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.hsm.faults import Fault, FaultKind, FaultyDevice
from keyferry.hsm.payshield.simulator import Device
from keyferry.hsm.payshield.simulator.traffic import PayShieldTraffic

MESSAGE = b"0001B20004ABCD"
ANSWER = b"0001B300ABCD"


@pytest.fixture(scope="module")
def device() -> Device:
    """A device."""
    return Device()


def faulty(device: Device, text: str, *, rate: float = 1.0, seed: int = 7) -> FaultyDevice:
    """The device with a fault."""
    traffic = PayShieldTraffic(header_length=4, context={})
    return FaultyDevice(device, traffic, Fault.parse(text, rate=rate), chances=random.Random(seed))


def now(answer: bytes | Awaitable[bytes]) -> bytes:
    """Return an answer that may have to be waited for."""
    if isinstance(answer, bytes):
        return answer

    async def wait(pending: Awaitable[bytes]) -> bytes:
        return await pending

    return asyncio.run(wait(answer))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("drop", FaultKind.DROP),
        ("garble", FaultKind.GARBLE),
        ("delay", FaultKind.DELAY),
        ("delay:250", FaultKind.DELAY),
        ("error:41", FaultKind.ERROR),
    ],
)
def test_kinds(text: str, kind: FaultKind) -> None:
    """The command line names each kind."""
    assert Fault.parse(text).kind is kind


@pytest.mark.parametrize(
    ("text", "rate"),
    [("", 1), ("lose", 1), ("drop:1", 1), ("delay:x", 1), ("delay:9999999", 1), ("error", 1),
     ("error:", 1), ("error:4 1", 1), ("error:123456789", 1), ("drop", 1.5), ("drop", -0.1)],
)  # fmt: skip
def test_refused_faults(text: str, rate: float) -> None:
    """Anything else is refused with what is possible."""
    with pytest.raises(ConfigurationError, match="expected"):
        Fault.parse(text, rate=rate)


def test_drop(device: Device) -> None:
    """The command is done and its answer lost."""
    before = device.volumes["B2"]
    with pytest.raises(HSMFrameError):
        faulty(device, "drop").answer(MESSAGE)
    assert device.volumes["B2"] == before + 1


def test_garble(device: Device) -> None:
    """Exactly one byte is another."""
    answer = now(faulty(device, "garble").answer(MESSAGE))
    assert len(answer) == len(ANSWER)
    assert sum(a != b for a, b in zip(answer, ANSWER, strict=True)) == 1


def test_delay(device: Device) -> None:
    """A late answer is still the answer."""
    assert now(faulty(device, "delay:1").answer(MESSAGE)) == ANSWER


def test_error(device: Device) -> None:
    """The command is not done, and refused with the code."""
    before = device.volumes["B2"]
    assert now(faulty(device, "error:41").answer(MESSAGE)) == b"0001B341"
    assert device.volumes["B2"] == before


@pytest.mark.parametrize(
    ("rate", "low", "high"), [(0.0, 0, 0), (0.25, 180, 320), (1.0, 1000, 1000)]
)
def test_rate(device: Device, rate: float, low: int, high: int) -> None:
    """A fault strikes as often as it is told to."""
    struck = faulty(device, "error:41", rate=rate)
    count = sum(now(struck.answer(MESSAGE)) != ANSWER for _ in range(1000))
    assert low <= count <= high
