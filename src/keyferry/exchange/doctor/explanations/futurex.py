"""Futurex error numbers and status letters: why they come, and what helps."""

from __future__ import annotations

from typing import Final

from keyferry.exchange.doctor.explanations import replay
from keyferry.exchange.doctor.explanations.explanation import Advice
from keyferry.hsm.futurex.refusals import (
    CERTIFICATE_INVALID,
    COMMAND_DISABLED,
    INTERNAL,
    INVALID,
    MAJOR_KEY_NOT_LOADED,
    MASKED_IN_RECORDING,
    MISSING,
    NOT_AUTHENTIC,
    NOT_IN_RECORDING,
    USAGE_VIOLATION,
)

STATUS_MEANINGS: Final = {
    "N": "not verified",
    "S": "PIN block does not have its form",
    "L": "PIN has a wrong length",
    "W": "PIN is too weak",
}

ADVICE: Final[Advice] = {
    INVALID: (
        "the command is unknown or switched off, or the token it names has a value or a place the"
        " command does not take",
        "token AN says which: AO is the command itself (have it enabled); else correct that"
        " token's value",
    ),
    MISSING: ("a token the command needs was not sent", "send the token that AN names"),
    COMMAND_DISABLED: (
        "function blocking has the command switched off",
        "have the administrator enable GPGS, GRSA, GECC, ASGC, ASYR, ASSR, AVPC, TRTP, TWKA, SDDH",
    ),
    MAJOR_KEY_NOT_LOADED: (
        "the major key that FS (or BJ) names is not loaded",
        "load the PMK (AES-256) and use FS6, or name the major key the keys are under",
    ),
    NOT_AUTHENTIC: (
        "the key block or trusted key was made by another HSM or partition, or was altered",
        "use keys as this HSM returned them; compare the check value of its PMK",
    ),
    USAGE_VIOLATION: (
        "usage, mode, exportability or strength of a key forbids it: a KEK must be K0 or K1 with"
        " mode B or E and at least as strong, the exported key E or S",
        "check the header of the key that AN names",
    ),
    CERTIFICATE_INVALID: (
        "a certificate or request does not verify under the trusted key, is expired or not yet"
        " valid, or is not for the private key beside it",
        "run keyferry doctor on the certificate with --ca; check the HSM's clock",
    ),
    INTERNAL: ("the device failed inside", "try again once, then look at its log"),
    "N": ("the value is not that of this card, PIN or message", "compare keys and data"),
    "S": ("wrong key, format or account number", "compare them on both sides"),
    "L": ("the PIN is shorter than 4 digits or longer than 12", "use a PIN of 4 to 12 digits"),
    "W": ("the PIN is trivial", "choose another PIN"),
    NOT_IN_RECORDING: replay.NOT_IN_RECORDING,
    MASKED_IN_RECORDING: replay.MASKED_IN_RECORDING,
}

GENERAL: Final = (
    "the vendor's table of error numbers is not public; the text in BB and the token in AN say what"
    " the device objects to",
    "compare the token that AN names with the command's table, and ask the vendor for the number",
)
