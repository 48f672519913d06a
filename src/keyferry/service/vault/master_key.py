"""
The master key: what opens a store.

`file:PATH` is made at the first start, for its owner alone; `env:NAME` is given by whoever starts
the service. Both hold 32 bytes as base64 or hex.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyferry.errors import ConfigurationError, MasterKeyError

KEY_BYTES = 32
_NONCE_BYTES = 12
_MAX_FILE_BYTES = 256  # hex with line breaks fits; anything longer is not a key


class MasterKey(Protocol):
    """Wraps the store key; where the master key itself lives is its own affair."""

    @property
    def check(self) -> bytes:
        """Bytes that tell two master keys apart and say nothing about either."""
        ...

    def wrap(self, key: bytes, *, binding: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, *, binding: bytes) -> bytes | None:
        """Return the key, or None if `wrapped` or `binding` is not what was wrapped."""
        ...


class LocalMasterKey:
    """A master key in this process's memory: AES-256-GCM, nonce in front, tag behind."""

    __slots__ = ("_cipher", "_random_bytes", "check")

    def __init__(self, key: bytes, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        if len(key) != KEY_BYTES:
            raise MasterKeyError(f"master key of {len(key)} bytes: expected {KEY_BYTES}")
        self._cipher = AESGCM(key)
        self._random_bytes = random_bytes
        # Of a 256-bit random key a digest says nothing that could be searched for.
        self.check = hashlib.sha256(b"keyferry master key check" + key).digest()[:16]

    def wrap(self, key: bytes, *, binding: bytes) -> bytes:
        nonce = self._random_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, binding)

    def unwrap(self, wrapped: bytes, *, binding: bytes) -> bytes | None:
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], binding)
        except (InvalidTag, ValueError):
            return None

    def __repr__(self) -> str:
        return "<LocalMasterKey>"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a master key is not pickled")


def load_master_key(
    uri: str,
    *,
    create: bool = True,
    environ: Mapping[str, str] = os.environ,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> MasterKey:
    """
    Load the master key a URI names.

    Args:
        uri: `file:PATH` or `env:NAME`.
        create: make the file of `file:PATH` if it does not exist. False for a store that has a
            key already: a fresh master key could never open it.

    Raises:
        ConfigurationError: the URI is not one of these.
        MasterKeyError: the key is missing, unreadable, too open to others, or not 32 bytes.
    """
    scheme, _, place = uri.partition(":")
    if scheme == "file" and place:
        path = Path(place)
        if create and not path.exists():
            _make_file(path, random_bytes)
        return LocalMasterKey(_read_file(path), random_bytes=random_bytes)
    if scheme == "env" and place:
        text = environ.get(place)
        if not text:
            raise MasterKeyError(f"master key: environment variable {place} is not set")
        key = _parse(text, place=f"environment variable {place}")
        return LocalMasterKey(key, random_bytes=random_bytes)
    raise ConfigurationError(
        f"master key {scheme}: not a kind of master key of this build",
        hint="use file:PATH or env:NAME",
    )


def _parse(text: str, *, place: str) -> bytes:
    """Read 64 hex digits or the base64 of 32 bytes; the text itself is never shown."""
    stripped = "".join(text.split())
    try:
        if len(stripped) == 2 * KEY_BYTES:
            return bytes.fromhex(stripped)
        key = base64.b64decode(stripped, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyError(f"master key in {place}: expected {KEY_BYTES} bytes as base64 or hex")
    return key


def _read_file(path: Path) -> bytes:
    try:
        # Not blocking: a name that turns out to be a pipe must not hold the start up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            # The open file is judged, not the name, which could be swapped in between.
            _check_status(path, os.fstat(descriptor))
            content = os.read(descriptor, _MAX_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise MasterKeyError(
            f"master key {path}: no such file, but the store has a key",
            hint="bring the file back from your backup: without it the store stays closed",
        ) from None
    except OSError as error:
        raise MasterKeyError(f"master key {path}: {error.strerror}") from error
    return _parse(content.decode("ascii", "replace"), place=str(path))


def _check_status(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise MasterKeyError(f"master key {path}: not a file")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MasterKeyError(
            f"master key {path}: group or others have access "
            f"(mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"chmod 600 {path}, and change the key if others may have read it",
        )


def _make_file(path: Path, random_bytes: Callable[[int], bytes]) -> None:
    """
    Write a fresh key, whole or not at all.

    Two processes may start at once: each writes its own file and links it to the name, which
    succeeds once; the loser reads the winner's.
    """
    temporary = path.with_name(f".{path.name}.{random_bytes(8).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(random_bytes(KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, path)
            except FileExistsError:
                return
        finally:
            temporary.unlink()
        # The name must be on disk before anything is sealed under the key.
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise MasterKeyError(f"master key {path}: {error.strerror}") from error
