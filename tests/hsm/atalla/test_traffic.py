"""How an Atalla's messages are masked, matched and refused; firmware profiles."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.hsm.atalla.capabilities import ask_device
from keyferry.hsm.atalla.commands import COMMANDS
from keyferry.hsm.atalla.driver import AtallaDriver
from keyferry.hsm.atalla.simulator import Device, Settings
from keyferry.hsm.atalla.simulator.challenges import DualControl
from keyferry.hsm.atalla.simulator.firmware import PROFILES
from keyferry.hsm.atalla.simulator.running import AtallaServer, SimulatorOptions, open_device
from keyferry.hsm.atalla.simulator.traffic import CLEAR_MESSAGES, SECRETS, AtallaTraffic
from keyferry.hsm.faults import Fault, FaultyDevice
from keyferry.hsm.firmware_profiles import profile_named
from keyferry.hsm.recording import RecordedDevice, Recorder, ReplayedDevice

Wrap = Callable[..., str]
TRAFFIC = AtallaTraffic(settings=Settings())
# From the reference: the two keys, and a block under the first for PAN digits 123456789012.
KPE_A = "1PUNE000,302A81872F21CE1D0A8791AC9B0C7A6ABB5A9D73F6EB4872,B8E0CBEEB718723D"
KPE_B = "1PUNE000,0E1E69D28D24BABD7152C3ECAB2A04E4A471A1C8CD7FF123,01C98B8A08067F7A"
PAN12 = "123456789012"
TRANSLATE = f"31#1#{KPE_A}#{KPE_B}#0B764ADBA78B005A#{PAN12}#"


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        (f"{TRANSLATE}^0001#", f"31#1#{KPE_A}#{KPE_B}#{'*' * 16}#{'*' * 12}#"),
        (f"30#{KPE_A}#1234#{PAN12}#", f"30#{KPE_A}#****#{'*' * 12}#"),
        # Which fields there are depends on the method; the table stays, the rest is masked.
        (
            f"32#2#1#0B764ADBA78B005A#{KPE_A}#0123456789012345#1234#1234567890#F#4#{KPE_B}#{PAN12}#",
            f"32#2#1#{'*' * 16}#{KPE_A}#0123456789012345#****#{'*' * 10}#F#4#{KPE_B}#{'*' * 12}#",
        ),
        (
            f"32#3#1#0B764ADBA78B005A#{KPE_A}#{KPE_B}##4402#1#23456789012#{PAN12}#",
            f"32#3#1#{'*' * 16}#{KPE_A}#{KPE_B}##****#1#{'*' * 11}#{'*' * 12}#",
        ),
        (f"5D#3#{KPE_A}##41234567890123458701101#", f"5D#3#{KPE_A}##{'*' * 23}#"),
        # Clear data of one command are secret, certificates of another are not.
        (
            f"98#{KPE_A}#3#7##U#8#31323334#18#",
            f"98#{KPE_A}#3#7##U#8#********#18#",
        ),
        (f"139#5#1#31323334######{KPE_A}#", f"139#5#1#31323334######{KPE_A}#"),
        ("12A#1kREE000#010001#" + "C1" * 256 + "#0011#", None),
        # Not as its table says, without a public layout, unknown, no message.
        (f"30#{KPE_A}#12x4#{PAN12}#", "30#" + "*" * (len(KPE_A) + 19)),
        ("3A#1234#", "3A#*****"),
        ("ZZ#1234#", "********"),
        ("30#1234", "30#****"),
    ],
)
def test_requests_are_masked(message: str, masked: str | None) -> None:
    """Secrets by the command's table; all of what cannot be read; no context tag."""
    if masked is None:
        masked = message.removesuffix("0011#") + "****#"
    assert TRAFFIC.masked_request(message.encode()) == masked.encode()


@pytest.mark.parametrize(
    ("message", "answer", "masked"),
    [
        (f"{TRANSLATE}^7#", "41#8DE55A3A172850B9#Y#", "41#****************#Y#"),
        ("93#H#8#", "A3#0123ABCD#", "A3#********#"),
        ("12A#1kREE000#010001#" + "C1" * 256 + "##", "22A#CHALLENGE#01AB#77FF#", None),
        (TRANSLATE, "00#030480#", "00#030480#"),
        (TRANSLATE, "00#030480#0201##", "00#030480#0201##"),
        # Error 00 is the echo's, and what stands behind it is somebody's text.
        (TRANSLATE, "00#000085#1234#", "00#" + "*" * 12),
        ("ZZ#1#", "00#220085#", "00#220085#"),
        (TRANSLATE, "41#zz#", "*" * 6),
    ],
)
def test_answers_are_masked(message: str, answer: str, masked: str | None) -> None:
    """Secrets by the command's table; errors stay as they are."""
    if masked is None:
        masked = "22A#CHALLENGE#01AB#****#"
    assert TRAFFIC.masked_answer(message.encode(), answer.encode()) == masked.encode()


def test_every_secret_is_one_of_a_command_and_no_other_looks_like_one() -> None:
    """A field whose name speaks of PINs, accounts or card values is masked."""
    names = {
        name
        for command in COMMANDS.values()
        for row in (*(command.request or ()), *command.response)
        for name in row.names()
    }
    assert names >= SECRETS
    telling = {name for name in names if re.search(r"pin|pan|cvv|pvv|offset|block$", name)}
    # Keys, block formats, and what is enciphered for the receiver of a key.
    assert telling - SECRETS == {"kcvv", "encrypted_block", "tr31_block"}
    for code, fields in CLEAR_MESSAGES.items():
        assert (
            fields & {name for row in COMMANDS[code].request or () for name in row.names()}
            or code == "351"
        )


@pytest.mark.parametrize(
    ("message", "code", "settings", "answer"),
    [
        ("10#1CDNE000##D#", "41", Settings(), "00#410085#"),
        ("10#1CDNE000##D#^12#", "0607", Settings(software="81"), "00#060781#^12#"),
        ("ZZ#", "2200", Settings(option_21=True), "00#220085#2200##"),
    ],
)
def test_error_answers(message: str, code: str, settings: Settings, answer: str) -> None:
    """Error, field and version; the detail where option 21 is on; the context tag."""
    traffic = AtallaTraffic(settings=settings)
    traffic.check_error_code(code)
    assert traffic.error_answer(message.encode(), code) == answer.encode()


@pytest.mark.parametrize("code", ["", "4", "A1", "060", "06070"])
def test_error_codes_of_no_atalla(code: str) -> None:
    """They are refused before anything listens, with an example."""
    with pytest.raises(ConfigurationError) as caught:
        TRAFFIC.check_error_code(code)
    assert "error:0607" in str(caught.value.hint)
    with pytest.raises(HSMFrameError):
        TRAFFIC.error_answer(b"1101#", code)


def test_faults(device: Device) -> None:
    """An error is no command done, a garbled answer is one byte off, a dropped one is none."""
    chances = random.Random(3)
    struck = {
        text: FaultyDevice(device, TRAFFIC, Fault.parse(text), chances=chances)
        for text in ("error:41", "garble", "drop")
    }
    before = device.volumes["1101"]
    assert struck["error:41"].answer(b"1101#") == b"00#410085#"
    assert device.volumes["1101"] == before
    garbled, good = struck["garble"].answer(b"1101#"), device.answer(b"1101#")
    assert isinstance(garbled, bytes)
    assert isinstance(good, bytes)
    assert sum(one != other for one, other in zip(garbled, good, strict=True)) == 1
    with pytest.raises(HSMFrameError):
        struck["drop"].answer(b"1101#")
    assert device.volumes["1101"] == before + 3


def test_replay(device: Device, akb: Wrap, tmp_path: Path) -> None:
    """Answers come in their order with the context tag of the question; a new one is told why."""
    path = tmp_path / "recording"
    recorder = Recorder(path, simulator="atalla")
    recorded = RecordedDevice(device, TRAFFIC, recorder)
    generate = "10#1CDNE000##D#"
    first = recorded.answer(f"{generate}^1#".encode())
    second = recorded.answer(generate.encode())
    translated = recorded.answer(TRANSLATE.encode())
    digits = recorded.answer(f"7E#V##{akb('1CDNE000')}#".encode())
    recorder.close()
    assert translated == b"41#8DE55A3A172850B9#Y#"
    text = path.read_text()
    for secret in ("0B764ADBA78B005A", "8DE55A3A172850B9", PAN12):
        assert secret not in text
    assert KPE_A in text

    replayed = ReplayedDevice(path, TRAFFIC, simulator="atalla")
    assert isinstance(first, bytes)
    assert replayed.answer(f"{generate}^22#".encode()) == first.replace(b"^1#", b"^22#")
    assert replayed.answer(generate.encode()) == second
    assert replayed.answer(f"7E#V##{akb('1CDNE000')}#".encode()) == digits
    # The field that is new; no command of this kind at all; an answer that was a secret.
    assert replayed.answer(b"10#1CDNE000##T#") == b"00#980385#"
    assert replayed.answer(b"1101#^3#") == b"00#980085#^3#"
    assert replayed.answer(TRANSLATE.encode()) == b"00#990085#"
    with pytest.raises(HSMFrameError):
        replayed.answer(b"10#1CDNE000##T")


@pytest.mark.parametrize(
    ("release", "message", "answer"),
    [
        ("SIM0-0001", "1101#", "2101#Atalla HSM AT1000-AKB Version: 8.53#B19C#3#"),
        ("8.53", "1101#", "2101#Atalla HSM AT1000-AKB Version: 8.53#B19C#3#"),
        ("8.1", "1101#", "2101#Atalla HSM AT1000-AKB Version: 8.10#B19C#3#"),
        ("8.1", "00#This is a test.#", "00#000081#This is a test.#"),
        # TR-34 and TR-31 are not shown with that release; layouts that are inferred with none.
        ("8.1", "136#T#", "00#220081#"),
        ("8.1", "11A#B#", "00#220081#"),
        ("8.53", "136#T#", "00#040085#"),
        ("8.53", "13##", "00#220085#"),
        ("SIM0-0001", "13##", "00#040085#"),
    ],
)
def test_firmware(release: str, message: str, answer: str) -> None:
    """What a release says of itself, and how it refuses what it does not know."""
    device = open_device(SimulatorOptions(firmware=release))
    assert device.answer(message.encode()) == answer.encode()


def test_settings_win_over_firmware() -> None:
    """Whoever states the two digits means them."""
    device = open_device(SimulatorOptions(firmware="8.1", settings=("software=80",)))
    assert device.answer(b"136#T#") == b"00#220080#"


@pytest.mark.parametrize(
    ("release", "firmware", "knows"), [("8.1", (8, 10), False), ("8.53", (8, 53), True)]
)
async def test_a_device_says_what_it_can(
    release: str, firmware: tuple[int, int], knows: bool
) -> None:
    """Release and commands, as decisions about exchanges read them."""
    device = open_device(SimulatorOptions(firmware=release, dual_control=DualControl.AUTO))
    async with (
        AtallaServer(device, with_console=False) as server,
        AtallaDriver("127.0.0.1", server.port) as driver,
    ):
        said = await ask_device(driver)
    assert said.release == firmware
    assert said.commands is not None
    assert {"10", "7E", "31"} <= said.commands
    assert ({"120", "12A", "136", "139", "11A"} <= said.commands) is knows


def test_an_unknown_firmware_is_refused() -> None:
    """The profiles there are stand in the hint."""
    with pytest.raises(ConfigurationError, match="no such profile") as caught:
        profile_named(PROFILES, "9.9")
    assert "8.53, 8.1" in str(caught.value.hint)
