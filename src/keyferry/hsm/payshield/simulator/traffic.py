"""How a payShield's messages are masked, matched and refused, for faults and recordings."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.hsm.fields import Fields
from keyferry.hsm.payshield.commands import COMMANDS
from keyferry.hsm.payshield.message import CODE_SIZE, response_code_of
from keyferry.hsm.payshield.refusals import MASKED_IN_RECORDING, NOT_IN_RECORDING
from keyferry.hsm.recording_reader import RecordingReader
from keyferry.hsm.tables import decode
from keyferry.hsm.traffic import MASK
from keyferry.hsm.values import Values

# Fields that are secret, or would tell one with patience: PINs, what holds them, what verifies
# them, and clear messages. Keys under an LMK or a KEK are none.
SECRETS: Final = frozenset(
    {
        "account",
        "block",
        "clear_pin",
        "clear_pin_and_reference",
        "csc_3",
        "csc_4",
        "csc_5",
        "cvv",
        "destination_pan",
        "message",
        "new_account",
        "new_block",
        "new_csc_3",
        "new_csc_4",
        "new_csc_5",
        "new_cvv",
        "new_offset",
        "new_pvv",
        "offset",
        "old_account",
        "output",
        "pan",
        "pan_psn",
        "pin",
        "pvv",
        "random",
        "sealed_pin",
        "verification_account",
    }
)


class PayShieldTraffic:
    """Reads messages by the command tables."""

    def __init__(self, *, header_length: int, context: Mapping[str, object]) -> None:
        """
        Args:
            header_length: bytes of the message header, which correlates answer and question.
            context: settings of the device, as the tables ask for them.
        """
        self._header = header_length
        self._context = context

    def command(self, message: bytes) -> str:
        code = message[self._header : self._header + CODE_SIZE].decode("latin-1")
        return code if code in COMMANDS else "unknown"

    def check_error_code(self, code: str) -> None:
        if len(code) != CODE_SIZE:
            raise ConfigurationError(
                f"--fault error:{code}: a payShield's error codes have two characters",
                hint="e.g. error:68",
            )

    def replay_refusal(
        self,
        message: bytes,
        *,
        masked: bool,
        field: str | None,  # noqa: ARG002 (an error code has no room for it)
    ) -> bytes:
        return self.error_answer(message, MASKED_IN_RECORDING if masked else NOT_IN_RECORDING)

    def fields(self, request: bytes) -> Mapping[str, bytes]:
        code, data = request[:CODE_SIZE], request[CODE_SIZE:]
        command = COMMANDS.get(code.decode("latin-1"))
        if command is None or command.request is None:
            return {}
        reader = RecordingReader(data)
        found: dict[str, bytes] = {}
        # A masked field may no longer be read, nor what stands behind it: what was read tells.
        with contextlib.suppress(HSMFrameError):
            decode(command.request, reader, self._context)
        for name, start, end in reader.taken:
            found[name] = found.get(name, b"") + data[start:end]
        return found

    def error_answer(self, message: bytes, code: str) -> bytes:
        end = self._header + CODE_SIZE
        if len(message) < end or len(code) != CODE_SIZE:
            raise HSMFrameError("no answer with this code", field="code", offset=0)
        response_code = response_code_of(message[self._header : end])
        return message[: self._header] + response_code + code.encode("ascii")

    def masked_request(self, message: bytes) -> bytes:
        body = message[self._header :]
        command = COMMANDS.get(self.command(message))
        if command is None or command.request is None:
            return body[:CODE_SIZE] + MASK * len(body[CODE_SIZE:])
        return body[:CODE_SIZE] + _masked(command.request, body[CODE_SIZE:], self._context)[0]

    def masked_answer(self, message: bytes, answer: bytes) -> bytes:
        body = answer[self._header :]
        head = CODE_SIZE + 2
        command = COMMANDS.get(self.command(message))
        if command is None or command.request is None or len(body) == head:
            return body[:head] + MASK * len(body[head:])
        request = message[self._header + CODE_SIZE :]
        values = _masked(command.request, request, self._context)[1]
        context = {**self._context, **values}
        return body[:head] + _masked(command.response, body[head:], context)[0]

    def adapted_answer(self, message: bytes, answer: bytes) -> bytes:
        return message[: self._header] + answer


def _masked(fields: Fields, data: bytes, context: Mapping[str, object]) -> tuple[bytes, Values]:
    """Return data with its secret fields masked, and its fields; all is masked if it is garbage."""
    reader = RecordingReader(data)
    try:
        values = decode(fields, reader, context)
    except HSMFrameError:
        return MASK * len(data), Values()
    masked = bytearray(data)
    for name, start, end in reader.taken:
        if name in SECRETS:
            masked[start:end] = MASK * (end - start)
    return bytes(masked), values
