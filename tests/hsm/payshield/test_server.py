"""The host ports: order, echo, one write an answer, bad neighbours, UDP, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme

from keyferry.errors import HSMConnectionError
from keyferry.hsm.host_server import Limits, server_tls
from keyferry.hsm.payshield.framing import FrameParser, encode_frame
from keyferry.hsm.payshield.simulator import Device, Settings
from keyferry.hsm.payshield.simulator.server import SimulatorServer

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]

SERVERS: list[SimulatorServer] = []
CLIENTS: list[asyncio.StreamWriter] = []


async def connect(port: int, **options: object) -> Client:
    """Open a connection that the fixture below closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)  # type: ignore[arg-type]
    CLIENTS.append(writer)
    return reader, writer


async def started(device: Device, **options: object) -> SimulatorServer:
    """Start a server that the fixture below stops."""
    server = SimulatorServer(device, **options)  # type: ignore[arg-type]
    await server.start()
    SERVERS.append(server)
    return server


@pytest.fixture(autouse=True)
async def stop_everything() -> AsyncIterator[None]:
    """Close and stop what a test has opened and started."""
    yield
    while CLIENTS:
        writer = CLIENTS.pop()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    while SERVERS:
        await SERVERS.pop().stop()


async def exchange(port: int, frames: bytes, count: int) -> list[bytes]:
    """Send bytes over a new connection and return so many answers."""
    reader, writer = await connect(port)
    writer.write(frames)
    answers: list[bytes] = []
    parser = FrameParser()
    while len(answers) < count:
        data = await asyncio.wait_for(reader.read(65536), 10)
        assert data, "closed"
        answers += parser.feed(data)
    writer.close()
    await writer.wait_closed()
    return answers


async def ask_for_echo(client: Client) -> bytes:
    """Send an empty echo and return its frame; raise where the connection is closed."""
    client[1].write(encode_frame(b"0000B2"))
    return await asyncio.wait_for(client[0].readexactly(10), 10)


@pytest.mark.parametrize("size", [0, 1, 2, 4, 30, 255])
async def test_headers_are_echoed(size: int) -> None:
    """Any length, any bytes: the header comes back as it was sent."""
    header = bytes((7 * index) & 0xFF for index in range(size))
    device = Device(settings=Settings(header_length=size))
    async with SimulatorServer(device) as server:
        assert await exchange(server.port, encode_frame(header + b"B20003abc"), 1) == [
            header + b"B300abc"
        ]


@pytest.mark.parametrize("trailer", [b"\x19", b"\x19trailer", b"\x19" + b"x" * 32])
async def test_trailers_are_echoed(device: Device, trailer: bytes) -> None:
    """With its end-of-message byte, behind good answers and refusals."""
    frames = b"".join(
        encode_frame(b"0000" + body + trailer)
        for body in (b"B20003a\x19b", b"NC%07", b"NC%1", b"ZZ", b"A0", b"EI0204803")
    )
    answers = await exchange((await started(device)).port, frames, 6)
    assert answers == [
        b"0000" + body + trailer
        for body in (b"B300a\x19b", b"ND13", b"ND15", b"Z[68", b"A115", b"EJ03")
    ]


async def test_pipelined_commands_keep_their_order(device: Device) -> None:
    """Answers come in order, also behind a slow command."""
    commands = [b"0001EI0204802%02", *(b"%04dB20004%04d" % (n, n) for n in range(2, 100))]
    server = await started(device)
    answers = await exchange(server.port, b"".join(map(encode_frame, commands)), len(commands))
    assert [answer[:4] for answer in answers] == [command[:4] for command in commands]
    assert answers[0][4:8] == b"EJ00"
    assert answers[57] == b"0058B3000058"


async def test_a_slow_command_delays_no_other_connection(device: Device) -> None:
    """While one connection waits for an RSA key, another is answered."""
    server = await started(device)
    slow = asyncio.ensure_future(exchange(server.port, encode_frame(b"0001EI0409602#0000"), 1))
    await exchange(server.port, encode_frame(b"0002B2"), 1)
    was_waiting = not slow.done()
    assert (await slow)[0][4:8] == b"EJ00"
    assert was_waiting


async def test_bytes_one_by_one(device: Device) -> None:
    """A frame may come in as many pieces as it has bytes."""
    server = await started(device)
    reader, writer = await connect(server.port)
    for byte in encode_frame(b"0001B20002hi"):
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(0)
    assert await reader.readexactly(12) == encode_frame(b"0001B300hi")
    writer.close()


async def test_one_write_an_answer(device: Device) -> None:
    """A single recv holds a whole answer: public clients do no second one."""
    server = await started(device)

    def one_recv() -> list[bytes]:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            found = []
            for size in (0, 100, 1000, 4000):
                connection.sendall(encode_frame(b"0000B2%04X" % size + b"x" * size))
                found.append(connection.recv(65536))
            return found

    for frame in await asyncio.to_thread(one_recv):
        assert int.from_bytes(frame[:2], "big") == len(frame) - 2


async def test_bad_neighbours(device: Device) -> None:
    """Half frames, garbage, silence and half-closed connections disturb nobody."""
    server = await started(device, limits=Limits(half_frame_s=0.2))
    bad = [
        b"\x00",
        b"\xff\xff" + b"half a frame of 64 KB",
        b"\x00\x00\x00\x00",
        b"\x00\x03abc",
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
    ]
    writers = []
    for data in bad:
        reader, writer = await connect(server.port)
        writer.write(data)
        writers.append((reader, writer))
    for number in range(20):
        frame = encode_frame(b"%04dB20004ping" % number)
        assert await exchange(server.port, frame, 1) == [b"%04dB300ping" % number]
    # Every one that began a frame and did not end it is closed; the silent one may stay.
    for reader, _ in writers[:5]:
        assert await asyncio.wait_for(reader.read(), 10) == b""
    silent_reader, silent_writer = writers[5]
    silent_writer.write(encode_frame(b"0000B2"))
    assert await asyncio.wait_for(silent_reader.readexactly(10), 10) == encode_frame(b"0000B300")
    for _, writer in writers:
        writer.close()
    assert len(device.network) <= 1 + len(bad)


async def test_half_closed_clients_get_their_answers(device: Device) -> None:
    """A client that shuts its sending side down first is still answered, then closed."""
    server = await started(device)
    reader, writer = await connect(server.port)
    writer.write(encode_frame(b"0000EI0204802%02") + encode_frame(b"0001B2"))
    writer.write_eof()
    data = await asyncio.wait_for(reader.read(), 10)
    answers = FrameParser().feed(data)
    assert [answer[:8] for answer in answers] == [b"0000EJ00", b"0001B300"]
    writer.close()


async def test_a_client_that_does_not_read(device: Device) -> None:
    """It is not read from either, and others are served; nothing grows without bound."""
    server = await started(device)
    reader, writer = await connect(server.port, limit=2**10)
    frame = encode_frame(b"0000B24000" + b"x" * 0x4000)
    writer.write(frame * 2000)
    for number in range(20):
        await exchange(server.port, encode_frame(b"%04dB2" % number), 1)
    assert device.network.messages_sent < 2000
    writer.transport.abort()
    del reader


async def test_too_many_connections(device: Device) -> None:
    """Beyond its sockets the device closes new connections, and serves again when some go."""
    server = await started(device, limits=Limits(connections=2))
    kept = [await connect(server.port) for _ in range(2)]
    for client in kept:
        assert await ask_for_echo(client) == encode_frame(b"0000B300")
    one_more = await connect(server.port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await ask_for_echo(one_more)
    # A client that sees its own end has been forgotten by the server before.
    kept[0][1].write_eof()
    assert await asyncio.wait_for(kept[0][0].read(), 10) == b""
    assert await ask_for_echo(await connect(server.port)) == encode_frame(b"0000B300")


async def test_oversized_messages(device: Device) -> None:
    """More than the I/O buffer is error 15; the connection stays in step."""
    server = await started(device)
    frames = encode_frame(b"0000B2FFF0" + b"x" * 0xFFF0) + encode_frame(b"0001B2")
    assert await exchange(server.port, frames, 2) == [b"0000B315", b"0001B300"]


async def test_ports_of_lmks() -> None:
    """Port + 1 + n stands for LMK n; %nn still wins, unless the setting forbids it."""
    device = Device()
    server = await started_on_free_ports(device)
    for port, request, answer in (
        (server.port, b"A00002U", b"A1A1"),
        (server.port + 3, b"A00002U", b"A100"),
        (server.port + 1, b"A00002U", b"A1A1"),
        (server.port + 1, b"A00002U%02", b"A100"),
    ):
        found = await exchange(port, encode_frame(b"0000" + request), 1)
        assert found[0][4:8] == answer
    device.settings = Settings(lmk_matches_port=True)
    found = await exchange(server.port + 1, encode_frame(b"0000A00002U%02"), 1)
    assert found == [b"0000A113"]


async def started_on_free_ports(device: Device) -> SimulatorServer:
    """Port 0 gives one free port; its neighbours may be taken, so try again."""
    for _ in range(20):
        server = SimulatorServer(device, lmk_ports=True)
        try:
            await server.start()
        except HSMConnectionError:
            continue
        SERVERS.append(server)
        return server
    raise AssertionError("no free neighbouring ports")


async def test_a_taken_port_is_named(device: Device) -> None:
    """Starting on a taken port fails with the port in the message."""
    server = await started(device)
    with pytest.raises(HSMConnectionError, match=str(server.port)):
        await SimulatorServer(device, port=server.port).start()


class Datagrams(asyncio.DatagramProtocol):
    """Collects datagrams."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received.put_nowait(data)


async def test_udp(device: Device) -> None:
    """A whole frame in a datagram is answered in one; anything else is dropped."""
    server = await started(device)
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        Datagrams, remote_addr=("127.0.0.1", server.port)
    )
    for bad in (b"", b"\x00", b"\x00\x00", b"\x00\x05abc", b"\x00\x03abc"):
        transport.sendto(bad)
    transport.sendto(encode_frame(b"0000EI0204802%02"))
    transport.sendto(encode_frame(b"0001B20002hi"))
    answers = [await asyncio.wait_for(protocol.received.get(), 10) for _ in range(2)]
    assert sorted(answer[2:10] for answer in answers) == [b"0000EJ00", b"0001B300"]
    transport.close()


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write a CA, a server certificate and a client certificate."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("localhost", "client"):
        certificate = authority.issue_cert(name)
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(folder / f"{name}.pem", append=True)
    return lambda name: folder / name


async def test_tls_demands_a_client_certificate(
    device: Device, tls_files: Callable[[str], Path]
) -> None:
    """With a client CA, a client without a certificate gets nothing; TLS 1.2 at least."""
    tls = server_tls(
        str(tls_files("localhost.pem")), str(tls_files("localhost.key")), str(tls_files("ca.pem"))
    )
    server = await started(device, tls=tls)
    context = ssl.create_default_context(cafile=str(tls_files("ca.pem")))

    async def ask_over_tls() -> bytes:
        client = await connect(server.port, ssl=context, server_hostname="localhost")
        version = client[1].get_extra_info("ssl_object").version()
        assert version in ("TLSv1.2", "TLSv1.3")
        return await ask_for_echo(client)

    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await ask_over_tls()
    context.load_cert_chain(tls_files("client.pem"), tls_files("client.key"))
    assert await ask_over_tls() == encode_frame(b"0000B300")
