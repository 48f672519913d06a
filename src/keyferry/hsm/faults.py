"""Faults on purpose: a simulated device that loses, garbles, delays or refuses some answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.hsm.host_frames import AnsweringDevice
from keyferry.hsm.traffic import Traffic
from keyferry.log import EventLog

DEFAULT_DELAY_MS: Final = 1000
LONGEST_DELAY_MS: Final = 600_000
_ERROR_CHARACTERS: Final = 8

log = EventLog("keyferry.hsm.simulator")


class FaultKind(StrEnum):
    """What happens to an answer."""

    DROP = "drop"  # the command is done, the answer is lost and the connection closes
    GARBLE = "garble"  # one byte of the answer is another
    DELAY = "delay"  # the answer is late
    ERROR = "error"  # the command is not done, and refused with an error code


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault, and how often it happens."""

    kind: FaultKind
    rate: float = 1.0  # 0 to 1
    error: str = ""  # the error code of ERROR
    delay_s: float = DEFAULT_DELAY_MS / 1000

    @classmethod
    def parse(cls, text: str, *, rate: float = 1.0) -> Self:
        """
        Read `drop`, `garble`, `delay`, `delay:MILLISECONDS` or `error:CODE`.

        Raises:
            ConfigurationError: it is none of them, or the rate is no probability.
        """
        if not 0 <= rate <= 1:
            raise ConfigurationError(f"--rate {rate}: expected 0 to 1")
        name, _, argument = text.partition(":")
        if name in ("drop", "garble") and not argument:
            return cls(kind=FaultKind(name), rate=rate)
        if name == "delay" and (not argument or argument.isdecimal()):
            delay_ms = int(argument[:7] or DEFAULT_DELAY_MS)
            if delay_ms <= LONGEST_DELAY_MS:
                return cls(kind=FaultKind.DELAY, rate=rate, delay_s=delay_ms / 1000)
        if name == "error" and 0 < len(argument) <= _ERROR_CHARACTERS and argument.isalnum():
            return cls(kind=FaultKind.ERROR, rate=rate, error=argument)
        raise ConfigurationError(
            f"--fault {text[:40]!r}: expected drop, garble, delay, delay:MILLISECONDS or error:CODE"
        )


class FaultyDevice:
    """A device some of whose answers go wrong. Which do is decided by `chances` alone."""

    def __init__(
        self,
        device: AnsweringDevice,
        traffic: Traffic,
        fault: Fault,
        *,
        chances: random.Random | None = None,
    ) -> None:
        self._device = device
        self._traffic = traffic
        self._fault = fault
        self._chances = chances or random.SystemRandom()

    def answer(self, message: bytes) -> bytes | Awaitable[bytes]:
        """
        Answer one message, or do the fault.

        Raises:
            HSMFrameError: the answer is lost; the connection is closed.
        """
        fault = self._fault
        # random() is never 1, so a rate of 1 strikes always and a rate of 0 never.
        if self._chances.random() >= fault.rate:
            return self._device.answer(message)
        log.info("simulator_fault", fault=fault.kind.value, command=self._traffic.command(message))
        if fault.kind is FaultKind.ERROR:
            return self._traffic.error_answer(message, fault.error)
        answer = self._device.answer(message)
        if isinstance(answer, bytes) and fault.kind is not FaultKind.DELAY:
            return self._spoil(answer)
        return self._finish(answer)

    async def _finish(self, answer: bytes | Awaitable[bytes]) -> bytes:
        whole = answer if isinstance(answer, bytes) else await answer
        if self._fault.kind is FaultKind.DELAY:
            await asyncio.sleep(self._fault.delay_s)
            return whole
        return self._spoil(whole)

    def _spoil(self, answer: bytes) -> bytes:
        if self._fault.kind is FaultKind.DROP:
            raise HSMFrameError("the answer is lost on purpose", field="answer", offset=0)
        at = self._chances.randrange(len(answer))
        other = answer[at] ^ self._chances.randrange(1, 256)
        return answer[:at] + bytes((other,)) + answer[at + 1 :]
