"""The driver against HSMs that close, stay silent, or answer something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from keyferry.errors import (
    HSMConnectionError,
    HSMFrameError,
    HSMRefusedError,
    HSMTimeoutError,
)
from keyferry.hsm.payshield import PayShieldDriver
from keyferry.hsm.payshield.framing import FrameParser, encode_frame


@dataclass
class Script:
    """An HSM that answers each request as it is told, and counts."""

    replies: list[Callable[[bytes], bytes | None]]
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        parser = FrameParser()
        while data := await reader.read(65536):
            for message in parser.feed(data):
                self.requests.append(message)
                reply = self.replies.pop(0) if self.replies else good
                answer = reply(message)
                if answer is None:
                    writer.close()
                    return
                writer.write(answer)
        writer.close()


def good(message: bytes) -> bytes:
    """Echo as a device does."""
    return encode_frame(message[:4] + b"B300" + message[10:])


def code(value: bytes) -> Callable[[bytes], bytes]:
    """Refuse with a code."""
    return lambda message: encode_frame(message[:4] + b"B3" + value)


def close(message: bytes) -> None:
    """Close without an answer."""
    del message


def silent(message: bytes) -> bytes:
    """Say nothing."""
    del message
    return b""


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    """A scripted HSM on a free port."""
    scripted = Script([])
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    async with server:
        yield scripted


async def test_reconnects(script: Script) -> None:
    """A closed connection is replaced, and a repeatable command sent again."""
    script.replies = [good, close, close, good]
    async with PayShieldDriver("127.0.0.1", script.port, connections=1) as driver:
        assert await driver.echo(b"1") == b"1"
        assert await driver.echo(b"2") == b"2"
    assert script.connections == 3
    assert len(script.requests) == 4


async def test_gives_up(script: Script) -> None:
    """After the last attempt the error of the connection comes out."""
    script.replies = [close] * 10
    async with PayShieldDriver("127.0.0.1", script.port, attempts=2) as driver:
        with pytest.raises(HSMConnectionError):
            await driver.echo(b"1")
    assert len(script.requests) == 2


async def test_timeout(script: Script) -> None:
    """A silent HSM is a timeout, not tried again; the connection is not used again either."""
    script.replies = [silent, good]
    async with PayShieldDriver("127.0.0.1", script.port, timeout_s=0.1) as driver:
        with pytest.raises(HSMTimeoutError) as caught:
            await driver.echo(b"1")
        assert caught.value.hint is not None
        assert len(script.requests) == 1
        assert await driver.echo(b"2") == b"2"
    assert script.connections == 2


async def test_nobody_listens() -> None:
    """A refused connection names host and port."""
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with PayShieldDriver("127.0.0.1", port, attempts=2) as driver:
        with pytest.raises(HSMConnectionError, match=f"127.0.0.1 port {port}"):
            await driver.echo(b"1")


async def test_answers_of_another_request(script: Script) -> None:
    """A header that is not the request's breaks the connection; nothing is taken for an answer."""
    script.replies = [lambda message: encode_frame(b"FFFFB300" + message[10:]), good]
    async with PayShieldDriver("127.0.0.1", script.port, attempts=1) as driver:
        with pytest.raises(HSMConnectionError, match="another request"):
            await driver.echo(b"1")
        assert await driver.echo(b"2") == b"2"


@pytest.mark.parametrize(
    "reply",
    [
        lambda message: encode_frame(message[:4] + b"B5" + b"00"),
        lambda message: encode_frame(message[:4] + b"B3"),
        lambda message: encode_frame(message[:4] + b"B3\xff\xff"),
    ],
)
async def test_malformed_answers(script: Script, reply: Callable[[bytes], bytes]) -> None:
    """An answer that is not the command's is a frame error."""
    script.replies = [reply]
    async with PayShieldDriver("127.0.0.1", script.port) as driver:
        with pytest.raises(HSMFrameError):
            await driver.echo(b"1")


async def test_superfluous_bytes_in_an_answer(script: Script) -> None:
    """What follows the last field is refused, not ignored."""
    script.replies = [lambda m: encode_frame(m[:4] + b"ND005D672700000000001500-0023?")]
    async with PayShieldDriver("127.0.0.1", script.port) as driver:
        with pytest.raises(HSMFrameError, match="end of message"):
            await driver.diagnostics()


async def test_transient_codes_are_tried_once_more(script: Script) -> None:
    """41 and 42 blame the moment: one more try, then they come out."""
    script.replies = [code(b"41"), good]
    async with PayShieldDriver("127.0.0.1", script.port) as driver:
        assert await driver.echo(b"1") == b"1"
        script.replies = [code(b"42"), code(b"42"), good]
        with pytest.raises(HSMRefusedError, match="42"):
            await driver.echo(b"2")
        script.replies = [code(b"15"), good]
        with pytest.raises(HSMRefusedError, match="15"):
            await driver.echo(b"3")


async def test_answers_in_pieces(script: Script) -> None:
    """The driver reads until the declared length is in."""
    frame_of = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = await reader.readexactly(2 + 10)
        frame = good(message[2:])
        frame_of["whole"] = frame
        for byte in frame:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with PayShieldDriver("127.0.0.1", port) as driver:
            assert await driver.echo(b"") == b""
    del script


async def test_a_cancelled_request_leaves_no_answer_behind(script: Script) -> None:
    """The next request does not get the answer of the cancelled one."""
    script.replies = [silent]
    async with PayShieldDriver("127.0.0.1", script.port, connections=1) as driver:
        waiting = asyncio.ensure_future(driver.echo(b"1"))
        while not script.requests:  # noqa: ASYNC110 - the script has no event to wait for
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await driver.echo(b"2") == b"2"
    assert script.connections == 2


async def test_a_closed_driver_sends_nothing(script: Script) -> None:
    """After close, every command is refused."""
    driver = PayShieldDriver("127.0.0.1", script.port, attempts=1)
    await driver.echo(b"1")
    await driver.close()
    with pytest.raises(HSMConnectionError, match="closed"):
        await driver.echo(b"2")
