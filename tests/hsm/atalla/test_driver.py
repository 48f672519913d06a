"""The driver against a listening simulator, and against peers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import CertificateUsage, create_root, issue_leaf
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import KBPK
from keyferry.errors import (
    ConfigurationError,
    HSMConnectionError,
    HSMFrameError,
    HSMRefusedError,
    HSMTimeoutError,
)
from keyferry.hsm.atalla import AtallaDriver, Operator
from keyferry.hsm.atalla.simulator import Device
from keyferry.hsm.atalla.simulator.challenges import DualControl
from keyferry.hsm.atalla.simulator.running import AtallaServer
from keyferry.hsm.host_pool import client_tls
from keyferry.hsm.host_server import Limits
from keyferry.hsm.simulator_process import ProcessOptions, prepare

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def server(device: Device) -> AsyncIterator[AtallaServer]:
    """A listening simulator."""
    async with AtallaServer(device, with_console=False) as listening:
        yield listening


@pytest.fixture
async def driver(server: AtallaServer) -> AsyncIterator[AtallaDriver]:
    """A driver of it."""
    async with AtallaDriver("127.0.0.1", server.port) as opened:
        yield opened


async def test_the_device(driver: AtallaDriver) -> None:
    """Version, echo, configuration and random numbers."""
    assert (await driver.status()).software == "Atalla HSM AT1000-AKB Version: 8.53"
    assert await driver.echo("This is a test.") == "This is a test."
    assert (await driver.configuration("KEY"))[1] == "MFK1"
    assert len(await driver.random(32)) == 32


async def test_keys_go_out_and_come_back(driver: AtallaDriver, akb) -> None:
    """A key leaves under a KEK as AKB and as cryptogram, and comes back as the same key."""
    kek = await driver.generate_key(header="1KDNE000", length="T")
    key = await driver.generate_key(header="1PUNE000", length="D", kek=kek.key)
    exported = await driver.export_key_akb(kek=kek.key, key=key.key)
    assert exported.block == key.key_under_kek
    back = await driver.import_key_akb(kek=kek.key, key=exported.block)
    assert (back.key, back.check_digits) == (key.key, key.check_digits)
    material = bytes(range(24))
    cryptogram = await driver.export_key_cryptogram(kek=akb("1KDNE000", material), key=key.key)
    taken = await driver.import_key_cryptogram(
        kek=akb("1PUNE0I0", material), cryptogram=bytes.fromhex(cryptogram.block)
    )
    assert taken.key == key.key
    assert await driver.check_digits(taken.key) == key.check_digits


@pytest.mark.parametrize("usage", ["M0", "M1", "M3"])
async def test_mac_keys_by_tr31(driver: AtallaDriver, akb, usage: str) -> None:
    """A MAC key leaves as the MAC that is asked for, and not without being asked."""
    kek = akb("1kDNE000")
    exported = await driver.export_key_tr31(kek=kek, key=akb("1MDNS000"), mac_usage=usage)
    opened = KBPK(Cipher.TDES, KEY).unwrap(exported.block)
    assert opened.key == KEY
    assert opened.header.encode(length=96) == f"B0096{usage}TC00S0000"
    with pytest.raises(HSMRefusedError, match="value out of range in field 2"):
        await driver.export_key_tr31(kek=kek, key=akb("1MDNE000"))


async def test_certificates_by_chain(driver: AtallaDriver) -> None:
    """123 follows a chain of SHA-256; one of SHA-512, as the service signs, is not even sent."""
    ca_key = await asyncio.to_thread(rsa.generate_private_key, 65537, 2048)
    ca_akb = await driver.trust_public_key(
        ca_key.public_key(), operator=Operator(), header="1RRVE000"
    )
    dates = {"not_before": NOW, "not_after": NOW + timedelta(days=1)}
    ca = create_root(ca_key, common_name="CA", hash_name="SHA256", **dates)

    def leaf(hash_name: str):
        return issue_leaf(
            ca_key.public_key(),
            subject="leaf",
            issuer=ca,
            issuer_key=ca_key,
            usage=CertificateUsage.KEY_ENCIPHERMENT,
            hash_name=hash_name,
            **dates,
        )

    akb = await driver.import_certificate(leaf("SHA256"), authority_key=ca_akb)
    assert akb.startswith("1kREE000,0003010001")
    with pytest.raises(ConfigurationError, match="SHA512") as caught:
        await driver.import_certificate(leaf("SHA512"), authority_key=ca_akb)
    assert "12A" in (caught.value.hint or "")
    # Nor does the device itself know a code for it.
    numbers = ca_key.public_key().public_numbers()
    with pytest.raises(HSMRefusedError, match="error 0302"):
        await driver.call(
            "123",
            {
                "usage": "k",
                "hash": "7",
                "padding": "1",
                "exponent": b"\x01\x00\x01",
                "modulus": numbers.n.to_bytes(256),
                "signed_data": leaf("SHA512").tbs_certificate_bytes,
                "signature": leaf("SHA512").signature,
                "authority_key": ca_akb,
            },
        )


async def test_signatures(driver: AtallaDriver) -> None:
    """124 signs and 125 verifies; the key of TR-34 messages signs by 139 only."""
    pair = await driver.generate_rsa_key_pair(usage="s")
    fields = {"form": "0", "hash": "5", "padding": "1", "length": 4, "data": b"data"}
    signed = await driver.call("124", {**fields, "private_key": pair.private_akb})
    verified = await driver.call(
        "125",
        {**fields, "signature": signed.raw("signature"), "public_key": pair.public_akb},
    )
    assert verified.text("verdict") == "Y"
    other = {**fields, "data": b"DATA"}
    verified = await driver.call(
        "125", {**other, "signature": signed.raw("signature"), "public_key": pair.public_akb}
    )
    assert verified.text("verdict") == "N"
    message_key = await driver.generate_rsa_key_pair()
    with pytest.raises(HSMRefusedError, match="header mismatch in field 7"):
        await driver.call("124", {**fields, "private_key": message_key.private_akb})


async def test_proof_by_use(driver: AtallaDriver, akb) -> None:
    """The methods that a migrated key is proven with."""
    value = await driver.generate_cvv(
        key=akb("1CDNE000"), pan="4123456789012345", expiry="8701", service_code="101"
    )
    assert value == "561"
    assert len(await driver.generate_mac(key=akb("1MDNE000"), data=b"message")) == 8
    kpe = akb("1PUNE000")
    block = await driver.encrypt_pin(key=kpe, pin="1234", pan="4123456789012345")
    same = await driver.translate_pin(
        block, incoming_key=kpe, outgoing_key=kpe, pan="4123456789012345"
    )
    assert same == block
    with pytest.raises(HSMFrameError, match="does not open"):
        await driver.translate_pin(
            bytes(8), incoming_key=kpe, outgoing_key=kpe, pan="4123456789012345"
        )


async def test_answers_typed_in() -> None:
    """The operator is told the challenge, types the answer; a wrong one begins the step again."""
    device = Device()
    told: list[str] = []

    def ask(question: str) -> str:
        challenge = question.split()[-1]
        if len(told) < 3:
            return "00"
        return device.challenges.approve(challenge, ["alice", "bob"]).answer.lower()

    key = await asyncio.to_thread(rsa.generate_private_key, 65537, 2048)
    async with (
        AtallaServer(device, with_console=False) as server,
        AtallaDriver("127.0.0.1", server.port) as driver,
    ):
        akb = await driver.trust_public_key(
            key.public_key(), operator=Operator(tell=told.append, ask=ask)
        )
    assert akb.startswith("1kREE000,")
    assert "once more" in told[2]
    assert not device.challenges.pending()


async def test_one_answer_cannot_be_used_twice() -> None:
    """A challenge is over with its answer, right, wrong or unapproved, and with its time."""
    now = NOW
    device = Device(now=lambda: now)
    modulus = "C1" * 256
    head = f"12A#1kREE000#010001#{modulus}#"

    def send(answer: str = "") -> str:
        reply = device.answer(f"{head}{answer}#".encode())
        assert isinstance(reply, bytes)
        return reply.decode()

    challenge = send().split("#")[2]
    assert send() == f"22A#CHALLENGE#{challenge}#"  # asked again, it is the same
    record = device.challenges.approve(challenge, ["alice"])
    assert send(record.answer) == "00#240485#"  # one administrator is not enough
    challenge = send().split("#")[2]
    record = device.challenges.approve(challenge, ["alice", "bob"])
    assert send(record.answer).startswith("22A#OK#1kREE000,")
    assert send(record.answer) == "00#270485#"
    challenge = send().split("#")[2]
    now += timedelta(minutes=10)
    with pytest.raises(ConfigurationError, match="no open challenge"):
        device.challenges.approve(challenge, ["alice", "bob"])
    assert send("00") == "00#270485#"


# --- peers that misbehave -----------------------------------------------------------------------


@pytest.fixture
async def peer() -> AsyncIterator[Callable[[bytes | None], Awaitable[int]]]:
    """Listen, and answer every connection's first bytes with what is given; None: close."""
    servers: list[asyncio.Server] = []
    writers: list[asyncio.StreamWriter] = []

    async def listen(answer: bytes | None) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await reader.read(100)
            if answer is not None:
                writer.write(answer)
            if answer != b"":
                writer.close()

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        return servers[-1].sockets[0].getsockname()[1]

    yield listen
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, HSMConnectionError),
        (b"<", HSMConnectionError),
        (b"<41#00#>", HSMConnectionError),  # another command's answer
        (b"<2101#x#>", HSMFrameError),
        (b"<2101", HSMConnectionError),
        (b"<00#06#>", HSMFrameError),
        (b"<00#060785#>\r\n", HSMRefusedError),
        (b"x" * 70_000, HSMConnectionError),
        (b"", HSMTimeoutError),
    ],
)
async def test_bad_answers(peer, answer: bytes | None, error: type[Exception]) -> None:
    """Whatever comes back, it is an error of ours with a cause."""
    port = await peer(answer)
    async with AtallaDriver("127.0.0.1", port, timeout_s=0.3, attempts=1) as driver:
        with pytest.raises(error):
            await driver.status()


async def test_nobody_listens() -> None:
    """The address is told, and the port an Atalla usually has."""
    async with AtallaDriver("127.0.0.1", 1, attempts=1) as driver:
        with pytest.raises(HSMConnectionError, match=r"127\.0\.0\.1 port 1") as caught:
            await driver.status()
    assert "7000" in (caught.value.hint or "")


async def test_many_at_once_keep_their_answers(driver: AtallaDriver) -> None:
    """More commands than connections: each gets its own answer."""
    texts = [f"text {number}" for number in range(40)]
    assert await asyncio.gather(*(driver.echo(text) for text in texts)) == texts


async def test_tls_with_client_certificates(device: Device, tmp_path) -> None:
    """Both sides show a certificate; without one nobody is let in."""
    ca = trustme.CA()
    for name, blob in (
        ("server", ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem),
        ("client", ca.issue_cert("host@example.org").private_key_and_cert_chain_pem),
        ("ca", ca.cert_pem),
    ):
        blob.write_to_path(tmp_path / name)
    tls = prepare(
        ProcessOptions(
            tls_cert=tmp_path / "server",
            tls_key=tmp_path / "server",
            tls_client_ca=tmp_path / "ca",
        )
    )
    async with AtallaServer(device, tls=tls, with_console=False) as server:
        context = client_tls(
            str(tmp_path / "ca"), str(tmp_path / "client"), str(tmp_path / "client")
        )
        async with AtallaDriver("127.0.0.1", server.port, tls=context) as driver:
            assert await driver.echo("hello") == "hello"
        anonymous = client_tls(str(tmp_path / "ca"))
        async with AtallaDriver("127.0.0.1", server.port, tls=anonymous, attempts=1) as driver:
            with pytest.raises(HSMConnectionError):
                await driver.echo("hello")


async def test_bad_clients_disturb_nobody(server: AtallaServer) -> None:
    """Half frames, garbage and silence on other connections: every answer still comes."""
    bad: list[asyncio.StreamWriter] = []
    for junk in [b"<00#half", b"\xff" * 5000, b"", b">>>>", b"<<<#>"] * 4:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(junk)
        bad.append(writer)
    async with AtallaDriver("127.0.0.1", server.port, connections=16) as driver:
        texts = [f"text {number}" for number in range(200)]
        assert await asyncio.gather(*(driver.echo(text) for text in texts)) == texts
    for writer in bad:
        writer.close()
        await writer.wait_closed()


async def test_auto_is_for_nobody_else() -> None:
    """A challenge is its own answer only where dual control is off."""
    auto = Device(dual_control=DualControl.AUTO).answer(
        f"12A#1kREE000#010001#{'C1' * 256}##".encode()
    )
    assert isinstance(auto, bytes)
    _, _, challenge, answer, _ = auto.decode().split("#")
    assert challenge == answer


async def test_silent_connections_are_closed(device: Device) -> None:
    """A client that opens connections and never closes them does not keep its places."""
    limits = Limits(idle_s=0.05, connections=1)
    async with AtallaServer(device, limits=limits, with_console=False) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        async with AtallaDriver("127.0.0.1", server.port) as driver:
            assert await driver.echo("hello") == "hello"
