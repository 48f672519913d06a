"""
The runner: takes a vector file that was read, runs each case, says what passed.

It knows every (family, op) through `families.FAMILIES`. An op takes a `Case` and returns what it
computed, by the names the file uses for its expectations; the runner compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from keyferry.errors import KeyferryError, MalformedVectorError
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Value, compare
from keyferry.selftest.families import load_family

Op = Callable[[Case], Mapping[str, Value]]


class Status(StrEnum):
    """How a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOutcome:
    """What happened to one case. `detail` never holds key material."""

    name: str
    op: str
    status: Status
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyReport:
    """What happened to the cases of one file, in its order."""

    family: str
    outcomes: tuple[CaseOutcome, ...]
    unread: tuple[str, ...]  # names of members that nothing read or compared

    def count(self, status: Status) -> int:
        """How many cases ended so."""
        return sum(outcome.status is status for outcome in self.outcomes)

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return self.count(Status.PASSED)

    @property
    def failed(self) -> int:
        """How many cases failed."""
        return self.count(Status.FAILED)

    @property
    def unsupported(self) -> int:
        """How many cases have an op, or a family, we do not implement."""
        return self.count(Status.UNSUPPORTED)

    @property
    def ok(self) -> bool:
        """Whether every case passed."""
        return self.passed == len(self.outcomes)


def run_file(document: Mapping[str, Any], *, now: datetime, place: str = "") -> FamilyReport:
    """
    Run the cases of one vector file.

    Args:
        document: the JSON of the file.
        now: the time at which certificates must be valid; aware.
        place: the name of the file, for errors; by default its family.

    Raises:
        MalformedVectorError: the document has not the layout of a vector file, a case has a name
            twice, or an input cannot be read. Nothing is reported then.
    """
    family = document.get("family")
    if not isinstance(family, str) or not family:
        raise MalformedVectorError(f"{place or 'vector file'} member 'family': expected text")
    place = place or family
    cases = document.get("cases")
    if not isinstance(cases, list) or not cases:
        raise MalformedVectorError(f"{place} member 'cases': expected a list that is not empty")
    tables = {name: value for name, value in document.items() if name != "cases"}
    ops = load_family(family)
    outcomes: list[CaseOutcome] = []
    unread: set[str] = set()
    names: set[str] = set()
    for index, members in enumerate(cases):
        case = _case(members, place=f"{place} cases[{index}]", tables=tables, now=now)
        if case.name in names:
            raise MalformedVectorError(f"{case.place} name {case.name!r}: expected each name once")
        names.add(case.name)
        outcomes.append(_run(case, ops, unread))
    return FamilyReport(family=family, outcomes=tuple(outcomes), unread=tuple(sorted(unread)))


def _case(members: Any, *, place: str, tables: Mapping[str, Any], now: datetime) -> Case:
    """Make a case, once its name, op and expectation are there."""
    if not isinstance(members, dict):
        raise MalformedVectorError(f"{place}: expected an object")
    for member in ("name", "op"):
        if not isinstance(members.get(member), str) or not members[member]:
            raise MalformedVectorError(f"{place} member {member!r}: expected text")
    if members.get("expect", "error") != "error":
        raise MalformedVectorError(f"{place} member 'expect': expected 'error' or nothing")
    if not isinstance(members.get("verified", True), bool):
        raise MalformedVectorError(f"{place} member 'verified': expected true or false")
    return Case(place=f"{place} {members['name']!r}", members=members, tables=tables, now=now)


def _run(case: Case, ops: Mapping[str, Op], unread: set[str]) -> CaseOutcome:
    """Run one case; add the members it did not look at to `unread`."""
    op = case.text("op")
    function = ops.get(op)
    if function is None:
        return CaseOutcome(name=case.name, op=op, status=Status.UNSUPPORTED)
    detail = _judge(case, function, unread)
    status = Status.FAILED if detail else Status.PASSED
    return CaseOutcome(name=case.name, op=op, status=status, detail=detail)


def _judge(case: Case, function: Op, unread: set[str]) -> str:
    """Run an op and return why its case failed, nothing if it passed."""
    refusal_wanted = "expect" in case.members or case.members.get("verified") is False
    try:
        computed = dict(function(case))
    except MalformedVectorError:
        raise
    except KeyferryError as error:
        # The message may be told: errors of ours never hold key material.
        return "" if refusal_wanted else f"{type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - the outermost loop: any other is a failed case
        # Its words may hold what it worked on, so only the class is told.
        return f"raised {type(error).__name__}, which is not an error of ours"
    if refusal_wanted:
        return "expected a refusal, got a result"
    # A verification says yes by returning; there is no boolean to compare but this one.
    computed.setdefault("verified", True)
    expected = {name: case.members[name] for name in computed if name in case.members}
    if not expected:
        return f"nothing to compare: expected one of {', '.join(computed)}"
    unread.update(case.unread(list(computed)))
    differences = (
        compare(wanted, computed[name], name=name, place=case.place)
        for name, wanted in expected.items()
    )
    return "; ".join(filter(None, differences))
