"""
`python -m keyferry.demo`: the main job on embedded defaults, without an AWS account or an HSM.

Keys come from HSM simulators and from one Region into the other, each is replicated to the Region
it did not arrive in, and proven by use in both. In the end one Region is cut off, and the other
used alone. Exit code 0 only if every line is proven.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from keyferry.demo.drill import rehearse
from keyferry.demo.exchanges import (
    FAR,
    NEAR,
    Exchange,
    Line,
    Results,
    planned,
    run_exchange,
)
from keyferry.demo.interruption import Interruption
from keyferry.demo.processes import DemoError, Processes
from keyferry.demo.schedule import run_all
from keyferry.demo.table import table

# The families and what their simulators are started with.
SIMULATORS = {"payshield": (), "futurex": (), "atalla": ("--dual-control", "auto")}

MOST_WORKERS = 4  # each is a process of its own


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
            _say(f"losing {NEAR}: the drill")
            rehearsal = rehearse(processes)
    except DemoError as error:
        sys.stderr.write(f"keyferry demo: error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("keyferry demo: interrupted\n")
        return 130
    if rehearsal.reason:
        _say(rehearsal.reason)
    proven = sum(line.proven for line in lines)
    sys.stdout.write(
        f"{table(lines)}\n"
        f"{proven} of {len(lines)} keys are proven, each in {NEAR} and in {FAR}\n\n"
        f"{rehearsal.text()}\n"
        f"done in {time.monotonic() - started:.1f} s\n"
    )
    return 0 if proven == len(lines) and rehearsal.proven else 1


def _exchange_all(processes: Processes) -> list[Line]:
    _say(f"starting the service with Regions {NEAR} and {FAR}, and the HSM simulators")
    # A canary makes sure before the drill that changes arrive; in --dev it is off unless wanted.
    processes.launch("serve", "serve", "--dev", "--port", "0", "--canary-seconds", "2")
    for family, options in SIMULATORS.items():
        processes.launch(family, "simulate", family, "--port", "0", *options)
    service = processes.ready("serve")
    ports = {family: processes.ready(family)["port"] for family in SIMULATORS}
    processes.environment |= {
        "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY": service["url"],
        "AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA": service["url"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    results: Results = {}

    def run(exchange: Exchange) -> Line:
        _say(f"{exchange.source} to {exchange.target} by {exchange.method}: {exchange.name}")
        line = run_exchange(exchange, results, processes)
        if line.reason:
            _say(f"{exchange.name}: {line.reason}")
        return line

    return run_all(planned(ports), run, workers=min(os.cpu_count() or 1, MOST_WORKERS))


def _say(text: str) -> None:
    sys.stderr.write(f"keyferry demo: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
