"""
The simulated device: takes one message, gives one answer. It knows no sockets.

Everything has an answer; a mistake of ours shows as error 0800, never as a broken connection.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from keyferry.crypto.keyblock.akb import MFK
from keyferry.errors import HSMFrameError, HSMValueError, KeySizeError, PaymentDataError
from keyferry.hsm.atalla.commands import COMMANDS
from keyferry.hsm.atalla.message import (
    RawMessage,
    Refusal,
    decode_request,
    encode_refusal,
    encode_response,
    split,
)
from keyferry.hsm.atalla.simulator import operations
from keyferry.hsm.atalla.simulator.call import EXECUTION, HANDLERS, VALUE, Call, Result
from keyferry.hsm.atalla.simulator.challenges import Challenges, DualControl
from keyferry.hsm.atalla.simulator.firmware import DEFAULT as DEFAULT_FIRMWARE
from keyferry.hsm.atalla.simulator.firmware import Firmware
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError
from keyferry.hsm.atalla.simulator.settings import Settings
from keyferry.hsm.atalla.simulator.state import State, fresh_state, save_state
from keyferry.hsm.opened_keys import OpenedKeys
from keyferry.log import EventLog

T = TypeVar("T")

UNKNOWN: Final = "22"
SWITCHED_OFF: Final = "23"
WHOLE_COMMAND: Final = "00"

# The only detail of the manual's table that is public, and the one the samples report.
_DETAILS: Final = {"03": "0201"}

operations.load()
log = EventLog("keyferry.hsm.atalla.simulator")


class Device:
    """One simulated Atalla: its memory, its settings."""

    def __init__(
        self,
        state: State | None = None,
        *,
        path: Path | None = None,
        settings: Settings | None = None,
        firmware: Firmware = DEFAULT_FIRMWARE,
        dual_control: DualControl = DualControl.CONSOLE,
        executor: Executor | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Switch a device on.

        Args:
            state: what it remembers; a fresh device with the public test MFK by default.
            path: where it keeps what it remembers; nowhere by default.
            settings: instead of those it remembers, for this run.
            firmware: which release it behaves like.
            dual_control: who answers the challenges of 12A.
            executor: where slow work is done; the event loop's own by default.
            now: the device's clock.
        """
        self.state = fresh_state(test_mfk=True) if state is None else state
        self.settings = self.state.settings if settings is None else settings
        self.firmware = firmware
        self._known = HANDLERS.keys() & firmware.commands
        self.opened_keys = OpenedKeys()
        self.mfk = MFK(bytes.fromhex(self.state.mfk))
        self.volumes: Counter[str] = Counter()
        self._path = path
        self._executor = executor
        self.challenges = Challenges(
            self.state.challenges,
            control=dual_control,
            minutes=self.settings.challenge_minutes,
            now=now,
            save=self.save,
        )
        self.save()

    def save(self) -> None:
        """Write what must survive a restart, before the command that changed it is answered."""
        if self._path is not None:
            save_state(self._path, self.state)

    async def offload(self, work: Callable[[], T]) -> T:
        """Run slow work in the executor."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def answer(self, message: bytes) -> bytes | Awaitable[bytes]:
        """Answer one message, given and returned without its delimiters."""
        try:
            raw = split(message)
            if len(message) + 2 > self.settings.longest_command:
                return self._refuse("0100", raw.tag)
        except HSMValueError as error:
            return self._refuse(error.reply, "")
        command = COMMANDS.get(raw.id)
        self.volumes[raw.id if command is not None else "?"] += 1
        if command is None or command.code not in self._known:
            return self._refuse(UNKNOWN + WHOLE_COMMAND, raw.tag)
        if command.code in self.settings.disabled_commands:
            return self._refuse(SWITCHED_OFF + WHOLE_COMMAND, raw.tag)
        try:
            values = decode_request(command, raw)
        except HSMValueError as error:
            return self._refuse(error.reply, raw.tag)
        call = Call(self, command, values)
        try:
            result = HANDLERS[command.code](call)
        except Exception as error:  # noqa: BLE001 - a device answers whatever happens inside it
            return self._refuse(self._code_of(error, call), raw.tag)
        if isinstance(result, Mapping):
            return self._encode(call, raw, result)
        return self._finish(call, raw, result)

    async def _finish(self, call: Call, raw: RawMessage, pending: Awaitable[Result]) -> bytes:
        try:
            result = await pending
        except Exception as error:  # noqa: BLE001 - as in answer()
            return self._refuse(self._code_of(error, call), raw.tag)
        return self._encode(call, raw, result)

    def _encode(self, call: Call, raw: RawMessage, result: Result) -> bytes:
        try:
            return encode_response(call.command, result, request=call.values, tag=raw.tag)
        except HSMFrameError as error:
            return self._refuse(self._code_of(error, call), raw.tag)

    def _refuse(self, code: str, tag: str) -> bytes:
        detail = ""
        if self.settings.option_21:
            detail = _DETAILS.get(code[:2], code)
        return encode_refusal(Refusal(code[:2], code[2:], self.settings.software, detail), tag=tag)

    def _code_of(self, error: Exception, call: Call) -> str:
        if isinstance(error, CommandRefusedError):
            at = error.at or (call.number_of(error.field) if error.field else WHOLE_COMMAND)
            return error.error + at
        if isinstance(error, PaymentDataError):
            return VALUE + WHOLE_COMMAND
        if isinstance(error, KeySizeError):
            return "10" + WHOLE_COMMAND
        # The type only: messages of unexpected errors may quote what they choked on.
        log.error("simulator_command_failed", command=call.command.code, error=type(error).__name__)
        return EXECUTION + WHOLE_COMMAND
