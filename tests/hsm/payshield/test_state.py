"""What the simulator remembers, and how it keeps it."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from keyferry.errors import ConfigurationError
from keyferry.hsm import private_file
from keyferry.hsm.payshield.simulator import Device, Settings, fresh_state, load_state
from keyferry.hsm.payshield.simulator.running import SimulatorOptions, open_device
from keyferry.hsm.payshield.simulator.state import save_state

Ask = Callable[..., bytes]


def test_restart(ask: Ask, tmp_path: Path) -> None:
    """Keys of before the restart open after it; stored data and loaded keys are there."""
    path = tmp_path / "hsm.json"
    first = open_device(SimulatorOptions(state=path))
    key = ask(first, "A00FFFS#K0A3N00E00").decode()
    private = ask(first, "EI0204802#0000&N")
    private = private[private.index(b"FFFFS") :]
    assert ask(first, b"EK05" + private) == b"EL00"
    assert ask(first, "LAB00A0002hi") == b"LB00"
    signed = ask(first, "EW0601010003abc;05")
    second = open_device(SimulatorOptions(state=path))
    assert ask(second, f"BUFFF{key[4:-6]};FFF;001") == b"BV00" + key[-6:].encode()
    assert ask(second, "EW0601010003abc;05") == signed
    assert second.state.user_storage == {"00A": b"hi".hex()}
    assert second.state.serial == first.state.serial
    assert second.state.restarts == 2


def test_random_for_each_device(ask: Ask) -> None:
    """A key of one device does not open in another."""
    key = ask(Device(), "A00FFFS#K0A3N00E00").decode()
    assert ask(Device(), f"BUFFF{key[4:-6]};FFF;001") == b"BVA4"


def test_mode_of_the_file(tmp_path: Path) -> None:
    """The file is its owner's alone; one that others can read is refused."""
    path = tmp_path / "hsm.json"
    open_device(SimulatorOptions(state=path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="readable by others") as caught:
        load_state(path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_crash_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails half-way, the file is as it was and nothing else lies about."""
    path = tmp_path / "hsm.json"
    device = open_device(SimulatorOptions(state=path))
    before = path.read_bytes()

    def crash(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_file.os, "fsync", crash)
    with pytest.raises(ConfigurationError, match="No space left"):
        device.remember(user_storage={"000": "00"})
    assert not device.state.user_storage
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["hsm.json"]


def test_a_failed_save_is_no_success(ask: Ask, tmp_path: Path) -> None:
    """What could not be written is not acknowledged: error 41."""
    folder = tmp_path / "gone"
    folder.mkdir()
    device = open_device(SimulatorOptions(state=folder / "hsm.json"))
    (folder / "hsm.json").unlink()
    folder.rmdir()
    assert ask(device, "LAB00A0002hi") == b"LB41"
    assert "00A" not in device.state.user_storage


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(version=2),
        lambda document: document.update(unknown=1),
        lambda document: document.pop("serial"),
        lambda document: document["lmks"][0].update(key="00"),
        lambda document: document["lmks"][0].update(key="zz"),
        lambda document: document["lmks"][0].update(id="0"),
        lambda document: document["lmks"].append(document["lmks"][1]),
        lambda document: document["settings"].update(header_length=256),
        lambda document: document["settings"].update(default_lmk="07"),
        lambda document: document["settings"].update(nonsense=True),
        lambda document: document.update(authorised=["everything"]),
        lambda document: document.update(old_lmks=[{"id": "09", "scheme": "V"}]),
    ],
)
def test_files_that_are_none(tmp_path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Each mistake in a file is a configuration error, and shows no key."""
    path = tmp_path / "hsm.json"
    save_state(path, fresh_state())
    document = json.loads(path.read_text())
    key = document["lmks"][0]["key"]
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError) as caught:
        open_device(SimulatorOptions(state=path))
    assert key not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_files_that_are_no_json(tmp_path: Path, content: bytes) -> None:
    """Anything but a state is refused with the file's name."""
    path = tmp_path / "hsm.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"hsm\.json"):
        load_state(path)


def test_settings_for_one_run(ask: Ask, tmp_path: Path) -> None:
    """Options change settings and activities for a run and leave the file alone."""
    path = tmp_path / "hsm.json"
    device = open_device(
        SimulatorOptions(
            state=path,
            settings=("header_length=2", "disabled_commands=A8,B8", "trusted_format_only=no"),
            unauthorised=("generate.*.host",),
        )
    )
    assert device.settings.header_length == 2
    assert not device.settings.trusted_format_only
    assert device.settings.disabled_commands == {"A8", "B8"}
    assert device.answer(b"HHA00FFFS#K0A3N00E00") == b"HHA117"
    again = open_device(SimulatorOptions(state=path))
    assert again.settings == Settings()
    assert ask(again, "A00FFFS#K0A3N00E00")[:4] == b"A100"


@pytest.mark.parametrize(
    "options",
    [
        {"settings": ("nonsense=1",)},
        {"settings": ("header_length",)},
        {"settings": ("header_length=x",)},
        {"settings": ("header_length=256",)},
        {"settings": ("trusted_format_only=maybe",)},
        {"settings": ("disabled_commands=QQ",)},
        {"settings": ("pin_length=3",)},
        {"settings": ("default_lmk=x",)},
        {"settings": ("default_lmk=07",)},
        {"unauthorised": ("everything",)},
        {"unauthorised": ("generate..host",)},
        {"old_lmks": ("00=07",)},
        {"old_lmks": ("00",)},
    ],
)
def test_options_that_cannot_work(options: dict[str, tuple[str, ...]]) -> None:
    """Each is a configuration error before anything listens."""
    with pytest.raises(ConfigurationError):
        open_device(SimulatorOptions(**options))


def test_old_lmk_by_option(ask: Ask) -> None:
    """An LMK can be put into key change storage, for BW."""
    device = open_device(SimulatorOptions(old_lmks=("00=02",)))
    answer = ask(device, "BWFF1U063A0E7C0F2124E56192A4510F395ED7;001#P0B00S00!11")
    assert answer[:4] == b"BX00"
    assert answer[-6:] == b"08D7B4"


def test_nothing_shows_a_key() -> None:
    """No representation of a state or a record holds an LMK."""
    state = fresh_state()
    assert state.lmks[0].key not in repr(state) + repr(state.lmks)
