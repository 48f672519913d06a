"""The result of an exchange, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
import msgspec

from keyferry.cli.options import OutputOptions
from keyferry.errors import UnknownOutcomeError

if TYPE_CHECKING:
    from keyferry.errors import KeyferryError
    from keyferry.exchange.capabilities import Decision
    from keyferry.exchange.doctor import FailureDiagnosis
    from keyferry.exchange.plan import Plan
    from keyferry.exchange.result import ExchangeResult, Replica


_NOTHING = "nothing was imported, and nothing is left behind"
_UNKNOWN_OUTCOME = "what the last call made, if anything, is not known: list the newest keys"


def print_result(result: ExchangeResult, options: OutputOptions) -> None:
    """Print what was proven to standard output."""
    if options.json:
        document = {"proven": True, **asdict(result)}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    print_rows(
        [
            (
                "Key ARN" if result.key_arn.startswith("arn:") else "KRD's wrapped key",
                result.key_arn,
            ),
            ("KCV at the KRD", f"{result.key_check_value} ({result.key_check_value_algorithm})"),
            ("KCV at the KDH", f"{result.kdh_key_check_value} (same key)"),
            ("Key usage", result.received.key_usage),
            ("Key algorithm", result.received.key_algorithm),
            ("Mode of use", result.received.mode_of_use),
            ("Exportable", "yes" if result.received.exportable else "no"),
            ("KDH's wrapped key", result.kdh_key or "(a clear key, not repeated)"),
            *([("Under the KEK", result.key_encryption_key)] if result.key_encryption_key else []),
            *([("Proof by use", result.proof_by_use)] if result.proof_by_use else []),
            *(("Replica", _replica(replica)) for replica in result.replicas),
            *(("Note", note) for note in result.notes),
            *(("Cleaned up", statement) for statement in result.cleaned_up),
        ]
    )


def _replica(replica: Replica) -> str:
    shown = f"{replica.key_arn} (KCV {replica.key_check_value}, same key)"
    return f"{shown}, {replica.proof_by_use}" if replica.proof_by_use else shown


def print_decision(plan: Plan, decisions: Sequence[Decision], options: OutputOptions) -> None:
    """Print which method was chosen with which parameters, and every rule that was held."""
    chosen = _chosen(plan)
    if options.json:
        document = {
            "possible": True,
            **{name.replace(" ", "_"): value for name, value in chosen},
            "decisions": [
                {
                    "party": decision.label,
                    "told": dict(decision.device.told),
                    "rules": [asdict(rule) for rule in decision.rules],
                }
                for decision in decisions
            ],
        }
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    rows = [(name.capitalize(), value) for name, value in chosen]
    for decision in decisions:
        rows += [
            (f"{decision.label} says", f"{name}: {text}") for name, text in decision.device.told
        ]
        for rule in decision.rules:
            known = f" [{rule.evidence}]" if rule.evidence else ""
            rows.append((f"{decision.label} {rule.rule}", f"{rule.finding}{known}"))
    rows.append(("Decision", "the exchange can run; nothing was changed"))
    print_rows(rows)


def _chosen(plan: Plan) -> list[tuple[str, str]]:
    key = plan.key
    algorithm = key.algorithm or " or ".join(key.possible) or "known to its party only"
    rows = [
        ("method", str(plan.method)),
        ("key", f"{'a new' if key.generate else 'an existing'} {algorithm} for {key.usage}"),
    ]
    if plan.wrapping is not None:
        rows.append(("wrapping", str(plan.wrapping)))
    if plan.derivation is not None:
        derivation = plan.derivation
        rows.append(
            (
                "derivation",
                f"{derivation.algorithm} by {derivation.function} with {derivation.hash_name}",
            )
        )
    return rows


def print_failure(
    error: KeyferryError,
    diagnosis: FailureDiagnosis,
    options: OutputOptions,
    *,
    left: Sequence[str],
) -> None:
    """
    Tell why an exchange failed: beside the error for people, as the document for machines.

    What people read is printed with the error itself, at the edge.

    Args:
        error: the exchange ended with.
        diagnosis: of it.
        options: of the command line.
        left: what was made, and what became of it.
    """
    state = list(left)
    if isinstance(error, UnknownOutcomeError):
        state.append(_UNKNOWN_OUTCOME)
    state = state or [_NOTHING]
    error.add_note(f"cause: {diagnosis.likely} ({diagnosis.id})")
    if diagnosis.fix != error.hint:
        error.add_note(f"fix: {diagnosis.fix}")
    for statement in state:
        error.add_note(f"state: {statement}")
    if options.json:
        document = {
            "proven": False,
            "error": str(error),
            "hint": error.hint,
            "diagnosis": asdict(diagnosis),
            "state": state,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))


def print_rows(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns; values are not wrapped, so that they can be copied."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")
