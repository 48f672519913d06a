"""
The published sample client against the simulator: its templates, its way to read, its three orders.

It opens a connection for each command, reads until `]`, and takes a token by a regular expression
that starts at the beginning of the text and finds the last one with the tag.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from keyferry.crypto.certificates import verify_issued
from keyferry.crypto.tr34 import Layout, parse_header, parse_token
from keyferry.hsm.futurex.simulator import Device
from keyferry.hsm.futurex.simulator.running import serve

DAY = f"{datetime.now(UTC) - timedelta(hours=1):%Y%m%d}"
Send = Callable[[str], "asyncio.Future[str]"]


def exchange(port: int, command: str) -> str:
    """Do as the sample does: connect, send, read until the bracket, shut down."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(command.encode())
        answer = b""
        while b"]" not in answer:
            part = connection.recv(4096)
            assert part, "closed before the end of the answer"
            answer += part
        connection.shutdown(socket.SHUT_RDWR)
    return answer.decode()


def token(answer: str, tag: str) -> str:
    """Take a token as the sample does."""
    found = re.match(rf".*[\[;]{tag}(.*?);", answer)
    assert found, f"no {tag} in an answer of {len(answer)} characters"
    return found.group(1)


@pytest.fixture
async def send() -> AsyncIterator[Callable[[str], asyncio.Future[str]]]:
    """Send a command over a connection of its own."""
    async with serve(Device()) as server:
        loop = asyncio.get_running_loop()
        yield lambda command: loop.run_in_executor(None, exchange, server.port, command)


async def make_authority(send: Send, pair_command: str) -> tuple[str, str]:
    """GRSA or GECC, then ASGC; return private key and certificate."""
    private_key = token(await send(pair_command), "RC")
    answer = await send(
        f"[AOASGC;RY3;BF{DAY};XE1122;KUdigitalSignature,nonRepudiation,keyCertSign;AL6;AD1;"
        f"BCCA:TRUE;RTKDH CA1;RSSelfSignedCertificate;SG10101;FS6;RC{private_key};]"
    )
    return private_key, token(answer, "RV")


async def certify(send: Send, private_key: str, ca: tuple[str, str]) -> str:
    """ASYR, then ASSR; return the certificate."""
    request = await send(
        "[AOASYR;RG6;KUcritical,digitalSignature,keyEncipherment;RTPublicKey Cert;LA10201;FS6;"
        f"RC{private_key};]"
    )
    answer = await send(
        f"[AOASSR;RY3;BF{DAY};XE1122;AL6;KUdigitalSignature,nonRepudiation;"
        f"RU{token(request, 'RU')};SG20301;FS6;RH{ca[1]};RC{ca[0]};RG1;]"
    )
    return token(answer, "RV")


def certificate(text: str) -> x509.Certificate:
    return x509.load_der_x509_certificate(bytes.fromhex(text))


async def test_tr34_and_tr31(send: Send) -> None:
    """The KEK travels by TR-34, a base derivation key then by TR-31 under it."""
    rsa = "[AOGRSA;RB2048;CZG;BJ6;RA10001;KB1;KF1;SP1;]"
    pair = await send(rsa)
    assert all(token(pair, tag) for tag in ("RC", "SD", "RD"))
    ca = await make_authority(send, rsa)
    kdh = await certify(send, token(pair, "RC"), ca)
    leaf, root = certificate(kdh), certificate(ca[1])
    verify_issued(leaf, root, now=datetime.now(UTC))
    assert leaf.serial_number == 20301
    # The receiver, for once another pair of the same device.
    krd_key = token(await send(rsa), "RC")
    krd_ca = await make_authority(send, rsa)
    krd = await certify(send, krd_key, krd_ca)
    tpk = token(await send(f"[AOAVPC;FS6;RY3;KB1;CZV;RV{krd_ca[1]};]"), "RD")
    made = await send("[AOGPGS;FS6;CT3;AKD0000K1TB00E0000;]")
    kek = token(made, "BG")
    assert kek.startswith("D0112K1TB00E0000")
    assert re.fullmatch("[0-9A-F]{6}", token(made, "AE"))
    answer = await send(
        f"[AOTRTP;ZA3;FS6;CT3;RV{kdh};RC{token(pair, 'RC')};SJ{krd};SA{tpk};BG{kek};"
        "BJ0123456789ABCDEF;]"
    )
    # This leaf, as the samples ask for it, may not encipher keys: the device says so.
    assert token(answer, "BB") == "CERTIFICATE VERIFICATION FAILED"
    working = token(await send("[AOGPGS;FS6;CT3;AKD0000B0TX00E0000;]"), "BG")
    block = token(await send(f"[AOTWKA;FS6;AP{kek};BG{working};OFT;]"), "BH")
    assert block.startswith("B0096B0TX00E0000")


async def test_tr34_token(send: Send) -> None:
    """With a certificate for encipherment the token is what APC reads, nonce and header in it."""
    rsa = "[AOGRSA;RB2048;CZG;BJ6;RA10001;KB1;KF1;SP1;]"
    kdh_key, krd_key = [token(await send(rsa), "RC") for _ in range(2)]
    ca = await make_authority(send, rsa)
    kdh = await certify(send, kdh_key, ca)
    request = await send(f"[AOASYR;RG6;KUkeyEncipherment;RTKRD;LA1;FS6;RC{krd_key};]")
    answer = await send(
        f"[AOASSR;RY3;BF{DAY};XE1122;AL6;KUkeyEncipherment;RU{token(request, 'RU')};SG3;FS6;"
        f"RH{ca[1]};RC{ca[0]};RG1;]"
    )
    krd = token(answer, "RV")
    tpk = token(await send(f"[AOAVPC;FS6;RY3;KB1;CZV;RV{ca[1]};]"), "RD")
    kek = token(await send("[AOGPGS;FS6;CT3;AKD0000K1TB00E0000;]"), "BG")
    answer = await send(
        f"[AOTRTP;ZA3;FS6;CT3;RV{kdh};RC{kdh_key};SJ{krd};SA{tpk};BG{kek};BJ0123456789ABCDEF;]"
    )
    parsed = parse_token(bytes.fromhex(token(answer, "SJ")))
    assert parsed.layout is Layout.AWS
    assert parsed.nonce == bytes.fromhex("0123456789ABCDEF")
    assert parse_header(parsed.header).usage == "K1"


async def test_ecdh(send: Send) -> None:
    """A pair on P-521 is certified, the peer's leaf trusted, a key sent under what they derive."""
    key = token(await send("[AOGPGS;FS6;CT6;AKD0000K1AB00E0000;]"), "BG")
    assert key.startswith("D0144K1AB00E0000")
    own = token(await send("[AOGECC;BJ6;RA4;KB1;CZX;]"), "RC")
    ca = await make_authority(send, "[AOGECC;BJ6;RA4;KB1;CZG;]")
    await certify(send, own, ca)
    peer_key = token(await send("[AOGECC;BJ6;RA4;KB1;CZX;]"), "RC")
    peer = await certify(send, peer_key, ca)
    root = token(await send(f"[AOAVPC;FS6;RY3;KB1;CZV;RV{ca[1]};]"), "RD")
    leaf = token(await send(f"[AOAVPC;FS6;RY3;KB1;CZX;SA{root};RV{peer};]"), "RD")
    derived = await send(f"[AOSDDH;FS6;AS0;CT6;RG4;AK0123456789;KM0;RC{own};RD{leaf};]")
    answer = await send(f"[AOTWKA;FS6;AP{token(derived, 'BG')};BG{key};OFT;]")
    assert token(answer, "BH").startswith("D0144K1AB00E0000")
