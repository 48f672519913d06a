"""
The data plane over HTTP: signed requests against a plain uvicorn echo of the same bytes and against
moto's server, all replayed by a program in C, in turns.

What is compared is CPU time of the server for each request, which a busy machine disturbs least.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import goals
from benchmarks.load.filled_store import CVK, PEK, fill
from benchmarks.load.peers import moto_key, running_echo, running_moto
from benchmarks.load.replay import NotMeasuredError, Replayed, Server, prepared, replay
from benchmarks.load.requests import translate_requests, verify_requests
from benchmarks.load.signed import running_service, signed

CONNECTIONS = 24
ROUNDS = 20
SLICE = 1000  # requests in one turn: 20,000 of each kind in a run
MOTO_SLICE = 100  # it takes as long for them as we for thousands
HOT_KEYS = 1000
STORED_KEYS = 1_000_000
PACED_REQUESTS = 20_000
DIFFERENT = 200  # requests that are replayed in turns, where one key is asked

_VERIFY = "VerifyCardValidationData"
_TRANSLATE = "TranslatePinData"


def run() -> str:
    """Return the section of the results."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        return "\n\n".join(["## Data plane over HTTP", _against_peers(folder), _many_keys(folder)])


@dataclass(slots=True)
class Contestant:
    """A server with its requests, and what its slices measured."""

    server: Server
    requests: Path
    slice_size: int = SLICE
    rate: float = 0  # requests a second; 0 is as fast as the connections allow
    slices: list[Replayed] = field(default_factory=list)

    def take_turn(self) -> None:
        self.slices.append(
            replay(
                self.server,
                self.requests,
                count=self.slice_size,
                connections=CONNECTIONS,
                rate=self.rate,
            )
        )

    @property
    def cpu_us(self) -> float:
        return statistics.median(one.cpu_us for one in self.slices)

    @property
    def best_cpu_us(self) -> float:
        return min(one.cpu_us for one in self.slices)

    @property
    def throughput(self) -> float:
        """Requests a second."""
        return statistics.median(one.rate for one in self.slices)

    def ratio(self, peer: Contestant) -> float:
        """How many times the peer's CPU time ours is: the median over the rounds."""
        pairs = zip(self.slices, peer.slices, strict=True)
        return statistics.median(ours.cpu_us / theirs.cpu_us for ours, theirs in pairs)


# --- against peers -----------------------------------------------------------------------------


def _against_peers(folder: Path) -> str:
    cvks = fill(folder / "few", CVK, count=10, known=1)
    peks = fill(folder / "few", PEK, count=10, known=2)
    with contextlib.ExitStack() as running:
        one = running.enter_context(running_service(data_dir=folder / "few"))
        two = running.enter_context(running_service(data_dir=folder / "few", workers=2))
        echo = running.enter_context(running_echo())
        requests = {
            (server, name): running.enter_context(prepared(make(server.url, keys, DIFFERENT)))
            for server in (one, two, echo)
            for name, make, keys in (
                (_VERIFY, verify_requests, cvks),
                (_TRANSLATE, translate_requests, peks),
            )
        }
        contestants = {
            (label, name): Contestant(server, requests[server, name])
            for name in (_VERIFY, _TRANSLATE)
            for label, server in (("keyferry", one), ("echo", echo))
        }
        missing = ""
        try:
            moto = running.enter_context(running_moto())
        except NotMeasuredError as error:
            missing = f"\n\nNot measured: {error}."
        else:
            asked = signed(moto.url, "GetKey", {"KeyIdentifier": moto_key(moto)})
            contestants["moto", "GetKey"] = Contestant(
                moto, running.enter_context(prepared([asked])), MOTO_SLICE
            )
        _take_turns(contestants.values())
        table = _peer_table(contestants)
        ours = contestants["keyferry", _VERIFY]
        paced = _at_half_load(ours)
        workers = _two_workers(ours, Contestant(two, requests[two, _VERIFY]))
    return f"{table}{missing}\n\n{paced}\n\n{workers}"


def _take_turns(contestants: Collection[Contestant]) -> None:
    """Let each warm up, then measure all of them in every round."""
    for contestant in contestants:
        contestant.take_turn()
        contestant.slices.clear()
    for _ in range(ROUNDS):
        for contestant in contestants:
            contestant.take_turn()


def _peer_table(contestants: dict[tuple[str, str], Contestant]) -> str:
    lines = [
        f"{ROUNDS} rounds of {SLICE:,} requests of each kind ({MOTO_SLICE} of moto's) over"
        f" {CONNECTIONS} connections; CPU time of the server process. The echo does nothing but"
        " send the body of the same request back. The data events are counted, not written.",
        "",
        "| request | server | CPU µs, median | best | requests/s | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for (label, name), contestant in contestants.items():
        middle = [statistics.median(one.p50_us for one in contestant.slices) / 1000]
        middle.append(statistics.median(one.p99_us for one in contestant.slices) / 1000)
        lines.append(
            f"| {name} | {label} | {contestant.cpu_us:.1f} | {contestant.best_cpu_us:.1f}"
            f" | {contestant.throughput:,.0f} | {middle[0]:.2f} | {middle[1]:.2f} |"
        )
    lines.append("")
    for name in (_VERIFY, _TRANSLATE):
        ours = contestants["keyferry", name]
        echo = ours.ratio(contestants["echo", name])
        goals.check(
            f"{name}: CPU against a plain echo",
            echo,
            at_most=3,
            reason=f"{ours.cpu_us - contestants['echo', name].cpu_us:.0f} µs beside the echo's;"
            " the profile says where",
        )
        text = f"{name} costs {echo:.2f} × the echo"
        if ("moto", "GetKey") in contestants:
            moto = contestants["moto", "GetKey"].ratio(ours)
            goals.check(
                f"moto's GetKey against {name}, CPU",
                moto,
                at_least=15,
                reason="the profile says where our time goes",
            )
            text += f" and 1/{moto:.0f} of moto's GetKey"
        lines.append(f"{text}.")
    return "\n".join(lines)


def _at_half_load(contestant: Contestant) -> str:
    rate = contestant.throughput / 2
    paced = replay(
        contestant.server,
        contestant.requests,
        count=PACED_REQUESTS,
        connections=CONNECTIONS,
        rate=rate,
    )
    goals.check(
        f"{_VERIFY}: p99 at half load",
        paced.p99_us / 1000,
        at_most=5,
        unit="ms",
        reason=f"the median is {paced.p50_us / 1000:.2f} ms: something else had the core",
    )
    return (
        f"At half load ({rate:,.0f} requests/s, due at fixed times, timed from when they were due):"
        f" p50 {paced.p50_us / 1000:.2f} ms, p99 {paced.p99_us / 1000:.2f} ms, p99.9"
        f" {paced.p999_us / 1000:.2f} ms over {PACED_REQUESTS:,} requests; CPU"
        f" {paced.cpu_us:.1f} µs a request."
    )


def _two_workers(one: Contestant, two: Contestant) -> str:
    """The same load on one worker and on two: half of what one could take."""
    rate = one.throughput / 2
    single = Contestant(one.server, one.requests, rate=rate)
    two.rate = rate
    _take_turns([single, two])
    ratio = two.ratio(single)
    goals.check(
        f"{_VERIFY}: CPU a request, two workers against one",
        ratio,
        at_most=1.2,
        reason="two workers, the load and this program share the cores and their caches",
    )
    return (
        f"The same {rate:,.0f} requests/s on one worker and on two: {single.cpu_us:.1f} µs and"
        f" {two.cpu_us:.1f} µs of CPU a request, {ratio:.2f} ×."
    )


# --- many keys ---------------------------------------------------------------------------------


def _many_keys(folder: Path) -> str:
    with contextlib.ExitStack() as running:
        contestants = []
        for name, count in (("hot", HOT_KEYS), ("many", STORED_KEYS)):
            keys = fill(folder / name, CVK, count=count, known=HOT_KEYS)
            server = running.enter_context(running_service(data_dir=folder / name))
            requests = verify_requests(server.url, keys, HOT_KEYS)
            contestants.append(Contestant(server, running.enter_context(prepared(requests))))
        _take_turns(contestants)
    few, many = contestants
    ratio = many.ratio(few)
    goals.check(
        f"{HOT_KEYS:,} hot keys in a store of {STORED_KEYS:,}: CPU against a store of {HOT_KEYS:,}",
        ratio,
        at_most=1.2,
    )
    return (
        f"{_VERIFY} with {HOT_KEYS:,} keys in turns: {many.cpu_us:.1f} µs of CPU a request in a"
        f" store of {STORED_KEYS:,} keys, {few.cpu_us:.1f} µs in a store of {HOT_KEYS:,},"
        f" {ratio:.2f} ×."
    )
