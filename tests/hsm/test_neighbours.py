"""Many connections to a Futurex or an Atalla, 1 in 20 misbehaving: the others never notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from keyferry.hsm.atalla.simulator import Device as Atalla
from keyferry.hsm.atalla.simulator.running import AtallaServer
from keyferry.hsm.futurex.simulator import Device as Futurex
from keyferry.hsm.futurex.simulator import fresh_state
from keyferry.hsm.futurex.simulator.running import serve
from keyferry.hsm.host_server import HostServer, Limits

BEHAVING, MISBEHAVING, QUESTIONS = 61, 3, 10
LIMITS = Limits(half_frame_s=0.3, connections=80)
KPE_A = "1PUNE000,302A81872F21CE1D0A8791AC9B0C7A6ABB5A9D73F6EB4872,B8E0CBEEB718723D"
KPE_B = "1PUNE000,0E1E69D28D24BABD7152C3ECAB2A04E4A471A1C8CD7FF123,01C98B8A08067F7A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A simulator, a question numbered so that its answer tells which it was, and bad bytes."""

    serve: Callable[[], HostServer]
    question: str  # `{n}` is a number of two digits
    answer: str
    end: bytes
    # Half a frame, garbage, a frame that never ends (there is no length to lie about), nothing.
    bad: tuple[bytes, ...]


def futurex() -> Family:
    """TPIN with a number in AG."""
    device = Futurex(fresh_state(mfk=True))

    def ask(message: str) -> str:
        answer = device.answer(message.encode())
        assert isinstance(answer, bytes)
        return answer.decode()

    key = ask("AOGPGS;FS6;CT2;AKD0000P0TB00E0000;").split(";BG")[1].split(";")[0]
    block = ask(f"AOEPIN;AX{key};AF1234;AW1;AK550000025321;").split(";AL")[1].split(";")[0]
    return Family(
        serve=lambda: serve(device, limits=LIMITS),
        question=f"[AOTPIN;AW1;AX{key};BT{key};AL{block};AK550000025321;AG{{n}};]",
        answer=f"[AOTPIN;AL{block};AG{{n}};BBY;]",
        end=b"]",
        bad=(b"[AOTPIN;AW1;AX", b"\xff\xfegarbage]", b"[AOECHO;AG" + b"1" * 70_000, b""),
    )


def atalla() -> Family:
    """Command 31 with a number in the context tag."""
    return Family(
        serve=lambda: AtallaServer(Atalla(), limits=LIMITS, with_console=False),
        question=f"<31#1#{KPE_A}#{KPE_B}#0B764ADBA78B005A#123456789012#^{{n}}#>",
        answer="<41#8DE55A3A172850B9#Y#^{n}#>",
        end=b">",
        bad=(b"<31#1#1PUNE", b"\xff" * 70_000, b"<00#" + b"1" * 70_000, b""),
    )


async def behave(port: int, family: Family, until: asyncio.Event) -> int:
    """Ask many questions at once, again and again; how often every answer came in its order."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    numbers = [f"{number:02d}" for number in range(QUESTIONS)]
    asked = "".join(family.question.format(n=number) for number in numbers).encode()
    expected = [family.answer.format(n=number).encode() for number in numbers]
    rounds = 0
    while not (rounds and until.is_set()):
        writer.write(asked)
        answers = [await reader.readuntil(family.end) for _ in numbers]
        assert answers == expected
        rounds += 1
    writer.close()
    return rounds


async def misbehave(port: int, bad: tuple[bytes, ...], kind: int) -> int:
    """Send everything that is bad, each on a new connection, until it is closed or goes silent."""
    refused = 0
    for turn in range(len(bad)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(bad[(kind + turn) % len(bad)])
        try:
            assert await asyncio.wait_for(reader.read(), 0.5) == b""
            refused += 1
        except ConnectionResetError:
            refused += 1
        except TimeoutError:
            pass  # a connection may be silent for as long as it likes
        writer.close()
    return refused


@pytest.mark.parametrize("make", [futurex, atalla])
async def test_neighbours_see_no_error(make: Callable[[], Family]) -> None:
    """Every pipelined question is answered, in order, whatever the others do."""
    family = make()
    async with family.serve() as server:
        done = asyncio.Event()
        good = [asyncio.create_task(behave(server.port, family, done)) for _ in range(BEHAVING)]
        refused = await asyncio.gather(
            *(misbehave(server.port, family.bad, kind) for kind in range(MISBEHAVING))
        )
        done.set()
        assert all(rounds >= 1 for rounds in await asyncio.gather(*good))
    assert any(refused)


@pytest.mark.parametrize(
    ("make", "slow", "said"),
    [
        (futurex, b"[AOGRSA;RB2048;CZG;BJ6;RA10001;KB1;KF1;SP1;AG99;]", b"[AOGRSA;RC"),
        (atalla, b"<120#w#010001#2048#^99#>", b"<220#1wR"),
    ],
)
async def test_a_slow_command_keeps_its_place(
    make: Callable[[], Family], slow: bytes, said: bytes
) -> None:
    """What was asked behind a command that takes long is answered behind it."""
    family = make()
    async with family.serve() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        quick = [family.question.format(n=f"{n:02d}").encode() for n in range(3)]
        writer.write(quick[0] + slow + quick[1] + quick[2])
        answers = [await asyncio.wait_for(reader.readuntil(family.end), 60) for _ in range(4)]
        writer.close()
    assert answers[1].startswith(said)
    del answers[1]
    assert answers == [family.answer.format(n=f"{n:02d}").encode() for n in range(3)]


@pytest.mark.parametrize("make", [futurex, atalla])
@pytest.mark.parametrize("kind", range(3))
async def test_the_misbehaving_are_closed(make: Callable[[], Family], kind: int) -> None:
    """Half a frame and garbage without end are not waited for; nobody is answered."""
    family = make()
    async with family.serve() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(family.bad[kind])
        try:
            answered = await asyncio.wait_for(reader.read(), 20)
        except ConnectionResetError:
            answered = b""
        assert answered == b""
        writer.close()
