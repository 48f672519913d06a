"""
The simulated device: takes one message, gives one answer. It knows no sockets.

A message that cannot even hold a command code has no answer; everything else has one, and a
mistake of ours shows as error 41, never as a broken connection.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar, cast

import msgspec

from keyferry.errors import ConfigurationError, HSMFrameError, HSMValueError
from keyferry.hsm.commands import Command
from keyferry.hsm.opened_keys import OpenedKeys
from keyferry.hsm.payshield.commands import COMMANDS
from keyferry.hsm.payshield.framing import BUFFER_BYTES
from keyferry.hsm.payshield.key_field import Under, WireKey
from keyferry.hsm.payshield.lmk import LMKScheme
from keyferry.hsm.payshield.message import (
    CODE_SIZE,
    Request,
    decode_request,
    encode_response,
    find_trailer,
    response_code_of,
)
from keyferry.hsm.payshield.simulator import operations
from keyferry.hsm.payshield.simulator.activities import is_authorised, is_restricted
from keyferry.hsm.payshield.simulator.audit_log import AuditLog
from keyferry.hsm.payshield.simulator.call import (
    HANDLERS,
    NOT_PERMITTED,
    SCHEMES_DIFFER,
    SYNTAX,
    Call,
    Result,
    keys_under,
)
from keyferry.hsm.payshield.simulator.firmware import DEFAULT as DEFAULT_FIRMWARE
from keyferry.hsm.payshield.simulator.firmware import Firmware
from keyferry.hsm.payshield.simulator.lmk_store import AnyLMK, LMKStore
from keyferry.hsm.payshield.simulator.network import NetworkStatistics
from keyferry.hsm.payshield.simulator.outcome import Answer, CommandRefusedError
from keyferry.hsm.payshield.simulator.settings import Settings
from keyferry.hsm.payshield.simulator.shapes import Shape, ShapeCache
from keyferry.hsm.payshield.simulator.state import State, fresh_state, save_state
from keyferry.hsm.payshield.simulator.workload import Workload
from keyferry.hsm.values import Values
from keyferry.log import EventLog

T = TypeVar("T")

DISABLED: Final = "68"
UNLICENSED: Final = "67"
INTERNAL_ERROR: Final = "41"

operations.load()
log = EventLog("keyferry.hsm.payshield.simulator")


class Device:
    """One simulated payShield: its memory, its settings, its counters."""

    def __init__(
        self,
        state: State | None = None,
        *,
        path: Path | None = None,
        settings: Settings | None = None,
        unauthorised: frozenset[str] = frozenset(),
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
            unauthorised: activities taken away for this run.
            firmware: which release it behaves like.
            executor: where slow work is done; the event loop's own by default.
            now: the device's clock.
        """
        self.state = fresh_state() if state is None else state
        self.settings = self.state.settings if settings is None else settings
        self.lmks = LMKStore(self.state.lmks, self.state.old_lmks)
        self.firmware = firmware
        self.now = now
        self.started = now()
        self.volumes: Counter[str] = Counter()
        self.workload = Workload()
        self.network = NetworkStatistics()
        self.opened_keys = OpenedKeys()
        self._shapes = ShapeCache()
        self.audit = AuditLog()
        self._unauthorised = unauthorised
        self._executor = executor
        self._path = path
        self._context = self.settings.context()
        if self.settings.default_lmk not in self.lmks:
            raise ConfigurationError(
                f"default_lmk {self.settings.default_lmk}: no such LMK is loaded"
            )
        self.remember(restarts=self.state.restarts + 1)

    def remember(self, **changes: object) -> None:
        """
        Change what survives a restart: written first, in force only then.

        Raises:
            ConfigurationError: it cannot be written; everything is as before.
        """
        state = msgspec.structs.replace(self.state, **changes)
        if self._path is not None:
            save_state(self._path, state)
        self.state = state

    # --- what handlers ask ------------------------------------------------------------------

    def is_authorised(self, activity: str, key: str) -> bool:
        """Whether a host command may do an activity on a key."""
        return not is_restricted(activity, key) or self.has_activity(f"{activity}.{key}.host")

    def has_activity(self, name: str) -> bool:
        """Whether officers have authorised an activity, needed or not."""
        return is_authorised(self.state.authorised, self._unauthorised, name)

    @property
    def activity_count(self) -> int:
        """How many activities are authorised."""
        return len(self.state.authorised - self._unauthorised)

    @property
    def remembered_shapes(self) -> int:
        """How many shapes of messages are remembered."""
        return len(self._shapes)

    def dereference(self, field: WireKey) -> WireKey:
        """Return the key a field holds, or the one in user storage that it names; 12, 21."""
        if not field.is_reference:
            return field
        index = field.body[1:].decode("ascii")
        content = self.state.user_storage.get(index)
        if content is None:
            raise CommandRefusedError("12")
        stored = bytes.fromhex(content)
        scheme = field.scheme.encode("ascii")
        try:
            return WireKey.parse(stored if stored[:1] == scheme else scheme + stored)
        except HSMFrameError:
            # What is stored is data of any kind; only a private key field stays as it is.
            return WireKey("", stored)

    def loaded_private_key(self, index: str) -> WireKey:
        """Return a private key that EK has loaded; refused with 21 where there is none."""
        content = self.state.private_keys.get(index)
        if content is None:
            raise CommandRefusedError("21")
        stored = bytes.fromhex(content)
        return WireKey("S", stored[1:]) if stored[:1] == b"S" else WireKey("", stored[1:])

    async def offload(self, work: Callable[[], T]) -> T:
        """Run slow work in the executor."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    # --- one message ------------------------------------------------------------------------

    def answer(self, body: bytes, *, port_lmk: str | None = None) -> bytes | Awaitable[bytes]:
        """
        Answer one message; slow commands give an awaitable.

        Args:
            body: header, command code, fields; without the frame length.
            port_lmk: the LMK the host port stands for, if any.

        Raises:
            HSMFrameError: the message is too short for a header and a code.
        """
        header_size = self.settings.header_length
        code_end = header_size + CODE_SIZE
        if len(body) < code_end:
            raise HSMFrameError(
                f"message of {len(body)} bytes: expected at least {code_end}",
                field="command code",
                offset=len(body),
            )
        header, raw_code = body[:header_size], body[header_size:code_end]
        code = raw_code.decode("latin-1")
        self.volumes[code if code in COMMANDS else "??"] += 1
        command = COMMANDS.get(code)
        refused = self._unavailable(command)
        if command is None or refused is not None:
            head = header + response_code_of(raw_code) + (refused or DISABLED).encode("ascii")
            return head + find_trailer(body[header_size:])
        known = self._shapes.find(code, body, port_lmk) if command.varying else None
        if known is not None:
            shape, values = known
            trailer = shape.trailer
        else:
            try:
                request = self._decode(command, body)
            except CommandRefusedError as error:
                return self._refuse(command, header, error.code, find_trailer(body[header_size:]))
            values, trailer, shape = request.values, request.trailer, None
        try:
            if shape is None:
                lmk = self._choose_lmk(values, port_lmk)
                shape = self._learn(request, body, lmk, port_lmk) if command.varying else None
                call = Call(self, command, values, lmk, None if shape is None else shape.memo)
            else:
                call = Call(self, command, values, shape.lmk, shape.memo)
            result = HANDLERS[code](call)
        except Exception as error:  # noqa: BLE001 - a device answers whatever happens inside it
            return self._refuse(command, header, self._code_of(error, code), trailer)
        if isinstance(result, (Answer, dict)):
            return self._encode(call, header, result, trailer)
        return self._finish(call, header, cast(Awaitable[Result], result), trailer)

    def _learn(self, request: Request, body: bytes, lmk: AnyLMK, port_lmk: str | None) -> Shape:
        shape = Shape(request.values, lmk, request.trailer)
        self._shapes.learn(
            request.command,
            body,
            start=self.settings.header_length + CODE_SIZE,
            port_lmk=port_lmk,
            shape=shape,
            context=self._context,
        )
        return shape

    def _unavailable(self, command: Command | None) -> str | None:
        """Return the code for a command that is not there, not licensed or not enabled."""
        if command is None or command.request is None or command.code not in HANDLERS:
            return DISABLED
        if command.code in self.settings.unlicensed_commands:
            return UNLICENSED
        return DISABLED if command.code in self.settings.disabled_commands else None

    def _decode(self, command: Command, body: bytes) -> Request:
        if len(body) > BUFFER_BYTES:
            raise CommandRefusedError(SYNTAX)
        try:
            return decode_request(
                command, body, header_size=self.settings.header_length, context=self._context
            )
        except HSMValueError as error:
            raise CommandRefusedError(error.reply) from error
        except HSMFrameError as error:
            raise CommandRefusedError(SYNTAX) from error

    def _choose_lmk(self, values: Values, port_lmk: str | None) -> AnyLMK:
        """Return the LMK in force: named, of a key block, of the port, or the default."""
        named = values.get("lmk")
        fields = keys_under(values, Under.LMK)
        blocks = [key for key in fields if key.scheme == "S"]
        identifiers = {block.lmk_identifier for block in blocks}
        if isinstance(named, str):
            if self.settings.lmk_matches_port and port_lmk not in (None, named):
                raise CommandRefusedError("13")
            lmk = self.lmks.get(named)
        elif blocks and not self.settings.ignore_block_lmk:
            lmk = self.lmks.get(blocks[0].lmk_identifier)
        else:
            lmk = self.lmks.get(port_lmk or self.settings.default_lmk)
        is_variant = lmk.scheme is LMKScheme.VARIANT
        if any(is_variant is (key.scheme == "S") for key in fields if not key.is_reference):
            raise CommandRefusedError(SCHEMES_DIFFER)
        if not self.settings.ignore_block_lmk:
            if len(identifiers) > 1:
                raise CommandRefusedError("A2")
            if identifiers and identifiers != {lmk.identifier}:
                raise CommandRefusedError("A3")
        return lmk

    async def _finish(
        self, call: Call, header: bytes, pending: Awaitable[Result], trailer: bytes
    ) -> bytes:
        try:
            result = await pending
        except Exception as error:  # noqa: BLE001 - as in answer()
            code = self._code_of(error, call.command.code)
            return self._refuse(call.command, header, code, trailer)
        return self._encode(call, header, result, trailer)

    def _encode(self, call: Call, header: bytes, result: Result, trailer: bytes) -> bytes:
        answer = result if isinstance(result, Answer) else Answer(result)
        try:
            response = encode_response(
                call.command,
                answer.code,
                answer.values,
                header=header,
                trailer=trailer,
                context={**call.values, "lmk_kind": call.lmk.scheme},
            )
        except HSMFrameError as error:
            code = self._code_of(error, call.command.code)
            return self._refuse(call.command, header, code, trailer)
        if call.command.code in self.settings.audited_commands:
            self._audit(call.command, answer.code)
        if len(response) > BUFFER_BYTES:
            return self._refuse(call.command, header, SYNTAX, trailer)
        return response

    def _audit(self, command: Command, code: str) -> None:
        lmk = self.lmks.get(self.settings.default_lmk)
        self.audit.add(command.code, code, now=self.now(), key=lmk.pin_key())

    def _refuse(self, command: Command, header: bytes, code: str, trailer: bytes) -> bytes:
        if code == NOT_PERMITTED or command.code in self.settings.audited_commands:
            self._audit(command, code)
        return encode_response(command, code, None, header=header, trailer=trailer)

    def _code_of(self, error: Exception, command: str) -> str:
        if isinstance(error, CommandRefusedError):
            return error.code
        # The type only: messages of unexpected errors may quote what they choked on.
        log.error("simulator_command_failed", command=command, error=type(error).__name__)
        return INTERNAL_ERROR
