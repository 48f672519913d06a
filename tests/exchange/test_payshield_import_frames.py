"""
What the receiver sends to a payShield, byte for byte, and what it makes of odd answers.

The frames are written out by hand from the published tables of A6 and BU; nothing of the simulator
is in them. The block of version B and its two keys are the example of X9.143; the keys are here of
odd parity, which changes no DES key, and wrapped under the public variant test LMK with OpenSSL.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from keyferry.errors import (
    CheckValueMismatchError,
    ConfigurationError,
    ExchangeError,
    HSMRefusedError,
)
from keyferry.exchange.authority import LocalAuthority
from keyferry.exchange.config import PayShield
from keyferry.exchange.parties.interface import KEK, Credential, Trust
from keyferry.exchange.parties.payshield_receiver import PayShieldReceiver
from keyferry.hsm.payshield.simulator import Device, Settings
from keyferry.keys import KeyAlgorithm

ZMK = "U91D2A1271C6B00E827650F6BE58FE647"  # DC7515F2BFC17F85CE49F2CB25CB20F7, type 000
PIN_KEY = "U1E0D00FB9C25DAE45665E7B8F895A078"  # 3E409E1CB6079443AB37464C2FFBF8B9, type 001
BLOCK_B = "B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E"
# Blocks whose payloads nobody opens here: their headers and lengths are what counts.
HIDDEN_B = "B0096P0TB00E0000" + "0" * 80
KEPT_B = "B0080P0TB00N0000" + "0" * 64
BLOCK_D = "D0112P0AB00E0000" + "0" * 96
AES_KEK = "S10128K1AB00E0000" + "7" * 112
AES_KEY = "S10096P0AB00E0000" + "5" * 80


@dataclass
class Script:
    """A payShield that is asked exactly this, and answers exactly that; message headers apart."""

    expected: list[tuple[str, str]]
    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while length := await reader.readexactly(2):
                message = await reader.readexactly(int.from_bytes(length))
                self.asked.append(message[4:].decode("latin-1"))
                number = len(self.asked) - 1
                known = number < len(self.expected) and self.expected[number][0] == self.asked[-1]
                answer = self.expected[number][1] if known else self.asked[-1][:2] + "15"
                body = message[:4] + answer.encode("latin-1")
                writer.write(len(body).to_bytes(2) + body)
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def receiver(
    *frames: tuple[str, str], variant: bool = False
) -> AsyncIterator[tuple[PayShieldReceiver, Script]]:
    """A receiver before a scripted device, which must have been asked all its frames."""
    script = Script(list(frames))
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    party = PayShieldReceiver(
        PayShield(port=server.sockets[0].getsockname()[1], variant_lmk=variant),
        LocalAuthority(now=datetime.now(UTC)),
    )
    try:
        yield party, script
    finally:
        await party.close()
        server.close()
        await server.wait_closed()
    assert script.asked == [request for request, _ in frames]


def kek(handle: str, *, aes: bool) -> KEK:
    return KEK(handle=handle, algorithm=None, check_value="", aes=aes)


async def test_under_a_variant_lmk() -> None:
    """A6 with the type of the usage and scheme U, then BU of what came back."""
    frames = (
        (f"A6001{ZMK}R{BLOCK_B}U%02", f"A700{PIN_KEY}57C409"),
        (f"BUFF1{PIN_KEY};001;001%02", "BV0057C409"),
    )
    async with receiver(*frames, variant=True) as (party, _):
        key = await party.import_tr31(BLOCK_B, kek(ZMK, aes=False))
    assert key.identifier == PIN_KEY
    assert key.check_value == "57C409"
    assert key.check_value_method == "ANSI_X9_24"
    assert key.attributes.key_algorithm is KeyAlgorithm.TDES_2KEY
    assert key.attributes.key_usage.code == "P0"
    assert key.keeps_header is False
    assert "type 001" in key.notes[0]
    assert PIN_KEY not in repr(key)


def test_a_device_answers_that_frame() -> None:
    """
    The simulated device opens the published block and wraps its key as the public LMK does.

    The key of the example has bad parity, so the answer is the warning 01 with the key set right.
    """
    device = Device(settings=Settings(default_lmk="02"))
    assert device.answer(f"0001A6001{ZMK}R{BLOCK_B}U%02".encode()) == (
        f"0001A701{PIN_KEY}57C409".encode()
    )
    assert device.answer(f"0001BUFF1{PIN_KEY};001;001%02".encode()) == b"0001BV0057C409"


async def test_under_a_key_block_lmk() -> None:
    """A6 with type FFF and scheme S, no new header; BU with the key block's own forms."""
    frames = (
        (f"A6FFF{AES_KEK}R{BLOCK_D}S%00", f"A700{AES_KEY}A1B2C3"),
        (f"BUFFF{AES_KEY};FFF;001%00", "BV00A1B2C3"),
    )
    async with receiver(*frames) as (party, _):
        key = await party.import_tr31(BLOCK_D, kek(AES_KEK, aes=True))
    assert key.identifier == AES_KEY
    assert (key.check_value, key.check_value_method) == ("A1B2C3", "CMAC")
    assert key.possible == (KeyAlgorithm.AES_128, KeyAlgorithm.AES_192)
    assert key.attributes.modes_of_use.letter.value == "B"
    assert key.exportable is True
    assert key.notes == ()


async def test_a_hidden_length_is_tried() -> None:
    """Where the block hides its length and nobody states it, triple comes first, then double."""
    double = (f"A6001{ZMK}R{HIDDEN_B}U%02", f"A700{PIN_KEY}57C409")
    asked = (f"BUFF1{PIN_KEY};001;001%02", "BV0057C409")
    triple = (f"A6001{ZMK}R{HIDDEN_B}T%02", "A726")
    async with receiver(triple, double, asked, variant=True) as (party, _):
        key = await party.import_tr31(HIDDEN_B, kek(ZMK, aes=False))
    assert key.attributes.key_algorithm is KeyAlgorithm.TDES_2KEY
    async with receiver(double, asked, variant=True) as (party, _):
        await party.import_tr31(HIDDEN_B, kek(ZMK, aes=False), algorithm=KeyAlgorithm.TDES_2KEY)


async def test_another_refusal_is_not_tried_again() -> None:
    """Error A4 is the device's word; the second scheme is not tried."""
    frame = (f"A6001{ZMK}R{HIDDEN_B}T%02", "A7A4")
    async with receiver(frame, variant=True) as (party, _):
        with pytest.raises(HSMRefusedError) as caught:
            await party.import_tr31(HIDDEN_B, kek(ZMK, aes=False))
    assert caught.value.code == "A4"
    assert BLOCK_B not in str(caught.value)


async def test_a_parity_warning_is_told() -> None:
    """Error 01 of A6 carries the key; the result says that parity was set right."""
    frames = (
        (f"A6001{ZMK}R{BLOCK_B}U%02", f"A701{PIN_KEY}57C409"),
        (f"BUFF1{PIN_KEY};001;001%02", "BV0057C409"),
    )
    async with receiver(*frames, variant=True) as (party, _):
        key = await party.import_tr31(BLOCK_B, kek(ZMK, aes=False))
    assert key.notes[0] == "its parity was bad and was set right"


async def test_two_check_values_for_one_key() -> None:
    """What A6 said and BU says must be one key; the key is not repeated."""
    frames = (
        (f"A6FFF{AES_KEK}R{BLOCK_D}S%00", f"A700{AES_KEY}A1B2C3"),
        (f"BUFFF{AES_KEY};FFF;001%00", "BV00000000"),
    )
    async with receiver(*frames) as (party, _):
        with pytest.raises(CheckValueMismatchError, match="A6 showed check value A1B2C3") as caught:
            await party.import_tr31(BLOCK_D, kek(AES_KEK, aes=True))
    assert AES_KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (KEPT_B, "the key is not exportable, and a variant LMK would make it so"),
        (BLOCK_B.replace("P0TE", "E5TX"), "a variant LMK has no key type for"),
        (BLOCK_B.replace("P0TE", "20TN"), "usage 20, which the API has no name for"),
        (BLOCK_B.replace("P0TE", "P0AB"), "neither a double nor a triple length TDES key"),
    ],
)
async def test_what_a_variant_lmk_cannot_keep(block: str, words: str) -> None:
    """Refused before the device is asked."""
    async with receiver(variant=True) as (party, script):
        with pytest.raises(ExchangeError, match=words):
            await party.import_tr31(block, kek(ZMK, aes=False))
        assert script.asked == []


async def test_tr34_is_not_offered() -> None:
    """Neither half of a TR-34 receiver does anything; the plan refuses it before."""
    async with receiver() as (party, script):
        with pytest.raises(ConfigurationError, match="imports a TR-34 token"):
            await party.receiving_credential(KeyAlgorithm.RSA_2048)
        own = Credential.__new__(Credential)
        with pytest.raises(ConfigurationError, match="imports a TR-34 token"):
            await party.import_tr34(b"", own=own, peer=own, trust=Trust(), nonce=b"")
        assert script.asked == []


async def test_what_the_device_executes() -> None:
    """Commands are asked without their fields: 67 and 68 say that they are not there."""
    frames = (
        ("NC%00", "ND00" + "1" * 16 + "0001-1.14"),
        ("NO00", "NP68"),
        ("JK", "JL68"),
        ("A6", "A715"),
        ("BU", "BV15"),
        ("FY", "FZ67"),
        ("IG", "IH68"),
    )
    async with receiver(*frames) as (party, _):
        device = await party.device()
    assert device.commands == {"A6", "BU"}
