"""
The file in which a simulator remembers: one file, mode 0600, replaced atomically.

It holds master keys in clear. That is what a simulator is for, and why it announces itself: no key
that protects anything belongs in one.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from keyferry.errors import ConfigurationError


def read_private_file(path: Path) -> bytes | None:
    """
    Return what a state file holds, or None where there is none.

    Raises:
        ConfigurationError: others may read the file, or it cannot be read.
    """
    try:
        status = path.stat()
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise ConfigurationError(
                f"state file {path}: readable by others", hint=f"chmod 600 {path}"
            )
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"state file {path}: {error.strerror}") from error


def write_private_file(path: Path, content: bytes) -> None:
    """
    Write a state file so that a crash leaves the old one or the new one, never half of either.

    Raises:
        ConfigurationError: the file cannot be written there.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        # The rename itself must outlive a crash too.
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise ConfigurationError(f"state file {path}: {error.strerror}") from error
