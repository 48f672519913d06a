"""
The simulated device: takes one message, gives one answer. It knows no sockets.

Every message in a frame has an answer, and a mistake of ours shows as error 999, never as a
broken connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from keyferry.errors import HSMFrameError, HSMValueError
from keyferry.hsm.commands import Command
from keyferry.hsm.futurex.commands import COMMANDS
from keyferry.hsm.futurex.message import (
    COMMAND,
    command_of,
    decode_request,
    echo_of,
    encode_error,
    encode_response,
)
from keyferry.hsm.futurex.refusals import COMMAND_DISABLED, INTERNAL, INVALID, MEANINGS
from keyferry.hsm.futurex.simulator import operations
from keyferry.hsm.futurex.simulator.call import HANDLERS, Call, Result
from keyferry.hsm.futurex.simulator.firmware import DEFAULT as DEFAULT_FIRMWARE
from keyferry.hsm.futurex.simulator.firmware import Firmware
from keyferry.hsm.futurex.simulator.major_keys import MajorKeys
from keyferry.hsm.futurex.simulator.outcome import Answer, CommandRefusedError
from keyferry.hsm.futurex.simulator.settings import Settings
from keyferry.hsm.futurex.simulator.state import State, fresh_state, save_state
from keyferry.hsm.futurex.tokens import Raw, split
from keyferry.log import EventLog

T = TypeVar("T")

operations.load()
log = EventLog("keyferry.hsm.futurex.simulator")


class Device:
    """One simulated HSM. Use within one event loop."""

    def __init__(
        self,
        state: State | None = None,
        *,
        path: Path | None = None,
        settings: Settings | None = None,
        firmware: Firmware = DEFAULT_FIRMWARE,
        executor: Executor | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Switch a device on.

        Args:
            state: what it remembers; a fresh device by default.
            path: where it keeps what it remembers; nowhere by default.
            settings: instead of those it remembers, for this run.
            firmware: which release it behaves like.
            executor: where slow work is done; the event loop's own by default.
            now: the device's clock.
        """
        self.state = fresh_state() if state is None else state
        self.settings = self.state.settings if settings is None else settings
        self.firmware = firmware
        self.keys = MajorKeys(
            bytes.fromhex(self.state.pmk) if firmware.has_pmk else None,
            bytes.fromhex(self.state.mfk) if self.state.mfk else None,
            self.state.key_table,
        )
        self.now = now
        self._executor = executor
        if path is not None:
            save_state(path, self.state)

    async def offload(self, work: Callable[[], T]) -> T:
        """Run slow work in the executor."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def answer(self, message: bytes) -> bytes | Awaitable[bytes]:
        """Answer one message, given without its brackets; slow commands give an awaitable."""
        try:
            tokens = split(message)
        except HSMFrameError:
            return _error(CommandRefusedError(INVALID, COMMAND), None)
        echo = echo_of(tokens)
        try:
            call = self._decode(tokens)
            result = HANDLERS[call.command.code](call)
        except Exception as error:  # noqa: BLE001 - a device answers whatever happens inside it
            return _error(_refusal(error), echo)
        if isinstance(result, (Answer, Mapping)):
            return _encode(call.command, result, echo)
        return _finish(call.command, result, echo)

    def _decode(self, tokens: list[Raw]) -> Call:
        code = command_of(tokens)
        command = COMMANDS.get(code)
        if command is None or command.request is None or code not in self.firmware.commands:
            raise CommandRefusedError(INVALID, COMMAND)
        if self.settings.is_disabled(code):
            raise CommandRefusedError(COMMAND_DISABLED, COMMAND)
        return Call(self, command, decode_request(command, tokens))


async def _finish(command: Command, pending: Awaitable[Result], echo: str | None) -> bytes:
    try:
        result = await pending
    except Exception as error:  # noqa: BLE001 - as in answer()
        return _error(_refusal(error), echo)
    return _encode(command, result, echo)


def _encode(command: Command, result: Result, echo: str | None) -> bytes:
    answer = result if isinstance(result, Answer) else Answer(result)
    try:
        return encode_response(command, answer.values, echo=echo, status=answer.status)
    except HSMFrameError as error:
        return _error(_refusal(error), echo)


def _refusal(error: Exception) -> CommandRefusedError:
    if isinstance(error, CommandRefusedError):
        return error
    if isinstance(error, HSMValueError):
        return CommandRefusedError(error.reply, error.field or COMMAND)
    # The type only: messages of unexpected errors may quote what they choked on.
    log.error("simulator_command_failed", error=type(error).__name__)
    return CommandRefusedError(INTERNAL, COMMAND)


def _error(refused: CommandRefusedError, echo: str | None) -> bytes:
    return encode_error(refused.number, refused.tag, MEANINGS[refused.number], echo=echo)
