"""Recorded traffic: secrets masked, whole lines, and replay."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from keyferry.errors import ConfigurationError, HSMFrameError
from keyferry.hsm.payshield.simulator import Device, Settings
from keyferry.hsm.payshield.simulator.traffic import PayShieldTraffic
from keyferry.hsm.recording import RecordedDevice, Recorder, ReplayedDevice, read_recording

ZPK = "U1EF828AA8F6B80EB83E19FBC373F3A85"
PVK = "X367930344805B1FAD6146EF4ED7502B3"
TRAFFIC = PayShieldTraffic(header_length=4, context={"pin_characters": 5})


@pytest.fixture
def device() -> Device:
    """A device in which a PIN under the LMK is clear, so that a leak would show."""
    return Device(settings=Settings(default_lmk="02", clear_test_pins=True, pin_length=4))


def record(device: Device, path: Path, *messages: str) -> list[bytes]:
    """Ask while a recorder listens."""
    recorder = Recorder(path, simulator="payshield")
    recorded = RecordedDevice(device, TRAFFIC, recorder)
    answers = [recorded.answer(message.encode("latin-1")) for message in messages]
    recorder.close()
    assert all(isinstance(answer, bytes) for answer in answers)
    return [answer for answer in answers if isinstance(answer, bytes)]


def test_secrets_are_masked(device: Device, tmp_path: Path) -> None:
    """No PIN, PIN block, account, verification value or clear message reaches the file."""
    path = tmp_path / "recording"
    record(
        device,
        path,
        f"0001JG{ZPK}0155000002532101234",
        f"0002DG{PVK}012345500000253211",
        "0003CWU9B4934384B19946B040CD702B4D581454123456789012345;8701101",
        "0004B20004ABCD",
        f"0005CC{ZPK}{ZPK}1291DDDA0A7C12CFAA01015500000253",  # cut: nothing of it is known
        "0006XXU1EF828AA8F6B80EB83E19FBC373F3A85 01234",  # no command
    )
    text = path.read_text()
    for secret in ("01234", "550000025321", "91DDDA0A7C12CFAA", "4402", "4123456789012345", "561"):
        assert secret not in text
    assert ZPK in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_replay(device: Device, tmp_path: Path) -> None:
    """A replay gives recorded answers with the header of the question, in their order."""
    path = tmp_path / "recording"
    generate = "0001A00001U%02"
    check = f"0002BUFF1{ZPK};001;001"
    first, second, third = record(device, path, generate, check, generate)
    replayed = ReplayedDevice(path, TRAFFIC, simulator="payshield")
    assert replayed.answer(b"9999" + generate[4:].encode()) == b"9999" + first[4:]
    assert replayed.answer(check.encode()) == second
    assert replayed.answer(generate.encode()) == third
    assert replayed.answer(generate.encode()) == third
    assert replayed.answer(b"0001NC") == b"0001NDZR"
    with pytest.raises(HSMFrameError):
        replayed.answer(b"00")


def test_masked_answers_are_not_replayed(device: Device, tmp_path: Path) -> None:
    """An answer that was a secret cannot come back: the replay says so, and makes nothing up."""
    path = tmp_path / "recording"
    message = f"0001JG{ZPK}0155000002532101234"
    record(device, path, message)
    replayed = ReplayedDevice(path, TRAFFIC, simulator="payshield")
    assert replayed.answer(message.encode()) == b"0001JHZM"


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    """The name must be new."""
    path = tmp_path / "recording"
    path.write_text("something")
    with pytest.raises(ConfigurationError, match="exists"):
        Recorder(path, simulator="payshield")
    assert path.read_text() == "something"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}\n",
        '{"recording":1,"simulator":"atalla"}\n',
        '{"recording":2,"simulator":"payshield"}\n',
        '{"recording":1,"simulator":"payshield"}\n{"command":"NC"}\n',
        "\x00\x01",
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    """What is no recording of this simulator is refused with its name."""
    path = tmp_path / "recording"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="recording"):
        read_recording(path, simulator="payshield")


def test_a_cut_line_is_left_out(device: Device, tmp_path: Path) -> None:
    """What a crash cut off at the end does not spoil the rest."""
    path = tmp_path / "recording"
    record(device, path, "0001NC", "0002NC")
    path.write_bytes(path.read_bytes()[:-10])
    assert len(read_recording(path, simulator="payshield")) == 1
