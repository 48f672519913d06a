"""
Error frames: `[AOERRO;AM<number>;AN<tag>;BB<text>;]`.

One number is public, 34. The numbers from 900 on are the simulator's own, so that nobody takes
them for a vendor's.
"""

from __future__ import annotations

from typing import Final

from keyferry.errors import HSMRefusedError
from keyferry.hsm.commands import Command

INVALID: Final = "34"
MISSING: Final = "901"
COMMAND_DISABLED: Final = "902"
MAJOR_KEY_NOT_LOADED: Final = "903"
NOT_AUTHENTIC: Final = "904"
USAGE_VIOLATION: Final = "905"
CERTIFICATE_INVALID: Final = "906"
INTERNAL: Final = "999"
# No device answers these two: a simulator that replays a recording does.
NOT_IN_RECORDING: Final = "907"
MASKED_IN_RECORDING: Final = "908"

MEANINGS: Final = {
    INVALID: "INVALID TOKEN",
    MISSING: "MISSING TOKEN",
    COMMAND_DISABLED: "COMMAND DISABLED",
    MAJOR_KEY_NOT_LOADED: "MAJOR KEY NOT LOADED",
    NOT_AUTHENTIC: "KEY AUTHENTICATION FAILED",
    USAGE_VIOLATION: "KEY USAGE VIOLATION",
    CERTIFICATE_INVALID: "CERTIFICATE VERIFICATION FAILED",
    INTERNAL: "INTERNAL ERROR",
    NOT_IN_RECORDING: "NOT IN THE RECORDING",
    MASKED_IN_RECORDING: "ANSWER MASKED IN THE RECORDING",
}

_HINTS: Final = {
    INVALID: "the HSM does not know the command, or the value of the token it names",
    COMMAND_DISABLED: "have the administrator enable the command",
    MAJOR_KEY_NOT_LOADED: "load the major key, or use keys under another one",
    NOT_AUTHENTIC: "the key was wrapped by another HSM or partition, or was altered",
    USAGE_VIOLATION: "check usage, mode and exportability of the key, and the KEK's strength",
    CERTIFICATE_INVALID: "check issuer and validity of the certificate, and the HSM's clock",
    NOT_IN_RECORDING: "the token is new: nonces, certificates, serial numbers and dates are in"
    " every run, so only what has none of them replays",
    MASKED_IN_RECORDING: "the answer was a secret: ask a device, or a simulator with its --state",
}


def refusal(command: Command, number: str, tag: str, text: str) -> HSMRefusedError:
    """
    Return the error for an error frame.

    Args:
        command: that was refused.
        number: of token AM.
        tag: of token AN, the token the HSM objects to; may be empty.
        text: of token BB.
    """
    meaning = text.lower() or MEANINGS.get(number, "unknown error number").lower()
    about = f" ({_token_words(command, tag)})" if tag else ""
    return HSMRefusedError(command.title, number, meaning + about, hint=_HINTS.get(number))


def _token_words(command: Command, tag: str) -> str:
    """Name a token as the command's table does."""
    if tag == "AO":
        return "token AO, the command"
    for row in command.request or ():
        if getattr(row, "tag", "") == tag:
            return f"token {tag}, {row.names()[0].replace('_', ' ')}"
    return f"token {tag[:2]}"
