"""
One examination: checks in order, the first that fails is the finding.

A check that lacks an input is not passed and not failed: it is told as not made, with what it
needs, so that nobody takes silence for health.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.secret import Secret


@dataclass(frozen=True, slots=True)
class Cause:
    """One way in which an input is wrong: a name for programs, the usual reason, the remedy."""

    id: str
    likely: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The first check that failed."""

    check: str
    problem: str  # what is wrong with this input, in words
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmade:
    """A check that could not be made."""

    check: str
    needs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What an examination came to. Nothing in it is secret."""

    kind: str  # what the input is taken for
    facts: tuple[tuple[str, str], ...]  # what it says of itself, unproven
    passed: tuple[str, ...]
    unmade: tuple[Unmade, ...]
    finding: Finding | None

    @property
    def is_good(self) -> bool:
        """Whether every check that could be made passed."""
        return self.finding is None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHand:
    """What lies beside the input; every member may be missing."""

    now: datetime  # aware
    kbpk: Secret | None = field(default=None, repr=False)  # for an AKB: the MFK or KEK
    kbpk_check_value: str = ""  # as the sender states it
    check_value: str = ""  # of the key that travels, as the sender states it
    nonce: bytes | None = field(default=None, repr=False)
    authorities: tuple[x509.Certificate, ...] = ()
    kdh_certificate: x509.Certificate | None = None
    krd_certificate: x509.Certificate | None = None
    krd_key: rsa.RSAPrivateKey | None = field(default=None, repr=False)
    command: str = ""  # which HSM command an error frame answers, where it does not say
    header_bytes: int = 4  # of the message header of a payShield host port


class FoundError(Exception):
    """Ends an examination at its first failing check; never leaves this package."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.problem)
        self.finding = finding


class Examination:
    """Collects what was checked. The check under way is named before it is made."""

    def __init__(self, kind: str, at_hand: AtHand) -> None:
        self.kind = kind
        self.at_hand = at_hand
        self._facts: list[tuple[str, str]] = []
        self._passed: list[str] = []
        self._unmade: list[Unmade] = []

    def fact(self, name: str, value: object) -> None:
        """Note what the input says of itself."""
        self._facts.append((name, str(value)))

    def facts(self) -> tuple[tuple[str, str], ...]:
        """Return what the input said of itself so far."""
        return tuple(self._facts)

    def passed(self, check: str) -> None:
        """Note a check that the input stands."""
        self._passed.append(check)

    def unmade(self, check: str, needs: str) -> None:
        """Note a check that lacks an input."""
        self._unmade.append(Unmade(check=check, needs=needs))

    def fail(self, check: str, cause: Cause, problem: str) -> NoReturn:
        """End the examination."""
        raise FoundError(Finding(check=check, problem=problem, cause=cause))

    def close(self, finding: Finding | None) -> Diagnosis:
        """Return what it came to."""
        return Diagnosis(
            kind=self.kind,
            facts=tuple(self._facts),
            passed=tuple(self._passed),
            unmade=tuple(self._unmade),
            finding=finding,
        )
