"""Sixty-four connections, some of which misbehave: the others never notice."""

from __future__ import annotations

import asyncio

from keyferry.hsm.payshield.simulator import Device, Settings
from keyferry.hsm.payshield.simulator.server import SimulatorServer

BEHAVING, MISBEHAVING, QUESTIONS = 61, 3, 30
ANSWER = b"00CD000491DDDA0A7C12CFAA01"
QUESTION = (
    "00CCU1EF828AA8F6B80EB83E19FBC373F3A85U1EF828AA8F6B80EB83E19FBC373F3A85"
    "1291DDDA0A7C12CFAA0101550000025321"
)


def framed(number: int) -> bytes:
    """A question with a header of its own."""
    message = f"{number:02d}{QUESTION}".encode()
    return len(message).to_bytes(2, "big") + message


async def behave(port: int) -> list[bytes]:
    """Ask many questions at once on one connection and collect the answers as they come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(map(framed, range(QUESTIONS))))
    answers = []
    for _ in range(QUESTIONS):
        size = int.from_bytes(await reader.readexactly(2), "big")
        answers.append(await reader.readexactly(size))
    writer.close()
    return answers


async def misbehave(port: int, kind: int, until: asyncio.Event) -> int:
    """Send half a frame, an empty one, a long one, or nothing; come back when closed."""
    bad = [framed(1)[:20], b"\x00\x00junk", b"\xff\xffCC", b""]
    times = 0
    while not until.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bad[(kind + times) % len(bad)])
        times += 1
        closed = asyncio.ensure_future(reader.read())
        stop = asyncio.ensure_future(until.wait())
        await asyncio.wait({closed, stop}, return_when=asyncio.FIRST_COMPLETED, timeout=0.05)
        for task in (closed, stop):
            task.cancel()
        await asyncio.gather(closed, stop, return_exceptions=True)
        writer.close()
    return times


async def test_neighbours_see_no_error() -> None:
    """Every pipelined question is answered, in order, whatever the others do."""
    device = Device(settings=Settings(default_lmk="02"))
    async with SimulatorServer(device) as server:
        done = asyncio.Event()
        bad = [
            asyncio.create_task(misbehave(server.port, kind, done)) for kind in range(MISBEHAVING)
        ]
        answers = await asyncio.gather(*(behave(server.port) for _ in range(BEHAVING)))
        done.set()
        assert all(times >= 1 for times in await asyncio.gather(*bad))
    expected = [f"{number:02d}".encode() + ANSWER for number in range(QUESTIONS)]
    assert all(one == expected for one in answers)
