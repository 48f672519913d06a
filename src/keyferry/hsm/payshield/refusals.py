"""
Error codes of the host interface: what they mean and what to do about them.

Source: the list of Core Host Commands PUGD0537-004, as public clients carry it.
"""

from __future__ import annotations

from typing import Final

from keyferry.errors import HSMRefusedError
from keyferry.hsm.commands import Command

# No device answers these two: a simulator that replays a recording does.
NOT_IN_RECORDING: Final = "ZR"
MASKED_IN_RECORDING: Final = "ZM"
REPLAY: Final = frozenset({NOT_IN_RECORDING, MASKED_IN_RECORDING})

MEANINGS: Final = {
    "00": "no error",
    "01": "verification failed, or imported key had bad parity",
    "02": "key length not right for the algorithm",
    "04": "invalid key type code",
    "05": "invalid key length flag",
    "10": "source key parity error",
    "11": "destination key parity error, or key all zeros",
    "12": "user storage content not available",
    "13": "invalid LMK identifier",
    "14": "PIN under LMK 02-03 is invalid",
    "15": "invalid input data",
    "16": "console or printer not ready",
    "17": "not authorised, or forbidden by security settings",
    "18": "document format not loaded",
    "19": "Diebold table invalid",
    "20": "PIN block does not contain valid values",
    "21": "invalid index",
    "22": "invalid account number",
    "23": "invalid PIN block format code",
    "24": "PIN shorter than 4 or longer than 12 digits",
    "25": "decimalisation table error",
    "26": "invalid key scheme",
    "27": "incompatible key length",
    "28": "invalid key type",
    "29": "key function not permitted",
    "30": "invalid reference number",
    "31": "insufficient solicitation entries",
    "32": "AES not licensed",
    "33": "LMK key change storage corrupted, or no old LMK loaded",
    "35": "no audit record found",
    "36": "all audit records retrieved",
    "39": "fraud detection",
    "40": "invalid checksum",
    "41": "internal hardware or software error",
    "42": "DES failure",
    "43": "RSA key generation failure",
    "44": "migration of key type 002 not allowed",
    "45": "bad destination key type for migration",
    "46": "invalid tag for encrypted PIN",
    "47": "algorithm not licensed",
    "48": "stronger LMK required for this key",
    "49": "private key error",
    "51": "invalid message header",
    "52": "invalid branch or height, or command chaining count",
    "65": "transaction key scheme none",
    "67": "command not licensed",
    "68": "command disabled",
    "69": "PIN block format disabled",
    "74": "invalid digest information",
    "75": "single-length key dressed as double or triple length",
    "76": "RSA public key length error, or encrypted data length error",
    "77": "clear data block error",
    "78": "private key length error",
    "79": "hash object identifier error",
    "80": "data length error",
    "81": "certificate header error",
    "82": "check value length error",
    "83": "key block format error",
    "84": "key block check value error",
    "85": "invalid OAEP mask generation function",
    "86": "invalid OAEP mask generation hash",
    "87": "OAEP parameter error",
    "90": "parity error in received data",
    "91": "longitudinal redundancy check error",
    "92": "character count error",
    "A1": "incompatible LMK schemes",
    "A2": "incompatible LMK identifiers",
    "A3": "incompatible LMK identifiers in key blocks",
    "A4": "key block authentication failure",
    "A5": "incompatible key length",
    "A6": "invalid key usage",
    "A7": "invalid algorithm",
    "A8": "invalid mode of use",
    "A9": "invalid key version number",
    "AA": "invalid export field",
    "AB": "invalid number of optional blocks",
    "AC": "optional header block error",
    "AD": "key status block error",
    "AE": "invalid start date or time",
    "AF": "invalid end date or time",
    "B0": "invalid encryption mode",
    "B1": "invalid authentication mode",
    "B2": "miscellaneous key block error",
    "B3": "invalid number of optional blocks",
    "B4": "optional block data error",
    "B5": "incompatible components",
    "B6": "incompatible key status blocks",
    "B7": "invalid change field",
    "B8": "invalid old value",
    "B9": "invalid new value",
    "BA": "no key status block",
    "BB": "invalid wrapping key",
    "BC": "repeated optional block",
    "BD": "incompatible key types",
    "BE": "invalid key block header identifier",
    "D2": "invalid curve",
    "D3": "invalid key encoding",
    "E0": "invalid command version number",
    NOT_IN_RECORDING: "not in the recording that the simulator replays",
    MASKED_IN_RECORDING: "its answer is masked in the recording that the simulator replays",
}

# A second try may succeed; nothing about the request is wrong.
TRANSIENT: Final = frozenset({"12", "41", "42"})

# The device does not have the command: it is not licensed, or not enabled.
UNAVAILABLE: Final = frozenset({"67", "68"})

_CONFIGURATION: Final = "ask the operator: the command or algorithm is disabled or not licensed"
_NOT_OF_THIS_LMK: Final = "the key was wrapped by another LMK, as another type, or was altered"
_ATTRIBUTES: Final = "check the key's attributes and the fields of the command"

_HINTS: Final = {
    "13": "name an LMK the device has loaded",
    "17": "authorise the activity at the console, or review the security settings",
    "33": "load the old LMK into key change storage",
    "47": _CONFIGURATION,
    "48": "use an AES key block LMK",
    "67": _CONFIGURATION,
    "68": _CONFIGURATION,
    "10": _NOT_OF_THIS_LMK,
    "11": _NOT_OF_THIS_LMK,
    "A1": "the key and the LMK belong to different schemes: variant and key block",
    "A2": "the keys were wrapped by different LMKs",
    "A3": "the key was wrapped by another LMK than the command names",
    "A4": _NOT_OF_THIS_LMK,
    "A5": "wrap the key under one at least as strong",
    "AA": "the key's exportability does not allow this",
    "BB": "the wrapping key's usage or mode does not allow this",
    NOT_IN_RECORDING: "something new is in the command, as nonces, certificates and dates are in"
    " every run; the simulator's log names the fields",
    MASKED_IN_RECORDING: "the answer was a secret: ask a device, or a simulator with its --state",
    **dict.fromkeys(("15", "26", "28", "29", "A6", "A7", "A8", "A9"), _ATTRIBUTES),
}


def meaning_of(command: Command | None, code: str) -> str:
    """Return what a code means, in the words of the command where it has its own."""
    own = command.errors.get(code) if command is not None else None
    return own or MEANINGS.get(code, "unknown error code")


def refusal(command: Command, code: str) -> HSMRefusedError:
    """Return the error for a command the device answered with a code other than 00."""
    # A command's own meaning is not the general one: the general hint would mislead there.
    hint = None if code in command.errors else _HINTS.get(code)
    return HSMRefusedError(command.title, code, meaning_of(command, code), hint=hint)
