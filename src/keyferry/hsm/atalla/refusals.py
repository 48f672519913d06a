"""
Error answers of the host interface: what they mean and what to do about them.

Source: a public client that cites the AT1000 Command Reference Manual, and for 0607 the AWS
samples.
"""

from __future__ import annotations

from typing import Final

from keyferry.errors import HSMRefusedError
from keyferry.hsm.atalla.message import Refusal
from keyferry.hsm.commands import Command

# No device answers these two: a simulator that replays a recording does.
NOT_IN_RECORDING: Final = "98"
MASKED_IN_RECORDING: Final = "99"
REPLAY: Final = frozenset({NOT_IN_RECORDING, MASKED_IN_RECORDING})

MEANINGS: Final = {
    "00": "reply to a test message",
    "01": "length out of range",
    "02": "invalid character",
    "03": "value out of range",
    "04": "wrong number of fields",
    "05": "parity error",
    "06": "key usage error",
    "07": "key usage error",
    "08": "execution error",
    "09": "execution error",
    "10": "key length error",
    "11": "printing error",
    "12": "marker string missing",
    "20": "serial number already set",
    "21": "not in a security association, or no serial number",
    "22": "no such command or option",
    "23": "command or option not enabled",
    "24": "incorrect challenge answer",
    "25": "incorrect acknowledgment",
    "26": "duplicate command or option",
    "27": "no challenge to verify",
    "28": "configuration string too long",
    "29": "no memory for the configuration",
    "41": "security processor timeout",
    "73": "header mismatch",
    "92": "auto-key or factory-key error",
    "93": "auto-key or factory-key error",
    "94": "auto-key or factory-key error",
    NOT_IN_RECORDING: "not in the recording that the simulator replays",
    MASKED_IN_RECORDING: "answer masked in the recording that the simulator replays",
}

SECURITY_VIOLATION: Final = "0607"

# The moment is to blame, not the request: a second try may succeed.
TRANSIENT: Final = frozenset({"41"})

_HINTS: Final = {
    "06": "the key's mode or exportability does not allow this",
    "08": "the key was wrapped under another MFK, or was altered",
    "10": "wrap the key under one at least as long",
    "22": "ask the administrator which commands this firmware has",
    "23": "have the administrator enable the command: 12A, 120, 136, 139 and 11A are needed",
    "24": "begin again: the challenge is gone with the wrong answer",
    "27": "begin again: the challenge was used, or its time is over",
    "73": "check the header of the key against the one this field takes",
    NOT_IN_RECORDING: "the field is new: nonces, certificates and the receiver's key are in every"
    " run, so only what has none of them replays",
    MASKED_IN_RECORDING: "the answer was a secret: ask a device, or a simulator with its --state",
}


def meaning_of(code: str) -> str:
    """Return what an error means; `code` is the error number, and the field where it is known."""
    if code[:4] == SECURITY_VIOLATION:
        return "security violation: the key may not be output"
    meaning = MEANINGS.get(code[:2], "unknown error")
    field = code[2:4]
    return f"{meaning} in field {int(field)}" if field.isdigit() and field != "00" else meaning


def hint_for(code: str) -> str | None:
    """Return what to do about an error, if anything is known to help."""
    if code[:4] == SECURITY_VIOLATION:
        return "have the administrator switch option E2 on"
    return _HINTS.get(code[:2])


def refusal_error(command: Command, refusal: Refusal) -> HSMRefusedError:
    """Return the error for a command the device refused."""
    meaning = meaning_of(refusal.code)
    # The detail is a table of the manual that is not public: shown, never explained.
    if refusal.detail and refusal.detail != refusal.code:
        meaning += f" (detail {refusal.detail})"
    return HSMRefusedError(command.title, refusal.code, meaning, hint=hint_for(refusal.code))
