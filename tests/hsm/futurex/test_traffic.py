"""How a Futurex's messages are masked, matched and refused; firmware profiles."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import pytest

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.hsm.faults import Fault, FaultyDevice
from keyferry.hsm.firmware_profiles import profile_named
from keyferry.hsm.futurex.commands import COMMANDS
from keyferry.hsm.futurex.simulator import Device, fresh_state
from keyferry.hsm.futurex.simulator.firmware import PROFILES
from keyferry.hsm.futurex.simulator.running import SimulatorOptions, open_device, serve
from keyferry.hsm.futurex.simulator.traffic import SECRETS, FuturexTraffic
from keyferry.hsm.futurex.tokens import Token
from keyferry.hsm.recording import RecordedDevice, Recorder, ReplayedDevice

TRAFFIC = FuturexTraffic()
PEK = "0" * 32
PAN12 = "550000025321"


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        # TPIN: block and account; the keys stay, AG is gone.
        (
            f"AOTPIN;AW1;AX{PEK};BT{PEK};AL91DDDA0A7C12CFAA;AK{PAN12};AG0001;",
            f"AOTPIN;AW1;AX{PEK};BT{PEK};AL****************;AK************;",
        ),
        # EPIN: the clear PIN.
        (
            f"AOEPIN;AG1;AX{PEK};AF1234;AW1;AK{PAN12};",
            f"AOEPIN;AX{PEK};AF****;AW1;AK************;",
        ),
        # VPIN: what verifies a PIN is as good as the PIN.
        (
            f"AOVPIN;BF1;AW1;AL91DDDA0A7C12CFAA;AX{PEK};CA{PEK};BX4402;BY1;BZ50000025321;AK{PAN12};",
            f"AOVPIN;BF1;AW1;AL****************;AX{PEK};CA{PEK};BX****;BY1;BZ***********;AK************;",
        ),
        # VCVV: account and value.
        (
            f"AOVCVV;AV4123456789012345;CA{PEK};FA8701;FB101;FC561;",
            f"AOVCVV;AV****************;CA{PEK};FA8701;FB101;FC***;",
        ),
        # AK is a header here: the same tag is no secret in every command.
        ("AOGPGS;FS6;CT3;AKD0000K1TB00E0000;AG2;", "AOGPGS;FS6;CT3;AKD0000K1TB00E0000;"),
        # Not as its table says: nothing is known of it.
        ("AOEPIN;AXzz;AF1234;", "AOEPIN*************"),
        ("AOEPIN;AF12;34;", "AOEPIN*********"),
        # A command without a public layout, one there is not, and no message at all.
        ("AOGMAC;AX1234;", "AOGMAC********"),
        ("AOXXXX;AF1234;", "AOXXXX********"),
        ("1234 is the PIN", "1234 i*********"),
    ],
)
def test_requests_are_masked(message: str, masked: str) -> None:
    """Secrets by the command's table; all of what cannot be read."""
    assert TRAFFIC.masked_request(message.encode()) == masked.encode()


@pytest.mark.parametrize(
    ("message", "answer", "masked"),
    [
        (
            f"AOTPIN;AW1;AX{PEK};BT{PEK};AL91DDDA0A7C12CFAA;AK{PAN12};AG7;",
            "AOTPIN;AL91DDDA0A7C12CFAA;AG7;BBY;",
            "AOTPIN;AL****************;AG;BBY;",
        ),
        (
            f"AOCPIN;AW1;AL91DDDA0A7C12CFAA;AX{PEK};AK{PAN12};",
            "AOCPIN;AF1234;BBY;",
            "AOCPIN;AF****;BBY;",
        ),
        # A token the table does not have may be anything.
        ("AOECHO;AG5;", "AOECHO;AG5;BBY;ZZ1234;", "AOECHO;AG;BBY;ZZ****;"),
        (
            "AOCPIN;AWx;",
            "AOERRO;AM34;ANAW;BBINVALID TOKEN;AG1;",
            "AOERRO;AM34;ANAW;BBINVALID TOKEN;AG;",
        ),
        (
            "AOXXXX;AF1234;",
            "AOERRO;AM34;ANAO;BBINVALID TOKEN;",
            "AOERRO;AM34;ANAO;BBINVALID TOKEN;",
        ),
        ("AOCPIN;", "AOEPIN;AL91DDDA0A7C12CFAA;", "AOEPIN" + "*" * 20),
        ("AOCPIN;", "no answer", "no ans***"),
    ],
)
def test_answers_are_masked(message: str, answer: str, masked: str) -> None:
    """Secrets by the command's table; an echo leaves its place only."""
    assert TRAFFIC.masked_answer(message.encode(), answer.encode()) == masked.encode()


def test_every_secret_is_one_of_a_command_and_no_other_looks_like_one() -> None:
    """A field whose name speaks of PINs, accounts or card values is masked."""
    names = {
        row.names()[0]
        for command in COMMANDS.values()
        for row in (*(command.request or ()), *command.response)
        if isinstance(row, Token)
    }
    assert names >= SECRETS
    telling = {name for name in names if re.search(r"pin|pan|cvv|pvv", name)}
    assert telling - SECRETS == {"pin_format", "pin_length", "ask_cvv2"}


@pytest.mark.parametrize(
    ("message", "code", "answer"),
    [
        ("AOGPGS;FS6;AG0042;", "34", "AOERRO;AM34;ANAO;BBINVALID TOKEN;AG0042;"),
        ("AOGPGS;FS6;", "904BG", "AOERRO;AM904;ANBG;BBKEY AUTHENTICATION FAILED;"),
        ("AOGPGS;FS6;", "12", "AOERRO;AM12;ANAO;BBERROR;"),
    ],
)
def test_error_answers(message: str, code: str, answer: str) -> None:
    """A number, the tag it blames, its text if it is known, and the echo."""
    TRAFFIC.check_error_code(code)
    assert TRAFFIC.error_answer(message.encode(), code) == answer.encode()


@pytest.mark.parametrize("code", ["", "BG", "34B", "34BGG", "A1", "34-"])
def test_error_codes_of_no_futurex(code: str) -> None:
    """They are refused before anything listens, with an example."""
    with pytest.raises(ConfigurationError) as caught:
        TRAFFIC.check_error_code(code)
    assert "error:34" in str(caught.value.hint)
    with pytest.raises(HSMFrameError):
        TRAFFIC.error_answer(b"AOECHO;", code)


@pytest.mark.parametrize("text", ["garble", "drop", "error:999"])
def test_faults(device: Device, text: str) -> None:
    """A fault of each kind leaves nothing of the answer, or one byte wrong."""
    struck = FaultyDevice(device, TRAFFIC, Fault.parse(text), chances=random.Random(3))
    if text == "drop":
        with pytest.raises(HSMFrameError):
            struck.answer(b"AOECHO;AG1;")
        return
    answer = struck.answer(b"AOECHO;AG1;")
    assert isinstance(answer, bytes)
    good = b"AOECHO;AG1;BBY;"
    if text == "garble":
        assert sum(one != other for one, other in zip(answer, good, strict=True)) == 1
    else:
        assert answer == b"AOERRO;AM999;ANAO;BBINTERNAL ERROR;AG1;"


async def test_any_garbled_byte_leaves(device: Device) -> None:
    """The server sends a byte that no frame may hold; what the client makes of it is its own."""

    class Garbled:
        def answer(self, message: bytes) -> bytes:
            assert message == b"AOECHO;"
            return b"AOECHO\x00BB]Y;"

    async with serve(device) as server:
        server.put_before(lambda _: Garbled())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"[AOECHO;]")
        assert await asyncio.wait_for(reader.readexactly(14), 20) == b"[AOECHO\x00BB]Y;]"
        writer.close()


def test_replay(device: Device, tmp_path: Path) -> None:
    """Answers come in their order with the echo of the question; a new question is told why not."""
    path = tmp_path / "recording"
    recorder = Recorder(path, simulator="futurex")
    recorded = RecordedDevice(device, TRAFFIC, recorder)
    generate = "AOGPGS;FS6;CT3;AKD0000K1TB00E0000;"
    first = recorded.answer(f"{generate}AG0001;".encode())
    second = recorded.answer(f"{generate}AG0002;".encode())
    echo = recorded.answer(b"AOECHO;AG0003;")
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    assert first != second
    assert echo == b"AOECHO;AG0003;BBY;"
    pin = recorded.answer(f"AOEPIN;AXBD1;AF1234;AW1;AK{PAN12};".encode())
    assert isinstance(pin, bytes)
    recorder.close()
    text = path.read_text()
    assert "1234;" not in text
    assert PAN12 not in text
    assert pin[9:25].decode() not in text

    replayed = ReplayedDevice(path, TRAFFIC, simulator="futurex")
    assert replayed.answer(f"{generate}AG9;".encode()) == first.replace(b"AG0001", b"AG9")
    assert replayed.answer(generate.encode()) == second.replace(b"AG0002;", b"")
    assert replayed.answer(b"AOECHO;AGx;") == b"AOECHO;AGx;BBY;"
    # Another header, another length: the first field that is new is told.
    other = replayed.answer(b"AOGPGS;FS6;CT3;AKD0000P0TB00E0000;AG1;")
    assert other == b"AOERRO;AM907;ANAK;BBNOT IN THE RECORDING;AG1;"
    assert replayed.answer(b"AOGECC;BJ6;RA4;KB1;CZX;").startswith(b"AOERRO;AM907;ANAO;")
    asked = f"AOEPIN;AXBD1;AF9999;AW1;AK{PAN12};"
    assert replayed.answer(asked.encode()).startswith(b"AOERRO;AM908;ANAO;")


@pytest.mark.parametrize(
    ("release", "command", "answer"),
    [
        # A layout of ours is none of theirs.
        ("7.6", "AOTRTD;FS6;", "AOERRO;AM34;ANAO;BBINVALID TOKEN;"),
        ("7.4", "AOTRTD;FS6;", "AOERRO;AM34;ANAO;BBINVALID TOKEN;"),
        ("SIM0-0001", "AOTRTD;FS6;", "AOERRO;AM901;ANSJ;BBMISSING TOKEN;"),
        ("7.6", "AOTRTP;FS6;", "AOERRO;AM901;ANZA;BBMISSING TOKEN;"),
        # A device without a PMK knows neither the commands that came with it nor keys under it.
        ("mfk", "AOTRTP;FS6;", "AOERRO;AM34;ANAO;BBINVALID TOKEN;"),
        ("mfk", "AOSDDH;FS6;", "AOERRO;AM34;ANAO;BBINVALID TOKEN;"),
        (
            "mfk",
            "AOGPGS;FS6;CT3;AKD0000K1TB00E0000;",
            "AOERRO;AM903;ANFS;BBMAJOR KEY NOT LOADED;",
        ),
    ],
)
def test_firmware(release: str, command: str, answer: str) -> None:
    """What a release does not know is refused as an unknown command is."""
    device = open_device(SimulatorOptions(firmware=release))
    assert device.answer(command.encode()) == answer.encode()


def test_a_device_without_a_pmk_works_as_older_hosts_know_it() -> None:
    """Keys under the MFK, check values of four digits unless a setting says otherwise."""
    device = open_device(SimulatorOptions(firmware="mfk"))
    answer = device.answer(b"AOGPGS;CT3;FS1;")
    assert isinstance(answer, bytes)
    assert re.fullmatch(rb"AOGPGS;BG[0-9A-F]{48};AE[0-9A-F]{4};", answer)
    longer = open_device(SimulatorOptions(firmware="mfk", settings=("check_digits=6",)))
    answer = longer.answer(b"AOGPGS;CT3;FS1;")
    assert isinstance(answer, bytes)
    assert re.search(rb"AE[0-9A-F]{6};", answer)


def test_an_unknown_firmware_is_refused() -> None:
    """The profiles there are stand in the hint."""
    with pytest.raises(ConfigurationError, match="no such profile") as caught:
        profile_named(PROFILES, "9.9")
    assert "7.6, 7.4, mfk" in str(caught.value.hint)
    assert Device(fresh_state()).firmware.name == "SIM0-0001"
