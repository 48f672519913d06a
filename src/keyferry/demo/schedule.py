"""Exchanges side by side, each as soon as what it needs is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from keyferry.demo.exchanges import Exchange, Line


def run_all(
    exchanges: Sequence[Exchange], run: Callable[[Exchange], Line], *, workers: int
) -> list[Line]:
    """
    Run exchanges, and return their lines in the order of the exchanges.

    An interruption ends the waiting at once; what still runs then is the caller's to stop.

    Args:
        exchanges: in an order in which each finds what it needs.
        run: runs one, in a thread; what it needs has run before.
        workers: how many run at a time.
    """
    lines: dict[str, Line] = {}
    waiting = list(exchanges)
    running: set[Future[Line]] = set()
    pool = ThreadPoolExecutor(workers)
    try:
        while waiting or running:
            for exchange in [each for each in waiting if lines.keys() >= set(each.needs)]:
                if len(running) == workers:
                    break
                waiting.remove(exchange)
                running.add(pool.submit(run, exchange))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                line = future.result()
                lines[line.exchange.name] = line
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [lines[exchange.name] for exchange in exchanges]
