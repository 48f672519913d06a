"""Errors by which a simulator says that the recording it replays has no answer: one advice."""

from __future__ import annotations

from typing import Final

NOT_IN_RECORDING: Final = (
    "the simulator replays a recording (--replay), and something in this command is new: nonces,"
    " certificates, serial numbers and dates are, in every run by TR-34 and ECDH",
    "replay an exchange of an existing key by TR-31, as it was recorded; the simulator's log names"
    " the fields that differ; for anything else ask a device, or a simulator with its --state",
)

MASKED_IN_RECORDING: Final = (
    "the simulator replays a recording (--replay), and the answer it had was a secret, of which"
    " only the length was written",
    "ask a device, or a simulator with its --state",
)
