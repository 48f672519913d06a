"""The table of the demonstration: one line a key, with its proof in both Regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keyferry.demo.exchanges import FAR, NEAR, Line
from keyferry.exchange.proof import NOT_PROVABLE

_HEADER = ("key", "from", "protocol", "usage", "algorithm", "KCV sent", NEAR, FAR, "")
_PROTOCOLS = {"tr34": "TR-34", "tr31": "TR-31", "ecdh": "ECDH"}


def table(lines: Sequence[Line]) -> str:
    """Return the table; under a Region stands what the key there shows and proves."""
    rows = [_HEADER, *(_row(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )


def _row(line: Line) -> tuple[str, ...]:
    exchange, result = line.exchange, line.result
    details: tuple[str, ...] = ("-",) * 5
    if result is not None:
        received = result["received"]
        held = {exchange.target: result, **{each["region"]: each for each in result["replicas"]}}
        details = (
            received["key_usage"],
            received["key_algorithm"],
            result["kdh_key_check_value"],
            *(_held(held.get(region)) for region in (NEAR, FAR)),
        )
    verdict = "proven" if line.proven else "FAILED"
    return (exchange.name, exchange.source, _PROTOCOLS[exchange.method], *details, verdict)


def _held(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "-"
    return f"{holder['key_check_value']} {by_use(holder['proof_by_use'])}"


def by_use(told: str) -> str:
    """Shorten what an exchange says of its proof: what was computed, and what became of it."""
    if not told or told.startswith(NOT_PROVABLE):
        return "-"
    made, _, checked = told.partition(" made by the ")
    _, _, done = checked.partition(", ")
    done, _, checker = done.partition(" by the ")
    # Where the Region computes, the sender verifies: the other way round than everywhere else.
    return f"{made} {done}" if checker == "receiver" else f"{made} {done} by the {checker}"
