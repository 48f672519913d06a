"""
`python -m keyferry.demo`: the main job on embedded defaults, without an AWS account or an HSM.

Exit code 0 only if every key is proven on both sides.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from keyferry.demo.exchanges import FAR, NEAR, Line, Results, planned, run_exchange
from keyferry.demo.interruption import Interruption
from keyferry.demo.processes import DemoError, Processes
from keyferry.exchange.proof import NOT_PROVABLE

# The families and what their simulators are started with.
SIMULATORS = {"payshield": (), "futurex": (), "atalla": ("--dual-control", "auto")}


def main() -> int:
    """Run the demonstration and return its exit code."""
    # A terminated demonstration must stop its processes too, so it ends as if interrupted.
    interruption = Interruption()
    interruption.install()
    started = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="keyferry-demo-") as folder,
            Processes(Path(folder), interruption) as processes,
        ):
            lines = _exchange_all(processes)
    except DemoError as error:
        sys.stderr.write(f"keyferry demo: error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("keyferry demo: interrupted\n")
        return 130
    _print_table(lines)
    proven = sum(line.proven for line in lines)
    sys.stdout.write(
        f"\n{proven} of {len(lines)} keys are proven, in {time.monotonic() - started:.1f} s\n"
    )
    return 0 if proven == len(lines) else 1


def _exchange_all(processes: Processes) -> list[Line]:
    _say(f"starting the service with Regions {NEAR} and {FAR}, and the HSM simulators")
    service = processes.start("serve", *("serve", "--dev", "--port", "0"))
    ports = {
        family: processes.start(family, *("simulate", family, "--port", "0", *options))["port"]
        for family, options in SIMULATORS.items()
    }
    processes.environment |= {
        "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY": service["url"],
        "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA": service["url"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    results: Results = {}
    lines = []
    for exchange in planned(ports):
        _say(f"{exchange.source} to {exchange.target} by {exchange.method}: {exchange.name}")
        line = run_exchange(exchange, results, processes)
        if line.reason:
            _say(line.reason)
        lines.append(line)
    return lines


def _say(text: str) -> None:
    sys.stderr.write(f"keyferry demo: {text}\n")
    sys.stderr.flush()


def _print_table(lines: Sequence[Line]) -> None:
    rows: list[tuple[str, ...]] = [
        (
            "key",
            "from",
            "to",
            "protocol",
            "usage",
            "algorithm",
            "KCV sent",
            "KCV there",
            "by use",
            "",
        )
    ]
    for line in lines:
        result, exchange = line.result, line.exchange
        protocol = {"tr34": "TR-34", "tr31": "TR-31", "ecdh": "ECDH"}[exchange.method]
        details: tuple[str, ...] = ("-",) * 4
        by_use = "-"
        if result is not None:
            received = result["received"]
            details = (
                received["key_usage"],
                received["key_algorithm"],
                result["kdh_key_check_value"],
                result["key_check_value"],
            )
            by_use = _by_use(result["proof_by_use"])
        verdict = "proven" if line.proven else "FAILED"
        rows.append(
            (exchange.name, exchange.source, exchange.target, protocol, *details, by_use, verdict)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _by_use(told: str) -> str:
    """Shorten what an exchange says of its proof: what was computed, what became of it."""
    if not told or told.startswith(NOT_PROVABLE):
        return "-"
    made, _, checked = told.partition(" made by the sender, ")
    return f"{made} {checked.removesuffix(' by the receiver')}"


if __name__ == "__main__":
    sys.exit(main())
