"""A client that speaks as the published sample does: its own sockets, its own patterns."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import CertificateUsage, create_root, issue_leaf
from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import KBPK
from keyferry.crypto.tr34 import der, issuer_and_serial, open_token
from keyferry.hsm.atalla.simulator import Device
from keyferry.hsm.atalla.simulator.challenges import DualControl
from keyferry.hsm.atalla.simulator.running import AtallaServer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OAEP = bytes.fromhex(
    "304506092A864886F70D0101073038300D06096086480165030402010500301806092A864886F70D010108300B"
    "0609608648016503040201300D06092A864886F70D0101090400"
)
NONCE = bytes.fromhex("ABCDABCDABCDABCD")
HEADER = "B9999K1TB00E0000"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A listening simulator."""
    server = AtallaServer(Device(dual_control=DualControl.AUTO), with_console=False)
    async with server:
        yield server.port
    while SOCKETS:
        SOCKETS.pop().close()


@pytest.fixture(scope="module")
def keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """The private keys of a CA and of a KRD."""
    return rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)


async def send(port: int, command: str) -> str:
    """Open a connection, never close it, and read until there is a `>`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(command.encode())
    async with asyncio.timeout(30):
        answer = await reader.readuntil(b">")
    SOCKETS.append(writer)
    return answer.decode()


SOCKETS: list[asyncio.StreamWriter] = []


async def test_the_whole_flow(port: int, keys) -> None:
    """12A, 120, 139, 136, 139, 11A in wire order; the token opens, the block too."""
    ca_key, krd_key = keys
    ca = create_root(
        ca_key,
        common_name="CA",
        not_before=NOW,
        not_after=NOW + timedelta(days=30),
        hash_name="SHA256",
    )

    def leaf(public_key: rsa.RSAPublicKey, usage: CertificateUsage):
        return issue_leaf(
            public_key,
            subject="leaf",
            issuer=ca,
            issuer_key=ca_key,
            not_before=NOW,
            not_after=NOW + timedelta(days=20),
            usage=usage,
            hash_name="SHA256",
        )

    krd = leaf(krd_key.public_key(), CertificateUsage.KEY_ENCIPHERMENT)
    modulus = f"{krd_key.public_key().public_numbers().n:X}"
    step = await send(port, f"<12A#1kREE000#010001#{modulus}##>")
    challenge = re.match(r"^<22A#CHALLENGE#([0-9A-F]{16})#", step)
    assert challenge
    trusted = await send(port, f"<12A#1kREE000#010001#{modulus}#{challenge[1]}#>")
    krd_akb = re.match(r"^<22A#OK#(.*)#>$", trusted)
    assert krd_akb
    assert krd_akb[1].split(",")[1] == "00030100010100" + modulus

    pair = re.match(r"^<220#(.*?)#(.*?)#(.*?)#>$", await send(port, "<120#w#010001#2048#>"))
    assert pair
    kdh_modulus = int(pair[1].split(",")[1][14:], 16)
    kdh_public = rsa.RSAPublicNumbers(65537, kdh_modulus).public_key()
    signed = await send(port, f"<139#5#1#{b'a request'.hex()}######{pair[2]}#>")
    assert re.match(r"^<239#.*?#([0-9A-F]{512})#", signed)

    kdh = leaf(kdh_public, CertificateUsage.DIGITAL_SIGNATURE)
    prefix = (der.integer(1) + issuer_and_serial(kdh)).hex().upper()
    # The sample sends the contents of a file, line end and all.
    made = await send(port, f"<136#T#{HEADER}##{prefix}#D#4#{krd_akb[1]}\n#>")
    parts = re.match(r"^<236#(.*?)#(.*?)#(.*?)#(.*?)#(.*?)#(.*?)#.*>$", made)
    assert parts
    key, digits, encrypted_key, iv, encrypted_block, token = parts.groups()
    envelope = (
        der.integer(0)
        + der.set_of(
            [
                der.sequence(
                    der.integer(0),
                    issuer_and_serial(krd),
                    OAEP,
                    der.octet_string(bytes.fromhex(encrypted_key)),
                )
            ]
        )
        + der.sequence(
            der.oid(bytes.fromhex("2A864886F70D010701")),
            der.sequence(
                der.oid(bytes.fromhex("2A864886F70D0307")),
                der.octet_string(bytes.fromhex(iv)),
                der.encode(0x80, bytes.fromhex(encrypted_block)),
            ),
        )
    )

    def attribute(oid: str, value: bytes) -> bytes:
        return der.sequence(der.oid(bytes.fromhex(oid)), der.set_of([value]))

    attributes = (
        attribute("2A864886F70D010903", der.oid(bytes.fromhex("2A864886F70D010703")))
        + attribute("2A864886F70D01091903", der.octet_string(NONCE))
        + attribute("2A864886F70D010701", der.octet_string(HEADER.encode()))
        + attribute("2A864886F70D010904", der.octet_string(hashlib.sha256(envelope).digest()))
    )
    to_sign = b"\x31\x81\x86" + attributes
    assert len(to_sign) == 137
    text = envelope.hex().upper()
    first = text.index(encrypted_key) + 1
    command = (
        f"<139#5#1#{to_sign.hex().upper()}#{text}#0{first}#{text.index(iv) + 1}"
        f"#{text.index(encrypted_block) + 1}#{token}#{pair[2]}#>"
    )
    assert len(command) < 5000
    signature = re.match(r"^<239#.*?#([0-9A-F]{512})#", await send(port, command))
    assert signature
    sha256 = der.sequence(der.oid(bytes.fromhex("608648016503040201")))
    whole = der.sequence(
        der.oid(bytes.fromhex("2A864886F70D010702")),
        der.explicit(
            0,
            der.sequence(
                der.integer(1),
                der.set_of([sha256]),
                der.sequence(
                    der.oid(bytes.fromhex("2A864886F70D010703")),
                    der.explicit(0, der.octet_string(envelope)),
                ),
                der.set_of(
                    [
                        der.sequence(
                            der.integer(1),
                            issuer_and_serial(kdh),
                            sha256,
                            der.encode(0xA0, attributes),
                            der.sequence(der.oid(bytes.fromhex("2A864886F70D010101")), der.null()),
                            der.octet_string(bytes.fromhex(signature[1])),
                        )
                    ]
                ),
            ),
        ),
    )
    opened = open_token(
        whole,
        kdh_certificate=kdh,
        krd_certificate=krd,
        krd_private_key=krd_key,
        nonce=NONCE,
        kdh_ca=ca,
        now=NOW + timedelta(days=1),
    )
    assert opened.header == HEADER
    assert len(opened.key) == 24
    assert tdes_kcv(opened.key).hex().upper() == digits
    assert key.startswith("1kDNE000,")

    cvk = (await send(port, "<10#1CDNE000##D#>")).split("#")[1]
    exported = await send(port, f"<11A#B###{key}#{cvk}#00#0##>")
    block = re.match(r"^<21A#([^#]*)#([^#]*)#>$", exported)
    assert block
    assert len(block[1]) == 96
    unwrapped = KBPK(Cipher.TDES, opened.key).unwrap(block[1])
    assert tdes_kcv(unwrapped.key).hex().upper() == block[2]
    assert unwrapped.header.usage == "C0"

    # Nothing but the very message that was vouched for gets signed.
    other = await send(port, f"<139#5#1#{to_sign.hex()}######{pair[2]}#>")
    assert other == "<00#060385#>"
    moved = command.replace(f"#0{first}#", f"#0{first + 2}#")
    assert await send(port, moved) == "<00#080585#>"
    assert await send(port, command.replace(text, text[:-2] + "00")) == "<00#080385#>"
    assert await send(port, command.replace(token, "1bUNN000,00,0011223344556677")) == (
        "<00#080885#>"
    )
