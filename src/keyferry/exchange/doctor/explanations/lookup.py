"""Find the explanation of a code."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from keyferry.errors import ConfigurationError
from keyferry.exchange.doctor.explanations import atalla, aws, futurex, payshield
from keyferry.exchange.doctor.explanations.explanation import Explanation
from keyferry.hsm.atalla import refusals as atalla_refusals
from keyferry.hsm.commands import Command
from keyferry.hsm.futurex import refusals as futurex_refusals
from keyferry.hsm.payshield import refusals as payshield_refusals
from keyferry.hsm.payshield.commands import COMMANDS as PAYSHIELD_COMMANDS

SYSTEMS: Final = ("payshield", "futurex", "atalla", "apc")

_PAYSHIELD_LIST: Final = "the list of PUGD0537-004, as public clients carry it"
_ATALLA_LIST: Final = "a public client that cites the AT1000 command reference"
_ATALLA_SAMPLES: Final = "the AWS samples"
_FUTUREX_PUBLIC: Final = "a public client: the only number that is public"
_FUTUREX_OWN: Final = "keyferry's simulator only: the vendor's numbers are not public"
_FUTUREX_UNKNOWN: Final = "nobody in public: the vendor's table of numbers is not"
_FUTUREX_NUMBERS: Final = {
    code: _FUTUREX_PUBLIC if code == futurex_refusals.INVALID else _FUTUREX_OWN
    for code in futurex_refusals.MEANINGS
}
_UNVERIFIED: Final = (
    "the value was made under another key or over other data than the command was given",
    "compare the check values of the keys on both sides, then each field the value was made over",
)
_REPLAY: Final = "keyferry's simulator only, where it replays a recording: no device has it"
_API: Final = "the API's service description"


def explain(system: str, code: str, *, command: str | None = None) -> Explanation:
    """
    Explain a code.

    Args:
        system: payshield, futurex, atalla or apc, in any case.
        code: of an error (for Atalla with or without the field), or an exception's name.
        command: the HSM command that was answered; some give codes a meaning of their own.

    Raises:
        ConfigurationError: the system or the code is not known; names the nearest.
    """
    known = system.lower()
    if known in ("aws", "service"):
        known = "apc"
    if known not in SYSTEMS:
        raise ConfigurationError(
            f"{system!r} is no system with codes to explain",
            hint=f"one of {', '.join(SYSTEMS)}, or the name of an exception alone",
        )
    code = code.strip()
    if known == "apc":
        return _explain_exception(code)
    if known == "payshield":
        return _explain_payshield(code.upper(), command)
    if known == "futurex":
        return _explain_futurex(code.upper())
    return _explain_atalla(code)


def _explain_payshield(code: str, name: str | None) -> Explanation:
    if code not in payshield_refusals.MEANINGS:
        raise _unknown("payshield", code, payshield_refusals.MEANINGS)
    command: Command | None = PAYSHIELD_COMMANDS.get((name or "").upper())
    meaning = payshield_refusals.meaning_of(command, code)
    likely, fix = payshield.ADVICE.get(code, payshield.GENERAL)
    if command is not None:
        meaning = f"{command.title}: {meaning}"
        if command.errors.get(code) == "verification failed":
            likely, fix = _UNVERIFIED
        elif code in command.errors:
            likely = f"{command.code} gives this code a meaning of its own: {command.errors[code]}"
    return Explanation(
        system="payshield",
        code=code,
        meaning=meaning,
        likely=likely,
        fix=fix,
        evidence=_REPLAY if code in payshield_refusals.REPLAY else _PAYSHIELD_LIST,
    )


def _explain_futurex(code: str) -> Explanation:
    code = code.removeprefix("AM")
    if code in futurex.STATUS_MEANINGS:
        meaning, evidence = futurex.STATUS_MEANINGS[code], "several public clients"
    else:
        meaning = futurex_refusals.MEANINGS.get(code, "an error number that is not public").lower()
        evidence = _FUTUREX_NUMBERS.get(code, _FUTUREX_UNKNOWN)
    if not code.isdigit() and code not in futurex.STATUS_MEANINGS:
        raise _unknown("futurex", code, futurex.ADVICE)
    likely, fix = futurex.ADVICE.get(code, futurex.GENERAL)
    return Explanation(
        system="futurex", code=code, meaning=meaning, likely=likely, fix=fix, evidence=evidence
    )


def _explain_atalla(code: str) -> Explanation:
    if not code.isdigit() or len(code) not in (2, 4, 6) or code[:2] not in atalla_refusals.MEANINGS:
        raise _unknown("atalla", code, atalla_refusals.MEANINGS)
    violation = code[:4] == atalla_refusals.SECURITY_VIOLATION
    source = _REPLAY if code[:2] in atalla_refusals.REPLAY else _ATALLA_LIST
    known = atalla_refusals.SECURITY_VIOLATION if violation else code[:2]
    likely, fix = atalla.ADVICE.get(known, atalla.GENERAL)
    return Explanation(
        system="atalla",
        code=known,
        meaning=atalla_refusals.meaning_of(code[:4]),
        likely=likely,
        fix=fix,
        evidence=_ATALLA_SAMPLES if violation else source,
    )


def _explain_exception(name: str) -> Explanation:
    found = next((known for known in aws.EXCEPTIONS if known.lower() == name.lower()), None)
    if found is None:
        raise _unknown("apc", name, aws.EXCEPTIONS)
    meaning, likely, fix = aws.EXCEPTIONS[found]
    return Explanation(
        system="apc", code=found, meaning=meaning, likely=likely, fix=fix, evidence=_API
    )


def _unknown(system: str, code: str, known: Mapping[str, object]) -> ConfigurationError:
    near = difflib.get_close_matches(code, known, n=3, cutoff=0.5)
    return ConfigurationError(
        f"{system} has no public code {code[:60]!r}",
        hint=f"the nearest: {', '.join(near)}" if near else f"known: {', '.join(known)}",
    )
