"""Atalla error numbers: why they come during an exchange, and what helps."""

from __future__ import annotations

from typing import Final

from keyferry.exchange.doctor.explanations import replay
from keyferry.exchange.doctor.explanations.explanation import Advice
from keyferry.hsm.atalla.refusals import MASKED_IN_RECORDING, NOT_IN_RECORDING

ADVICE: Final[Advice] = {
    "00": ("the command did what it was asked", "nothing is to be done"),
    "01": (
        "a field is too long or too short; with field 00 the whole command is longer than 5000"
        " characters, or its last field is not ended by #",
        "count the digits of the field; the modulus of a 2048-bit key has 512",
    ),
    "02": ("a field holds something else than its characters", "write upper-case hex"),
    "03": (
        "a value is none the command takes; for an AKB field: it is not header, key field and MAC",
        "compare the field with the command's table; run keyferry doctor on the AKB",
    ),
    "04": (
        "a # is missing or too many; empty fields keep theirs",
        "count the #: each field has one behind it, the last too",
    ),
    "05": ("a clear or legacy key has bad parity", "set odd parity, or check the key's origin"),
    "06": (
        "the key's usage, mode or exportability (header bytes 1, 3, 4) forbids it",
        "use a key whose header allows it; byte 4 must be E or S to leave the HSM",
    ),
    "0607": (
        "a key, often a KEK, may not be output while option E2 is off",
        "have the administrator switch option E2 on (108/109), then send the command again",
    ),
    "07": ("the key's usage forbids it", "use a key whose header allows it"),
    "08": (
        "the AKB does not verify: another MFK, or it was altered; in 139: the signing token does"
        " not fit the envelope",
        "compare the check digits of the MFK (9A KEY); use the parts of one 136 answer unchanged",
    ),
    "09": ("the command failed", "send it again once, then look at the HSM's log"),
    "10": (
        "the KEK is shorter than the key it is to wrap",
        "use a KEK at least as long: triple length for triple length keys",
    ),
    "11": ("printing failed", "no exchange prints; another client uses the HSM's printer"),
    "20": ("the serial number is set already", "nothing is to be done"),
    "21": ("there is no security association, or no serial number", "finish the HSM's set-up"),
    "22": (
        "this firmware has no such command, or hides those that are switched off",
        "have 12A, 120, 136, 139, 11A enabled; ask 1101 for the version",
    ),
    "23": (
        "the command or option is known and switched off",
        "have the administrator enable 12A, 120, 136, 139, and 11A with option E2",
    ),
    "24": (
        "the answer to the security challenge is wrong; the challenge is gone with it",
        "begin again with step 1 of 12A, and have both administrators approve the new challenge",
    ),
    "25": ("the acknowledgment does not fit", "begin the configuration again (108)"),
    "26": ("the command or option stands there twice", "name it once"),
    "27": (
        "there is no challenge: none was asked for, it was used already, or its time is over",
        "begin again with step 1 of 12A",
    ),
    "28": ("the configuration string is too long", "send it in parts"),
    "29": ("there is no memory for the configuration", "remove other custom commands"),
    "41": ("the security processor did not answer in time", "send the command again"),
    "73": (
        "the header of the AKB is not the one this field takes: 11A wants a k key as KEK, 136 the"
        " 1kRE key of 12A",
        "give the key the field is for; run 12A and 136 to make the two",
    ),
    **dict.fromkeys(("92", "93", "94"), ("keys of the factory fail", "ask the vendor")),
    NOT_IN_RECORDING: replay.NOT_IN_RECORDING,
    MASKED_IN_RECORDING: replay.MASKED_IN_RECORDING,
}

GENERAL: Final = (
    "the public table of error numbers does not have it",
    "switch option 21 on for a detailed error, and ask the vendor",
)
