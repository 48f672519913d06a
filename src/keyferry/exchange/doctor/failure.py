"""The error an exchange ended with, told as doctor tells a finding: cause and fix."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyferry.errors import (
    ConfigurationError,
    HSMRefusedError,
    KeyferryError,
    RemoteRefusedError,
)
from keyferry.exchange.carried import Carried
from keyferry.exchange.doctor.examination import AtHand, Finding
from keyferry.exchange.doctor.explanations import explain
from keyferry.exchange.doctor.failure_causes import CAUSES, UNKNOWN
from keyferry.exchange.doctor.recognition import diagnose
from keyferry.hsm.atalla.commands import COMMANDS as ATALLA_COMMANDS
from keyferry.hsm.futurex.commands import COMMANDS as FUTUREX_COMMANDS
from keyferry.hsm.payshield.commands import COMMANDS as PAYSHIELD_COMMANDS


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureDiagnosis:
    """Why an exchange failed."""

    id: str
    meaning: str
    likely: str
    fix: str


_COMMANDS: Final[dict[str, Collection[str]]] = {
    "payshield": PAYSHIELD_COMMANDS,
    "futurex": FUTUREX_COMMANDS,
    "atalla": ATALLA_COMMANDS,
}


def explain_failure(
    error: KeyferryError,
    *,
    systems: tuple[str, ...],
    carried: Carried | None = None,
    now: datetime,
) -> FailureDiagnosis:
    """
    Explain the error an exchange ended with.

    What had travelled by then is examined as `doctor` does; a finding there says more than the
    receiver's refusal.

    Args:
        error: what was raised.
        systems: the parties by name, sender first; those that are no HSM are passed over.
        carried: what its sender had made, if it came so far.
        now: aware.
    """
    finding = _examine(carried, now) if carried is not None else None
    if finding is not None:
        return FailureDiagnosis(
            id=finding.cause.id,
            meaning=finding.problem,
            likely=finding.cause.likely,
            fix=finding.cause.fix,
        )
    try:
        if isinstance(error, HSMRefusedError):
            command = error.command.split(" ", 1)[0]
            system = next((s for s in systems if command in _COMMANDS.get(s, ())), "")
            found = explain(system, error.code, command=command)
            return FailureDiagnosis(
                id=f"{found.system}-{found.code}",
                meaning=found.meaning,
                likely=found.likely,
                fix=found.fix,
            )
        if isinstance(error, RemoteRefusedError):
            found = explain("apc", error.code)
            return FailureDiagnosis(
                id=found.code, meaning=found.meaning, likely=found.likely, fix=found.fix
            )
    except ConfigurationError:
        pass  # a code nobody has published: its class still tells something
    identifier, likely, fix = next(
        (words for kind, *words in CAUSES if isinstance(error, kind)), UNKNOWN
    )
    return FailureDiagnosis(id=identifier, meaning=str(error), likely=likely, fix=error.hint or fix)


def _examine(carried: Carried, now: datetime) -> Finding | None:
    at_hand = AtHand(
        now=now,
        nonce=carried.nonce,
        authorities=carried.authorities,
        kdh_certificate=carried.kdh_certificate,
        krd_certificate=carried.krd_certificate,
    )
    return diagnose(carried.data, at_hand).finding
