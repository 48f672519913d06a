"""
The simulator's administration screen: a local socket, for whoever may read the state file.

One JSON line in, one JSON line out. Approvals never come over the host port.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path
from typing import Any, Final

from keyferry.errors import ConfigurationError, KeyferryError
from keyferry.hsm.atalla.simulator.challenges import ADMINISTRATORS, Challenges, is_approved

LONGEST_LINE: Final = 4096
TIMEOUT_S: Final = 10.0
# sun_path holds 104 bytes on macOS, 108 on Linux, with a zero at the end.
LONGEST_PATH: Final = 100


def control_path(state: Path | None, control: Path | None, port: int) -> Path:
    """Return where a control socket is: as named, beside the state file, or by the port."""
    if control is not None:
        return control
    if state is not None:
        return state.with_name(state.name + ".control")
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/keyferry-{os.getuid()}"  # noqa: S108
    return Path(folder) / f"atalla-{port}.control"


class Console:
    """The control socket of a running simulator."""

    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges
        self._server: asyncio.Server | None = None
        self._path: Path | None = None

    async def start(self, path: Path) -> None:
        """
        Listen; the socket belongs to its owner alone.

        Raises:
            ConfigurationError: another simulator listens there, or nothing can.
        """
        try:
            listening = _listen(path)
            self._server = await asyncio.start_unix_server(
                self._serve, sock=listening, limit=LONGEST_LINE
            )
        except OSError as error:
            raise ConfigurationError(f"control socket {path}: {error.strerror}") from error
        self._path = path

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                line = await reader.readline()
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # whoever asked has gone, or asked for something else
        finally:
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        request = json.loads(line)
        if not isinstance(request, dict):
            return {"error": "not a request", "hint": None}
        names = request.get("administrators")
        administrators = [str(name) for name in names] if isinstance(names, list) else []
        try:
            if "approve" not in request:
                return {"open": [record.challenge for record in self._challenges.pending()]}
            record = self._challenges.approve(str(request["approve"]), administrators)
        except KeyferryError as error:
            return {"error": str(error), "hint": error.hint}
        missing = max(0, ADMINISTRATORS - len(record.administrators))
        return {
            "challenge": record.challenge,
            "administrators": record.administrators,
            "missing": missing,
            # One administrator alone learns nothing.
            "answer": record.answer if is_approved(record) else None,
        }


def ask_console(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """
    Ask the console of a running simulator.

    Raises:
        ConfigurationError: nobody listens there, or the simulator refuses.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            with _short(path) as name:
                connection.connect(name)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline(LONGEST_LINE))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no answer"
        raise ConfigurationError(
            f"control socket {path}: {(reason or 'no answer').lower()}",
            hint="name the --state, --control or --port of the running simulator",
        ) from None
    if not isinstance(answer, dict):
        raise ConfigurationError(f"control socket {path}: no simulator answers there")
    if "error" in answer:
        raise ConfigurationError(str(answer["error"]), hint=answer.get("hint"))
    return answer


def _listen(path: Path) -> socket.socket:
    """Bind a socket that belongs to its owner alone; one that a dead simulator left goes."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_uid not in (os.getuid(), 0):
        raise ConfigurationError(f"control socket {path}: its directory is somebody else's")
    if path.exists() and _somebody_listens(path):
        raise ConfigurationError(
            f"control socket {path}: another simulator uses it",
            hint="give each simulator its own --state or --control",
        )
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with _short(path) as name:
            listening.bind(name)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe, _short(path) as name:
        probe.settimeout(1.0)
        try:
            probe.connect(name)
        except OSError:
            return False
    return True


class _short:  # noqa: N801 - used like a function
    """A name for a socket path that fits into its address, where the path itself is too long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder: int | None = None

    def __enter__(self) -> str:
        text = str(self._path.absolute())
        if len(os.fsencode(text)) <= LONGEST_PATH:
            return text
        self._folder = os.open(self._path.absolute().parent, os.O_RDONLY)
        short = f"/proc/self/fd/{self._folder}"
        if not Path(short).exists():
            raise ConfigurationError(
                f"control socket {self._path}: the path is too long for a socket",
                hint="name a shorter one by --control",
            )
        return f"{short}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            os.close(self._folder)
