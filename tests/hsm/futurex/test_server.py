"""The simulator on the network: order, half frames, garbage, silence, many connections."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme

from keyferry.errors import HSMConnectionError
from keyferry.hsm.futurex import FuturexDriver
from keyferry.hsm.futurex.simulator import Device
from keyferry.hsm.futurex.simulator.running import serve
from keyferry.hsm.host_pool import client_tls
from keyferry.hsm.host_server import HostServer, Limits

SLOW = b"[AOGRSA;RB2048;CZG;BJ6;RA10001;KB1;KF1;SP1;AG1;]"
ECHO = b"[AOECHO;AG2;]"


@pytest.fixture
async def server() -> AsyncIterator[HostServer]:
    """A simulator that has no patience with half frames."""
    async with serve(Device(), limits=Limits(half_frame_s=0.2, connections=80)) as running:
        yield running


async def open_connection(
    server: HostServer,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(server.host, server.port)


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readuntil(b"]"), 20)


async def test_answers_keep_order(server: HostServer) -> None:
    """A slow command first, a fast one behind it on the same connection, LF between them."""
    reader, writer = await open_connection(server)
    writer.write(SLOW + b"\r\n" + ECHO + b"\n" + ECHO)
    assert (await read_frame(reader)).startswith(b"[AOGRSA;RC")
    assert await read_frame(reader) == b"[AOECHO;AG2;BBY;]"
    assert await read_frame(reader) == b"[AOECHO;AG2;BBY;]"
    writer.close()


async def test_a_slow_command_delays_nobody_else(server: HostServer) -> None:
    """While one connection waits for an RSA key, another gets its echo."""
    slow_reader, slow = await open_connection(server)
    slow.write(b"[AOGRSA;RB4096;CZG;BJ6;RA10001;KB1;KF1;SP1;]")
    waiting = asyncio.create_task(slow_reader.readuntil(b"]"))
    reader, writer = await open_connection(server)
    writer.write(ECHO)
    assert await read_frame(reader) == b"[AOECHO;AG2;BBY;]"
    assert not waiting.done()
    waiting.cancel()
    slow.close()
    writer.close()


async def test_one_byte_segments(server: HostServer) -> None:
    """A frame may come in any portions."""
    reader, writer = await open_connection(server)
    for byte in ECHO:
        writer.write(bytes([byte]))
        await writer.drain()
    assert await read_frame(reader) == b"[AOECHO;AG2;BBY;]"
    writer.close()


@pytest.mark.parametrize("garbage", [b"hello", b"[AO\x00;]", b"[" + b"A" * 70_000])
async def test_garbage_closes_the_connection(server: HostServer, garbage: bytes) -> None:
    """Bytes that are no frame get no answer."""
    reader, writer = await open_connection(server)
    writer.write(garbage)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_half_a_frame_is_not_waited_for_long(server: HostServer) -> None:
    """Silence in the middle of a frame closes; silence between frames does not."""
    reader, writer = await open_connection(server)
    idle_reader, idle = await open_connection(server)
    writer.write(b"[AOEC")
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    idle.write(ECHO)
    assert await read_frame(idle_reader) == b"[AOECHO;AG2;BBY;]"
    writer.close()
    idle.close()


async def test_half_closed(server: HostServer) -> None:
    """A client that has finished sending still gets the answers it asked for."""
    reader, writer = await open_connection(server)
    writer.write(SLOW + ECHO)
    writer.write_eof()
    everything = await asyncio.wait_for(reader.read(), 20)
    assert everything.endswith(b"[AOECHO;AG2;BBY;]")
    writer.close()


async def test_misbehaving_neighbours(server: HostServer) -> None:
    """Of 64 connections one in eight misbehaves; the others see no error."""

    async def bad(kind: int) -> None:
        _, writer = await open_connection(server)
        writer.write((b"[AOECHO;", b"\xff\xff\xff\xff", b"", b"]]]]")[kind % 4])
        await asyncio.sleep(0)
        writer.close()

    async def good() -> int:
        reader, writer = await open_connection(server)
        for _ in range(20):
            writer.write(ECHO)
            assert await read_frame(reader) == b"[AOECHO;AG2;BBY;]"
        writer.close()
        return 20

    results = await asyncio.gather(
        *(good() if number % 8 else bad(number // 8) for number in range(64))
    )
    assert sum(count for count in results if count) == 56 * 20


async def test_too_many_connections() -> None:
    """What is beyond the device's sockets is closed at once; a place that is freed is taken."""
    async with serve(Device(), limits=Limits(connections=1)) as server:
        reader, first = await open_connection(server)
        first.write(ECHO)
        await read_frame(reader)
        refused, second = await open_connection(server)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(refused.read(), 10) == b""
        first.close()
        second.close()


async def test_tls_with_client_certificates(tmp_path) -> None:
    """The driver shows its certificate; without one, or to a stranger, nothing is said."""
    authority, stranger = trustme.CA(), trustme.CA()
    own, client = authority.issue_cert("localhost"), authority.issue_cert("host")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca_file, cert_file, key_file, other = (str(tmp_path / name) for name in "ackx")
    authority.cert_pem.write_to_path(ca_file)
    stranger.cert_pem.write_to_path(other)
    client.cert_chain_pems[0].write_to_path(cert_file)
    client.private_key_pem.write_to_path(key_file)
    async with serve(Device(), tls=context) as server:
        tls = client_tls(ca_file, cert_file, key_file)
        async with FuturexDriver("localhost", server.port, tls=tls) as driver:
            await driver.echo()
        for files in ((ca_file,), (other, cert_file, key_file)):
            async with FuturexDriver(
                "localhost", server.port, tls=client_tls(*files), attempts=1
            ) as driver:
                with pytest.raises(HSMConnectionError):
                    await driver.echo()
