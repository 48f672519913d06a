"""The credentials file: its form, its mode, and what errors say of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import ConfigurationError
from keyferry.service.authz.access_keys import (
    AccessKeys,
    access_key,
    development_keys,
    read_credentials,
)
from keyferry.service.authz.principal import Role

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def entry(**changes: str) -> str:
    members = {"id": "AKIA1", "secret": SECRET, "account": "111122223333", "principal": "alice"}
    lines = [f'{name} = "{value}"' for name, value in (members | changes).items()]
    return "\n".join(["[[access_key]]", *lines, ""])


def write(tmp_path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "credentials.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def test_keys_and_their_owners(tmp_path: Path) -> None:
    """A user name becomes an ARN; a whole ARN is kept and gives the name."""
    role = "arn:aws:iam::444455556666:role/ops/migrator"
    other = entry(id="AKIA2", account="444455556666", principal=role)
    keys = read_credentials(write(tmp_path, entry() + other))
    assert len(keys) == 2
    alice, migrator = keys.get("AKIA1"), keys.get("AKIA2")
    assert alice is not None
    assert migrator is not None
    assert alice.principal.arn == "arn:aws:iam::111122223333:user/alice"
    assert alice.secret.reveal() == SECRET.encode()
    assert (migrator.principal.name, migrator.principal.arn) == ("migrator", role)
    assert keys.get("AKIA3") is None
    assert SECRET not in repr(alice)


@pytest.mark.parametrize(
    ("role", "administer", "replicate"),
    [("user", False, False), ("admin", True, False), ("peer", False, True)],
)
def test_a_key_has_one_role(tmp_path: Path, role: str, administer: bool, replicate: bool) -> None:
    """What a key is for stands in the file; without it, a key is a user's."""
    keys = read_credentials(write(tmp_path, entry(role=role) + entry(id="AKIA2")))
    owner, other = keys.get("AKIA1"), keys.get("AKIA2")
    assert owner is not None
    assert other is not None
    assert (owner.principal.may_administer, owner.principal.may_replicate) == (
        administer,
        replicate,
    )
    assert other.principal.roles == {Role.USER}


def test_an_unknown_role_is_refused(tmp_path: Path) -> None:
    """A role that does not exist is no role; the error names the place."""
    with pytest.raises(ConfigurationError, match=r"Invalid enum value 'root'.*role"):
        read_credentials(write(tmp_path, entry(role="root")))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700 | 0o001, 0o644])
def test_a_file_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Anything for group or others is too much; the hint says what to do."""
    path = write(tmp_path, entry(), mode)
    with pytest.raises(ConfigurationError, match=r"mode 0\d\d\d") as caught:
        read_credentials(path)
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_stricter_modes_pass(tmp_path: Path, mode: int) -> None:
    """The owner's own rights are the owner's affair."""
    assert len(read_credentials(write(tmp_path, entry(), mode))) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "access_key"),
        ("access_key = []", "holds no"),
        (entry() + entry(), "AKIA1 is listed twice"),
        (entry(id=""), r"access_key\[0\].id: expected"),
        (entry(id="a b"), r"access_key\[0\].id: expected"),
        (entry() + entry(id="AKIA2", secret=""), r"access_key\[1\].secret: expected"),
        (entry(account="1111"), r"access_key\[0\].account: expected 12 digits"),
        (entry(account="000000000000"), r"access_key\[0\].account: 000000000000 is reserved"),
        (entry(principal=""), r"access_key\[0\].principal: expected"),
        (entry(principal="a/b"), r"access_key\[0\].principal: expected"),
        (entry(principal="arn:aws:iam::999999999999:user/x"), "expected an ARN of account"),
        (entry(principl="x"), "principl"),
        ('[[access_key]]\nid = "AKIA1"\n', "secret"),
        (entry() + "other = [", "not TOML"),
        (entry().replace(f'"{SECRET}"', SECRET), r"not TOML \(at line 3, column \d+\)"),
        (b"\xff\xfe", "not TOML"),
        ("[access_key]\nid = 1", r"access_key"),
        (entry(secret="x" * (1 << 20)), "larger than 1 MiB"),
    ],
)
def test_malformed_files_are_refused_without_their_secrets(
    tmp_path: Path, content: str | bytes, words: str
) -> None:
    """The error names file and place, and repeats nothing of a secret."""
    path = write(tmp_path, content)
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_credentials(path)
    assert str(path) in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    """What cannot be read is named with the reason."""
    with pytest.raises(ConfigurationError, match="No such file"):
        read_credentials(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="directory"):
        read_credentials(tmp_path)


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode()))
def test_any_content_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """No content raises anything but ConfigurationError."""
    path = tmp_path_factory.getbasetemp() / f"fuzzed-{os.getpid()}.toml"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError):
        read_credentials(path)


def test_development_has_one_well_known_key() -> None:
    """test with the secret test, of the documentation account."""
    keys = development_keys()
    assert len(keys) == 1
    key = keys.get("test")
    assert key is not None
    assert key.principal.account == "111122223333"
    assert keys.session_tokens
    assert key.principal.roles == set(Role)
    assert not AccessKeys(
        [access_key("a", "b", account="111122223333", principal="c")]
    ).session_tokens
