"""The simulator serves a client that sends and slices as the published AWS sample does."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from keyferry.crypto.certificates import CertificateUsage
from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.keyblock import KBPK
from keyferry.crypto.tr34 import assemble_token, issuer_and_serial, open_token
from keyferry.crypto.variant_lmk import TEST_LMK
from keyferry.hsm.payshield.simulator import Device
from keyferry.hsm.payshield.simulator.server import SimulatorServer


class SampleClient:
    """Header 0000, one connection a command, one recv of 4096 bytes, length checked, else exit."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, command: bytes) -> bytes:
        """Return the whole frame, as the client slices it, length prefix included."""
        message = b"0000" + command
        frame = len(message).to_bytes(2, "big", signed=True) + message
        with socket.create_connection(("127.0.0.1", self.port), timeout=8) as connection:
            connection.sendall(frame)
            answer = connection.recv(4096)
        assert int.from_bytes(answer[:2], "big") == len(answer) - 2
        assert answer[2:6] == b"0000"
        # The text decode of the client never changes an offset.
        text = answer.decode("ascii", errors="replace")
        assert text[8:10] == "00", text[:10]
        return answer

    def key_and_kcv(self, command: str) -> tuple[str, str]:
        """Slice a key and its check value."""
        text = self.send(command.encode()).decode("ascii", errors="replace")
        return text[10:-6], text[-6:]


def element(data: bytes, start: int) -> bytes:
    """Return the DER element at a place: short form, 81 or 82."""
    length = data[start + 1]
    if length < 0x80:
        return data[start : start + 2 + length]
    count = length & 0x7F
    size = int.from_bytes(data[start + 2 : start + 2 + count], "big")
    return data[start : start + 2 + count + size]


def children(data: bytes) -> bytes:
    """Return an element without its tag and length."""
    return data[2:] if data[1] < 0x80 else data[2 + (data[1] & 0x7F) :]


def tr34_flow(client: SampleClient, authority: Any, *, variant: bool) -> dict[str, Any]:
    """Run EI, A0 and B8 as the sample does, and put its token together."""
    nonce = bytes.fromhex("ABCDABCDABCDABCD")
    answer = client.send(b"EI0204802%02" if variant else b"EI0204802#0000&N")
    public = element(answer, 10)
    private = answer[10 + len(public) + 4 :]
    kdh = authority.leaf(load_der_public_key(public), "kdh", CertificateUsage.DIGITAL_SIGNATURE)
    key, kcv = client.key_and_kcv("A00000U%02" if variant else "A00FFFS#K1T3N00E00")
    krd_key = authority.krd_key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    request = (
        f"B80{'000' if variant else 'FFF'}{key}".encode()
        + issuer_and_serial(kdh)
        + b"000001"
        + issuer_and_serial(authority.krd)
        + krd_key
        + b"0099"
        + (f"{len(private):04d}".encode() if variant else b"FFFF")
        + private
        + b"01008"
        + nonce
        + (b"%02&K1B00S00!B" if variant else b"!B")
    )
    answer = client.send(request)
    attributes = element(answer, 10)
    start = 10 + len(attributes) + 3
    envelope = element(answer, start)
    start += len(envelope)
    size = int(answer[start : start + 4])
    signature = answer[start + 4 :]
    assert len(signature) == size
    token = assemble_token(
        econtent=children(envelope),
        attributes_set=b"\x31" + attributes[1:],
        kdh_id=issuer_and_serial(kdh),
        signature=signature,
    )
    return {"token": token, "kdh": kdh, "kcv": kcv, "nonce": nonce, "key": key}


@pytest.mark.parametrize("variant", [False, True], ids=["key block", "variant"])
async def test_tr34(device: Device, authority: Any, variant: bool) -> None:
    """The token the sample's client builds opens, and holds the key the A0 answered."""
    async with SimulatorServer(device) as server:
        client = SampleClient(server.port)
        done = await asyncio.to_thread(tr34_flow, client, authority, variant=variant)
    opened = open_token(
        done["token"],
        kdh_certificate=done["kdh"],
        krd_certificate=authority.krd,
        krd_private_key=authority.krd_key,
        nonce=done["nonce"],
        kdh_ca=authority.root,
        now=device.now(),
    )
    assert tdes_kcv(opened.key).hex().upper() == done["kcv"]
    if variant:
        # The public test LMK opens the key field too: the same bytes travelled.
        assert TEST_LMK.decrypt(done["key"], key_type="000") == opened.key


async def test_ecdh(device: Device) -> None:
    """A0, FY, IG, A8: the key block made under the agreed key opens on the other side."""
    peer = ec.generate_private_key(ec.SECP521R1())

    def flow(client: SampleClient) -> tuple[str, bytes, str, bytes]:
        key, kcv = client.key_and_kcv("A00FFFS#K1A3N00E00")
        answer = client.send(b"FY010203%00#X00S00")
        size = int(answer[10:14])
        public = answer[14 : 14 + size]
        private = answer[14 + size :].decode("utf-8")
        spki = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        info = "0123456789"
        # The sample writes the literal 100 and the decimal length: flag 1, length 0010.
        request = f"{private}106100{len(info)}{info};0100256K1A3B00E00;:"
        answer = client.send(b"IG2103" + spki + request.encode())
        kek = answer[10:-3].decode("ascii")
        block, block_kcv = client.key_and_kcv(f"A8FFF{kek}{key}R%00!D")
        assert block_kcv == kcv
        return block, public, kcv, answer[-3:]

    async with SimulatorServer(device) as server:
        block, public, kcv, kek_kcv = await asyncio.to_thread(flow, SampleClient(server.port))
    theirs = load_der_public_key(public)
    assert isinstance(theirs, ec.EllipticCurvePublicKey)
    derived = derive_key(
        agree(peer, theirs),
        kdf=KeyDerivationFunction.NIST_SP800,
        hash_name="SHA256",
        shared_info=bytes.fromhex("0123456789"),
        size=32,
    )
    assert cmac_kcv(Cipher.AES, derived) == kek_kcv
    assert block.startswith("RD0144K1AN00E0000")
    unwrapped = KBPK(Cipher.AES, derived).unwrap(block[1:])
    assert cmac_kcv(Cipher.AES, unwrapped.key).hex().upper() == kcv


@pytest.mark.parametrize("variant", [False, True], ids=["key block", "variant"])
async def test_tr31(device: Device, variant: bool) -> None:
    """A0 and A8 under a KEK from the configuration: version B, header as the sample says."""

    def flow(client: SampleClient) -> tuple[str, str, str]:
        if variant:
            kek = TEST_LMK.encrypt(
                bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), key_type="000", scheme="U"
            )
            key, kcv = client.key_and_kcv("A00009U%02")
            block, block_kcv = client.key_and_kcv(f"A8009{kek}{key}R%02&B0X00S00!B")
        else:
            kek, _ = client.key_and_kcv("A00FFFS#K0T3N00E00")
            key, kcv = client.key_and_kcv("A00FFFS#B0T3N00E00")
            block, block_kcv = client.key_and_kcv(f"A8FFF{kek}{key}R%00!B")
        assert block_kcv == kcv
        return block.replace("R", "", 1), kcv, kek

    async with SimulatorServer(device) as server:
        block, kcv, _ = await asyncio.to_thread(flow, SampleClient(server.port))
    if variant:
        assert block.startswith("B0080B0TX00S0000")
        kbpk = KBPK(Cipher.TDES, bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
        assert tdes_kcv(kbpk.unwrap(block).key).hex().upper() == kcv
    else:
        assert block.startswith("B0096B0TN00E0000")
        assert len(block) == 96


async def test_certificate_request(device: Device) -> None:
    """QE as the sample would send it: private key straight behind the public one."""

    def flow(client: SampleClient) -> bytes:
        answer = client.send(b"EI0204802#0000&N")
        public = element(answer, 10)
        private = answer[10 + len(public) + 4 :]
        answer = client.send(
            b"QE000102" + public + private + b"01061Public Cert;Payshield Certificate;"
            b"AWS Sample Org;Arlington;VA;US;"
        )
        assert int(answer[10:14]) == len(answer) - 14
        return answer[14:]

    async with SimulatorServer(device) as server:
        pem = await asyncio.to_thread(flow, SampleClient(server.port))
    assert pem.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
