"""
How an Atalla's messages are masked, matched and refused, for faults and recordings.

The context tag, which comes back unchanged, names only one message: it is cut from requests and
answers, and that of the next message is put in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.hsm.atalla.commands import COMMANDS
from keyferry.hsm.atalla.message import (
    ERROR_ID,
    RawMessage,
    Refusal,
    decode_request,
    encode_refusal,
    read_refusal,
    split,
)
from keyferry.hsm.atalla.refusals import MASKED_IN_RECORDING, NOT_IN_RECORDING
from keyferry.hsm.atalla.rows import decode_fields, named_texts
from keyferry.hsm.atalla.simulator.settings import Settings
from keyferry.hsm.commands import Command
from keyferry.hsm.fields import Fields
from keyferry.hsm.traffic import MASK
from keyferry.hsm.values import Values

# Fields that are secret, or would tell one with patience: PINs, what holds them, what verifies
# them, account numbers, and what two administrators were shown. Keys under an MFK or a KEK are
# none.
SECRETS: Final = frozenset(
    {
        "answer",
        "application_pan",
        "block",
        "card_data",
        "changed_block",
        "cvv",
        "encrypted_pin_block",
        "new_block",
        "new_cvv",
        "new_value",
        "offset",
        "old_block",
        "pan",
        "pan11",
        "pan12",
        "pan12_in",
        "pan12_out",
        "pin",
        "pvv",
        "random",
        "revealed_answer",
        "validation_data",
    }
)

# Commands whose data are clear messages; in others they are certificates and tokens.
CLEAR_MESSAGES: Final = {
    code: frozenset({"data", "new_data"}) for code in ("97", "98", "99", "39B", "350", "351", "352")
}

_ERROR_CODE: Final = re.compile(r"[0-9]{2}(?:[0-9]{2})?")
_WHOLE_COMMAND: Final = "00"


class AtallaTraffic:
    """Reads messages by the command tables."""

    def __init__(self, *, settings: Settings) -> None:
        self._settings = settings

    def command(self, message: bytes) -> str:
        raw = _cut(message)
        return raw.id if raw is not None and raw.id in COMMANDS else "unknown"

    def check_error_code(self, code: str) -> None:
        if _ERROR_CODE.fullmatch(code) is None:
            raise ConfigurationError(
                f"--fault error:{code}: an Atalla's errors are two digits, and two of a field",
                hint="e.g. error:41, or error:0607",
            )

    def error_answer(self, message: bytes, code: str) -> bytes:
        raw = _cut(message)
        if raw is None or _ERROR_CODE.fullmatch(code) is None:
            raise HSMFrameError("no answer with this number", field="code", offset=0)
        whole = code if len(code) == 4 else code + _WHOLE_COMMAND
        detail = whole if self._settings.option_21 else ""
        refusal = Refusal(whole[:2], whole[2:], self._settings.software, detail)
        return encode_refusal(refusal, tag=raw.tag)

    def replay_refusal(self, message: bytes, *, masked: bool, field: str | None) -> bytes:
        number = MASKED_IN_RECORDING if masked else NOT_IN_RECORDING
        names = list(self.fields(self.masked_request(message)))
        at = f"{names.index(field) + 1:02d}" if field in names else _WHOLE_COMMAND
        return self.error_answer(message, number + at)

    def fields(self, request: bytes) -> Mapping[str, bytes]:
        raw = _cut(request)
        command = COMMANDS.get(raw.id) if raw is not None else None
        if raw is None or command is None or command.request is None:
            return {}
        found: dict[str, bytes] = {}
        for name, text in named_texts(command.request, raw.texts, Values()):
            found[name] = found[name] + b"#" + _raw(text) if name in found else _raw(text)
        return found

    def masked_request(self, message: bytes) -> bytes:
        raw = _cut(message)
        command = COMMANDS.get(raw.id) if raw is not None else None
        if raw is None or command is None or command.request is None:
            return _all_masked(message)
        try:
            decode_request(command, raw)
        except HSMFrameError:
            # What stands where is not known then, so nothing of it is written.
            return _all_masked(message)
        return _joined(raw, command, command.request, Values())

    def masked_answer(self, message: bytes, answer: bytes) -> bytes:
        request, raw = _cut(message), _cut(answer)
        command = COMMANDS.get(request.id) if request is not None else None
        if raw is not None and _is_refusal(raw):
            return _plain(raw)
        if request is None or raw is None or command is None or command.request is None:
            return _all_masked(answer)
        try:
            values = decode_request(command, request)
            decode_fields(command.response, raw.texts, Values(values))
        except HSMFrameError:
            return _all_masked(answer)
        return _joined(raw, command, command.response, values)

    def adapted_answer(self, message: bytes, answer: bytes) -> bytes:
        raw = _cut(message)
        return answer + (f"{raw.tag}#".encode("latin-1") if raw is not None and raw.tag else b"")


def _cut(message: bytes) -> RawMessage | None:
    try:
        return split(message)
    except HSMFrameError:
        return None


def _is_refusal(raw: RawMessage) -> bool:
    """Whether an answer is an error and nothing else: six digits, and perhaps a detail."""
    try:
        refusal = read_refusal(raw)
    except HSMFrameError:
        return False
    return raw.id == ERROR_ID and refusal.error != "00" and not any(raw.texts[2:])


def _joined(raw: RawMessage, command: Command, fields: Fields, values: Values) -> bytes:
    """Write a message without its context tag, its secrets masked."""
    secrets = SECRETS | CLEAR_MESSAGES.get(command.code, frozenset())
    texts = [
        MASK * len(_raw(text)) if name in secrets else _raw(text)
        for name, text in named_texts(fields, raw.texts, values)
    ]
    return b"".join(part + b"#" for part in (_raw(raw.id), *texts))


def _plain(raw: RawMessage) -> bytes:
    return b"".join(_raw(part) + b"#" for part in (raw.id, *raw.texts))


def _raw(text: str) -> bytes:
    return text.encode("latin-1")


def _all_masked(message: bytes) -> bytes:
    head, hash_mark, rest = message.partition(b"#")
    if head.decode("latin-1") not in COMMANDS:
        return MASK * len(message)
    return head + hash_mark + MASK * len(rest)
