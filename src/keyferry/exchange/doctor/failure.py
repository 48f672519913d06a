"""The error an exchange ended with, told as doctor tells a finding: cause and fix."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyferry.errors import (
    CertificateError,
    CheckValueMismatchError,
    ConfigurationError,
    DeviceCapabilityError,
    HSMConnectionError,
    HSMFrameError,
    HSMRefusedError,
    HSMTimeoutError,
    KeyBlockError,
    KeyferryError,
    KeyStrengthError,
    RemoteRefusedError,
    TokenError,
)
from keyferry.exchange.carried import Carried
from keyferry.exchange.doctor.examination import AtHand, Finding
from keyferry.exchange.doctor.explanations import explain
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
_OPENING: Final = "run keyferry doctor on what travelled, with the keys and certificates at hand"

# By class, the most special first: id, likely cause, fix.
_BY_CLASS: Final[tuple[tuple[type[KeyferryError], str, str, str], ...]] = (
    (
        CheckValueMismatchError,
        "check-value",
        "sender and receiver hold different keys: another KEK under the same name, a damaged key,"
        " or check values of two methods",
        "compare the check values of KEK and key on both sides, by the same method",
    ),
    (
        DeviceCapabilityError,
        "device-capability",
        "a command, an option, the master key or the firmware of the HSM does not allow it",
        "run with --explain to see every rule and what the HSM says of itself",
    ),
    (
        KeyStrengthError,
        "key-strength",
        "the key is stronger than what was to wrap it",
        "send AES_256 by ecdh, AES_128 by tr34 (RSA_3072), or establish a stronger KEK first",
    ),
    (
        HSMTimeoutError,
        "hsm-timeout",
        "the HSM is busy, or is not the kind that was configured and waits for more input",
        "check host, port and TLS; raise timeout_seconds; RSA keys take some HSMs minutes",
    ),
    (
        HSMConnectionError,
        "hsm-connection",
        "nothing listens there, the HSM allows no client of this address, or TLS was expected",
        "check host and port, the HSM's list of allowed clients, and the party's tls member",
    ),
    (
        HSMFrameError,
        "hsm-frame",
        "the answer is not of the protocol: another kind of HSM or port, or a damaged line",
        "check which HSM listens on host and port, and its message header length",
    ),
    (
        CertificateError,
        "certificate",
        "a certificate was issued by another authority, has expired, or is for another key",
        "run keyferry doctor on the chain with --ca; check the clocks",
    ),
    (
        TokenError,
        "token",
        "the token is not what its receiver expects",
        _OPENING,
    ),
    (
        KeyBlockError,
        "key-block",
        "the block is not what its receiver expects",
        _OPENING,
    ),
    (
        ConfigurationError,
        "configuration",
        "the configuration asks for what device or service do not have",
        "correct the member that is named",
    ),
)
_UNKNOWN: Final = (
    "failure",
    "one of the parties did not do what the exchange asked of it",
    "run again with -v, and keyferry doctor on the configuration",
)


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
        (words for kind, *words in _BY_CLASS if isinstance(error, kind)), _UNKNOWN
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
