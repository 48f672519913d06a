"""
Making the proof of a key in one Region, and checking it in another.

A key that no operation tells anything of, or that is stopped, is judged by its check value, which
both Regions compute anew from the material they hold.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import StrEnum

from keyferry.errors import KeyferryError, StoreIntegrityError
from keyferry.keys import key_check_value
from keyferry.service.replication.proof.methods import (
    Method,
    is_made_up,
    made_up_pan,
    method_for,
)
from keyferry.service.replication.proof.workbench import Subject, Workbench
from keyferry.service.store.records import KeyRecord
from keyferry.service.wire.errors import api_error

CHECK_VALUE = "check value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one Region says of a key; nothing in it is secret, and no card is like it."""

    account: str
    key_id: str
    usage: str
    algorithm: str
    method: str  # the name of a method, or CHECK_VALUE
    operation: str  # of the data plane, that made it; empty for a check value
    reason: str  # why use tells nothing; empty if it does
    values: tuple[dict[str, str], ...] = field(default=())  # of each round


class Verdict(StrEnum):
    """What became of a proof."""

    BY_USE = "PROVEN_BY_USE"
    BY_CHECK_VALUE = "PROVEN_BY_CHECK_VALUE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the other Region found."""

    verdict: Verdict
    operation: str  # that checked it; empty for a check value
    reason: str  # why it failed, or why use tells nothing


async def make_evidence(bench: Workbench, record: KeyRecord) -> Evidence:
    """
    Use a key, or compute its check value if use would tell nothing.

    Raises:
        KeyferryError: the key cannot be used here; the proof fails before it leaves.
    """
    attributes = record.attributes
    method, reason = _method(record)
    operation = ""
    if method is None:
        values: tuple[dict[str, str], ...] = ({"check_value": _check_value(bench, record)},)
    else:
        operation = method.pair.make.operation
        values = tuple([await _make(method, Subject(bench, record)) for _ in range(method.rounds)])
    return Evidence(
        account=record.account,
        key_id=record.key_id,
        usage=attributes.key_usage.code,
        algorithm=attributes.key_algorithm.value,
        method=CHECK_VALUE if method is None else method.name,
        operation=operation,
        reason=reason,
        values=values,
    )


async def check_evidence(bench: Workbench, record: KeyRecord, evidence: Evidence) -> Judgement:
    """Verify what the other Region made, with the key as it is here; nothing is raised."""
    method, reason = _method(record)
    operation = "" if method is None else method.pair.check.operation
    name = CHECK_VALUE if method is None else method.name
    if name != evidence.method:
        return _failed(
            operation,
            f"it is proven by {name} here and by {evidence.method} there: its attributes or its"
            " state differ",
        )
    try:
        if method is None:
            expected = [values.get("check_value", "") for values in evidence.values]
            found = _check_value(bench, record)
            if not expected or not all(hmac.compare_digest(found, one) for one in expected):
                return _failed("", "the check value is another")
            return Judgement(verdict=Verdict.BY_CHECK_VALUE, operation="", reason=reason)
        if len(evidence.values) != method.rounds:
            return _failed(operation, f"expected {method.rounds} values")
        for values in evidence.values:
            if not is_made_up(values.get("pan", made_up_pan())):
                return _failed(operation, "the PAN of the proof may be a card's")
            if not await _check(method, Subject(bench, record), values):
                return _failed(operation, "the result is another")
    except KeyferryError as refused:
        return _failed(operation, refusal(refused))
    except KeyError as missing:
        return _failed(operation, f"the proof has no {missing.args[0]}")
    return Judgement(verdict=Verdict.BY_USE, operation=operation, reason="")


def refusal(error: KeyferryError) -> str:
    """A refusal in the words its caller would get over HTTP, which tell nothing of a key."""
    if isinstance(error, StoreIntegrityError):
        return "its row or its material does not open"
    shown = api_error(error)
    return f"{shown.name}: {shown.message}" if shown.message else shown.name


def _failed(operation: str, reason: str) -> Judgement:
    return Judgement(verdict=Verdict.FAILED, operation=operation, reason=reason)


def _method(record: KeyRecord) -> tuple[Method | None, str]:
    """How a key is proven; None and why if by its check value alone."""
    if not record.usable:
        return None, "not provable by use: the key is stopped"
    method = method_for(record.attributes)
    if method is None:
        attributes = record.attributes
        modes = ", ".join(attributes.modes_of_use.names)
        return None, (
            f"not provable by use: no operation tells of {attributes.key_usage.code},"
            f" {attributes.key_algorithm.value}, {modes}"
        )
    return method, ""


def _check_value(bench: Workbench, record: KeyRecord) -> str:
    key = bench.opened(record.key_id)
    with key.material() as material:
        value, _ = key_check_value(key.algorithm, material.reveal(), record.check_value_algorithm)
    return value


async def _make(method: Method, subject: Subject) -> dict[str, str]:
    values = await method.prepare(subject)
    return values | await method.pair.make.run(subject, values)


async def _check(method: Method, subject: Subject, values: dict[str, str]) -> bool:
    found = await method.pair.check.run(subject, values)
    return all(hmac.compare_digest(found[name], values[name]) for name in found)
