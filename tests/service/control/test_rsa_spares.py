"""Spare RSA keys: never given out twice, made in the background, gone with the service."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from keyferry.service.control.rsa_spares import RSASpares

T = TypeVar("T")


class Bench:
    """An executor that can be ended, and a maker of numbered stand-ins for keys."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(2)
        self.numbers = itertools.count()
        self.made: list[str] = []

    def make(self, bits: int) -> Any:
        name = f"{bits}-{next(self.numbers)}"
        self.made.append(name)
        return name

    def offload(self, work: Callable[[], T], /) -> Any:
        return asyncio.get_running_loop().run_in_executor(self.threads, work)


async def settled(spares: RSASpares) -> None:
    """Wait until nothing is under way."""
    while spares._under_way:
        await asyncio.wait(list(spares._under_way.values()))
        await asyncio.sleep(0)


async def test_no_key_is_given_out_twice() -> None:
    """Many takers at once and later, of two sizes."""
    bench = Bench()
    spares = RSASpares(bench.make)
    taken: list[Any] = []
    for _ in range(5):
        taken += await asyncio.gather(
            *(spares.take(bits, offload=bench.offload) for bits in (2048, 4096) for _ in range(3))
        )
        await settled(spares)
    assert len(taken) == len(set(taken)) == 30
    # Beyond what was taken there is at most one spare of each size.
    assert len(bench.made) <= len(taken) + 2
    bench.threads.shutdown()


async def test_a_spare_is_taken_at_once() -> None:
    """The second key of a size was made before it was asked for."""
    bench = Bench()
    spares = RSASpares(bench.make)
    await spares.take(2048, offload=bench.offload)
    await settled(spares)
    assert len(bench.made) == 2
    assert await spares.take(2048, offload=bench.offload) == bench.made[1]
    bench.threads.shutdown()


async def test_ended_threads_and_failures_lose_no_key() -> None:
    """A refill that cannot run is passed over; the taken key is returned all the same."""
    bench = Bench()
    spares = RSASpares(bench.make)
    await spares.take(2048, offload=bench.offload)
    await settled(spares)
    bench.threads.shutdown()
    assert await spares.take(2048, offload=bench.offload) == bench.made[1]
    with pytest.raises(RuntimeError):
        await spares.take(2048, offload=bench.offload)

    failing = Bench()

    def fail_later(bits: int) -> Any:
        if failing.made:
            raise MemoryError
        return failing.make(bits)

    spares = RSASpares(fail_later)
    assert await spares.take(2048, offload=failing.offload) == "2048-0"
    await settled(spares)
    failing.threads.shutdown()


async def test_a_forked_process_starts_without_spares() -> None:
    """What a parent kept is dropped, so that two processes never share a key."""
    bench = Bench()
    spares = RSASpares(bench.make)
    await spares.take(2048, offload=bench.offload)
    await settled(spares)
    spares.forget()
    assert await spares.take(2048, offload=bench.offload) == bench.made[2]
    await settled(spares)
    bench.threads.shutdown()
