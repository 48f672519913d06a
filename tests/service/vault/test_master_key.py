"""Where a master key comes from, and which are refused."""

from __future__ import annotations

import base64
import os
import pickle
import stat
from pathlib import Path

import pytest

from keyferry.errors import ConfigurationError, MasterKeyError
from keyferry.service.vault.master_key import LocalMasterKey, load_master_key

KEY = bytes(range(100, 132))


def write(path: Path, content: bytes, mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return f"file:{path}"


def test_file_is_made_once(tmp_path: Path) -> None:
    """The first start makes it, for its owner alone; later ones read the same key."""
    uri = f"file:{tmp_path}/deep/er/master.key"
    first = load_master_key(uri)
    path = tmp_path / "deep" / "er" / "master.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(base64.b64decode(path.read_bytes())) == 32
    assert load_master_key(uri).check == first.check
    assert load_master_key(uri, create=False).check == first.check
    assert [entry.name for entry in path.parent.iterdir()] == ["master.key"]


def test_file_is_made_only_if_asked(tmp_path: Path) -> None:
    """Without `create` a missing file is an error and stays missing."""
    with pytest.raises(MasterKeyError, match="no such file"):
        load_master_key(f"file:{tmp_path}/none", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [KEY.hex().encode(), KEY.hex().upper().encode() + b"\n", base64.b64encode(KEY) + b"\r\n"],
    ids=["hex", "upper-case hex", "base64"],
)
def test_reads_hex_and_base64(tmp_path: Path, content: bytes) -> None:
    """The same 32 bytes in any of the forms, from a file or a variable."""
    expected = LocalMasterKey(KEY).check
    assert load_master_key(write(tmp_path / "key", content)).check == expected
    environ = {"KEYFERRY_KEY": content.decode()}
    assert load_master_key("env:KEYFERRY_KEY", environ=environ).check == expected


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601])
def test_open_file_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that group or others have any access to is not used."""
    uri = write(tmp_path / "key", base64.b64encode(KEY), mode)
    with pytest.raises(MasterKeyError, match=f"mode {mode:04o}"):
        load_master_key(uri)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        KEY,
        KEY.hex().encode()[:-2],
        base64.b64encode(KEY[:-1]),
        base64.b64encode(KEY + b"x"),
        b"g" * 64,
        "é".encode() * 32,
        b"0" * 100_000,
    ],
    ids=["empty", "raw", "short hex", "31", "33", "not hex", "not ASCII", "huge"],
)
def test_malformed_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is not 32 bytes is refused, and what was read is not told."""
    uri = write(tmp_path / "key", content)
    with pytest.raises(MasterKeyError, match="expected 32 bytes") as refused:
        load_master_key(uri)
    assert KEY.hex()[:8] not in str(refused.value)
    environ = {"K": content.decode("latin-1")}
    with pytest.raises(MasterKeyError):
        load_master_key("env:K", environ=environ)


def test_unreadable_places(tmp_path: Path) -> None:
    """A directory, a name below a file, an unset variable."""
    (tmp_path / "file").write_text("x")
    for uri in (f"file:{tmp_path}", f"file:{tmp_path}/file/key", "env:KEYFERRY_UNSET"):
        with pytest.raises(MasterKeyError):
            load_master_key(uri, environ={})


def test_a_pipe_does_not_hold_the_start_up(tmp_path: Path) -> None:
    """A name that is no regular file is refused without waiting for a writer."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(MasterKeyError, match="not a file"):
        load_master_key(f"file:{tmp_path}/pipe")


@pytest.mark.parametrize("uri", ["", "file:", "env:", "/path", "vault:x", "aws-kms:arn:aws:kms"])
def test_other_kinds_are_refused(uri: str) -> None:
    """What this build does not know is a configuration error."""
    with pytest.raises(ConfigurationError, match="not a kind of master key"):
        load_master_key(uri)


def test_wrapping() -> None:
    """Opens what it wrapped, with the same binding and unchanged; else None."""
    key = LocalMasterKey(KEY)
    wrapped = key.wrap(bytes(32), binding=b"here")
    assert len(wrapped) == 60
    assert key.unwrap(wrapped, binding=b"here") == bytes(32)
    assert key.unwrap(wrapped, binding=b"there") is None
    assert LocalMasterKey(bytes(32)).unwrap(wrapped, binding=b"here") is None
    for position in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[position] ^= 1
        assert key.unwrap(bytes(changed), binding=b"here") is None
    for size in range(60):
        assert key.unwrap(wrapped[:size], binding=b"here") is None


def test_does_not_print_or_pickle() -> None:
    """A master key shows nothing of itself."""
    key = LocalMasterKey(KEY)
    assert repr(key) == "<LocalMasterKey>"
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(MasterKeyError, match="31 bytes"):
        LocalMasterKey(KEY[:-1])
