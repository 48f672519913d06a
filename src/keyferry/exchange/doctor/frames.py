"""
Answers of HSMs: what a payShield, a Futurex or an Atalla says when it says no.

The cause of an error frame is its code, so each has the id `FAMILY-CODE`; the words are those of
`explain`.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.exchange.doctor.examination import Cause, Examination
from keyferry.exchange.doctor.explanations import explain
from keyferry.hsm.atalla import message as atalla
from keyferry.hsm.atalla.commands import COMMANDS as ATALLA_COMMANDS
from keyferry.hsm.futurex import message as futurex
from keyferry.hsm.futurex.tokens import split as split_tokens
from keyferry.hsm.payshield.commands import COMMANDS as PAYSHIELD_COMMANDS

PAYSHIELD: Final = "payshield"
FUTUREX: Final = "futurex"
ATALLA: Final = "atalla"

FRAME_LENGTH: Final = Cause(
    "frame-length",
    "the client read once and took what had come; long answers arrive in several parts",
    "read until the length in the first two bytes is in",
)
FRAME_FORM: Final = Cause(
    "frame-malformed",
    "the answer was cut, or another program listens on this port",
    "check host, port and protocol (TLS or not), and read whole frames",
)
OTHER_COMMAND: Final = Cause(
    "frame-other-command",
    "an answer to an earlier command was read: client and HSM are out of step",
    "close the connection after a timeout; compare the echoed header with the one sent",
)

UNPUBLISHED: Final = Cause(
    "unpublished",
    "the answer was damaged on the way, or newer firmware has a code of its own",
    "read the answer again; look the code up in the manual of the firmware, or ask the vendor",
)

REQUEST: Final = Cause(
    "frame-request",
    "the command was given, not what the HSM said to it",
    "give the answer: the next frame, from the HSM",
)

_ATALLA_REQUESTS: Final = frozenset(ATALLA_COMMANDS) - {
    command.response_code for command in ATALLA_COMMANDS.values()
}
_ANSWERS: Final = {command.response_code: command for command in PAYSHIELD_COMMANDS.values()}
_PAYSHIELD_TEXT: Final = re.compile(rb"^(?P<code>[A-Z][0-9A-Z])(?P<error>[0-9A-E][0-9A-F])")


def find_payshield_answer(data: bytes, header_bytes: int) -> bytes | None:
    """
    Return the message of a payShield answer from its response code on, if `data` looks like one.

    It may come with its length and header, with its header, or bare.
    """
    framed = len(data) > 2 and int.from_bytes(data[:2], "big") == len(data) - 2
    for start in (2 + header_bytes, 2) if framed else (0, header_bytes, 2 + header_bytes):
        match = _PAYSHIELD_TEXT.match(data[start:])
        if match is not None and match["code"].decode("ascii") in _ANSWERS:
            return data[start:]
    return None


def examine_payshield(data: bytes, examination: Examination) -> None:
    """Examine an answer of a payShield, with or without length and header."""
    if data[:1] == b"\x00" and int.from_bytes(data[:2], "big") != len(data) - 2:
        stated = int.from_bytes(data[:2], "big")
        examination.fail(
            "length", FRAME_LENGTH, f"the frame states {stated} bytes, there are {len(data) - 2}"
        )
    answer = find_payshield_answer(data, examination.at_hand.header_bytes)
    if answer is None:
        examination.fail("form", FRAME_FORM, "there is no response code of a host command")
    code, error = answer[:2].decode("ascii"), answer[2:4].decode("ascii")
    command = _ANSWERS[code]
    asked = examination.at_hand.command
    if asked and asked.upper() != command.code:
        examination.fail(
            "command", OTHER_COMMAND, f"{code} answers {command.code}, not {asked.upper()}"
        )
    examination.fact("answers", command.title)
    examination.fact("error code", error)
    if error == "00":
        examination.passed("error code")
        return
    _fail(examination, PAYSHIELD, error, command.code)


def examine_futurex(text: str, examination: Examination) -> None:
    """Examine an Excrypt answer: `[AO....;...;]`."""
    body = text.strip()
    if not (body.startswith("[") and body.endswith("]")):
        examination.fail("form", FRAME_FORM, "there are no [ and ] around it")
    try:
        tokens = split_tokens(body[1:-1].encode("ascii", "replace"))
        code = futurex.command_of(tokens)
    except HSMFrameError as error:
        examination.fail("form", FRAME_FORM, str(error))
    values = {token.tag: token.value.decode("ascii", "replace") for token in tokens}
    examination.fact("answers", code if code != futurex.ERROR else "a command that was refused")
    if code == futurex.ERROR:
        number = values.get(futurex.ERROR_NUMBER, "")
        examination.fact("error number", number or "none")
        examination.fact("token", values.get(futurex.ERROR_TAG, "none"))
        examination.fact("text", values.get(futurex.STATUS, ""))
        _fail(examination, FUTUREX, number, examination.at_hand.command or None)
    status = values.get(futurex.STATUS, futurex.GOOD)
    if status not in ("", futurex.GOOD) and len(status) == 1:
        _fail(examination, FUTUREX, status, code)
    examination.passed("status")


def examine_atalla(text: str, examination: Examination) -> None:
    """Examine an Atalla answer: `<2nn#...#>` or `<00#XXYYZZ#>`."""
    body = text.strip()
    if not (body.startswith("<") and body.endswith(">")):
        examination.fail("form", FRAME_FORM, "there are no < and > around it")
    try:
        raw = atalla.split(body[1:-1].encode("ascii", "replace"))
        examination.fact("answer", raw.id)
        if raw.id in _ATALLA_REQUESTS:
            examination.fail("form", REQUEST, f"{raw.id} is a command, its answer is another")
        if raw.id != atalla.ERROR_ID:
            examination.passed("error number")
            return
        refusal = atalla.read_refusal(raw)
    except HSMFrameError as error:
        examination.fail("form", FRAME_FORM, str(error))
    examination.fact("error", refusal.error)
    examination.fact("first field in error", refusal.field)
    examination.fact("software", refusal.version)
    if refusal.detail:
        examination.fact("detail", refusal.detail)
    if refusal.error == "00":
        examination.passed("error number")
        return
    _fail(examination, ATALLA, refusal.code, examination.at_hand.command or None)


def _fail(examination: Examination, system: str, code: str, command: str | None) -> NoReturn:
    try:
        explanation = explain(system, code, command=command)
    except ConfigurationError:
        examination.fail(
            "error code",
            Cause(f"{system}-unpublished", UNPUBLISHED.likely, UNPUBLISHED.fix),
            f"error code {code[:8]!r} is in no public list",
        )
    examination.fail(
        "error code",
        Cause(f"{system}-{explanation.code}", explanation.likely, explanation.fix),
        explanation.meaning,
    )
