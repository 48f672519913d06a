"""
How a Futurex's messages are masked, matched and refused, for faults and recordings.

`AG`, which comes back unchanged, names only one message: it is cut from requests, and kept in
answers as the place where that of the next message belongs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.hsm.commands import Command
from keyferry.hsm.fields import Fields
from keyferry.hsm.futurex.commands import COMMANDS
from keyferry.hsm.futurex.message import (
    COMMAND,
    ECHO,
    ERROR,
    ERROR_NUMBER,
    ERROR_TAG,
    STATUS,
    command_of,
    decode_request,
    echo_of,
    encode_error,
)
from keyferry.hsm.futurex.refusals import MASKED_IN_RECORDING, MEANINGS, NOT_IN_RECORDING
from keyferry.hsm.futurex.tokens import END, Raw, Token, split
from keyferry.hsm.traffic import MASK

# Fields that are secret, or would tell one with patience: PINs, what holds them, what verifies
# them, and account numbers. Keys under a major key or a KEK are none.
SECRETS: Final = frozenset(
    {
        "cvv",
        "cvv2",
        "new_cvv",
        "new_cvv2",
        "new_pin",
        "new_pin_block",
        "new_pvv",
        "pan",
        "pan_digits",
        "partial_pan",
        "pin",
        "pin_block",
        "pvv",
    }
)

_ERROR_CODE: Final = re.compile(r"([0-9]{1,6})([A-Z][A-Z0-9])?")
_ERROR_TAGS: Final = frozenset({COMMAND, ERROR_NUMBER, ERROR_TAG, STATUS, ECHO})
_CODE_BYTES: Final = 6  # AO and four letters


class FuturexTraffic:
    """Reads messages by the command tables."""

    def command(self, message: bytes) -> str:
        command = _command(message)
        return command.code if command is not None else "unknown"

    def check_error_code(self, code: str) -> None:
        if _ERROR_CODE.fullmatch(code) is None:
            raise ConfigurationError(
                f"--fault error:{code}: a Futurex's errors are a number, and the tag of a token",
                hint="e.g. error:34, or error:904BG",
            )

    def error_answer(self, message: bytes, code: str) -> bytes:
        match = _ERROR_CODE.fullmatch(code)
        if match is None:
            raise HSMFrameError("no answer with this number", field="code", offset=0)
        text = MEANINGS.get(match[1], "ERROR")
        return encode_error(match[1], match[2] or COMMAND, text, echo=_echo(message))

    def replay_refusal(self, message: bytes, *, masked: bool, field: str | None) -> bytes:
        number = MASKED_IN_RECORDING if masked else NOT_IN_RECORDING
        tag = _tags(_command(message)).get(field or "", COMMAND)
        return self.error_answer(message, number + tag)

    def fields(self, request: bytes) -> Mapping[str, bytes]:
        command = _command(request)
        if command is None:
            return {}
        names = {tag: name for name, tag in _tags(command).items()}
        return {names.get(token.tag, token.tag): token.value for token in split(request)[1:]}

    def masked_request(self, message: bytes) -> bytes:
        command = _command(message)
        if command is None or command.request is None:
            return _all_masked(message)
        tokens = [token for token in split(message) if token.tag != ECHO]
        try:
            decode_request(command, tokens)
        except HSMFrameError:
            # What stands where is not known then, so nothing of it is written.
            return _all_masked(message)
        return _joined(tokens, _secret_tags(command.request))

    def masked_answer(self, message: bytes, answer: bytes) -> bytes:
        command = _command(message)
        try:
            tokens = split(answer)
            code = command_of(tokens)
        except HSMFrameError:
            return _all_masked(answer)
        # The place of the echo stays, its text does not.
        emptied = [Raw(ECHO, b"", token.offset) if token.tag == ECHO else token for token in tokens]
        if code == ERROR and {token.tag for token in tokens} <= _ERROR_TAGS:
            return _joined(emptied, frozenset())
        if command is None or command.request is None or code != command.code:
            return _all_masked(answer)
        known = {COMMAND, STATUS, ECHO, *_tags_of(command.response).values()}
        unknown = {token.tag for token in tokens} - known
        return _joined(emptied, _secret_tags(command.response) | unknown)

    def adapted_answer(self, message: bytes, answer: bytes) -> bytes:
        echo = _echo(message)
        own = f"{ECHO}{echo};".encode("ascii") if echo is not None else b""
        before, place, after = answer.partition(END + ECHO.encode("ascii") + END)
        if place:
            return before + END + own + after
        return answer + own


def _command(message: bytes) -> Command | None:
    try:
        return COMMANDS.get(command_of(split(message)))
    except HSMFrameError:
        return None


def _echo(message: bytes) -> str | None:
    try:
        return echo_of(split(message))
    except HSMFrameError:
        return None


def _tags(command: Command | None) -> dict[str, str]:
    """Return the tags of a request by the names of its table."""
    return _tags_of(command.request or ()) if command is not None else {}


def _tags_of(rows: Fields) -> dict[str, str]:
    return {row.names()[0]: row.tag for row in rows if isinstance(row, Token)}


def _secret_tags(rows: Fields) -> frozenset[str]:
    return frozenset(tag for name, tag in _tags_of(rows).items() if name in SECRETS)


def _joined(tokens: list[Raw], secret: frozenset[str]) -> bytes:
    return b"".join(
        token.tag.encode("ascii")
        + (MASK * len(token.value) if token.tag in secret else token.value)
        + END
        for token in tokens
    )


def _all_masked(message: bytes) -> bytes:
    return message[:_CODE_BYTES] + MASK * len(message[_CODE_BYTES:])
