"""
Traffic of a simulator in a file: one JSON line for each message and its answer.

Secret fields (PINs, clear keys, PIN blocks) are masked before anything is written, each byte by
one character; keys under an LMK or a KEK stay, since they are what a replay needs. The file is
readable by its owner only. A replay answers a message as the recording answered it: the first
unused answer to the same message, else the last one that was given to it. To any other message it
says, by an error of the family that no device has, that the recording cannot answer it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import msgspec

from keyferry.errors import ConfigurationError
from keyferry.hsm.host_frames import AnsweringDevice
from keyferry.hsm.traffic import MASK, Traffic
from keyferry.log import EventLog

VERSION: Final = 1

log = EventLog("keyferry.hsm.simulator")


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line of a recording."""

    recording: int
    simulator: str


class Exchanged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message and its answer, masked, in Latin-1: every byte is one character."""

    command: str
    request: str
    answer: str


class Recorder:
    """Writes a recording, line by line."""

    def __init__(self, path: Path, *, simulator: str) -> None:
        """
        Raises:
            ConfigurationError: the file exists, or cannot be written.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ConfigurationError(
                f"recording {path}: the file exists", hint="give the name of a new file"
            ) from error
        except OSError as error:
            raise ConfigurationError(f"recording {path}: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._write(Head(recording=VERSION, simulator=simulator))

    def add(self, exchanged: Exchanged) -> None:
        """Write one message and its answer."""
        self._write(exchanged)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: msgspec.Struct) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")


class RecordedDevice:
    """A device whose traffic is written down."""

    def __init__(self, device: AnsweringDevice, traffic: Traffic, recorder: Recorder) -> None:
        self._device = device
        self._traffic = traffic
        self._recorder = recorder

    def answer(self, message: bytes) -> bytes | Awaitable[bytes]:
        """Answer one message as the device does."""
        answer = self._device.answer(message)
        if isinstance(answer, bytes):
            self._record(message, answer)
            return answer
        return self._finish(message, answer)

    async def _finish(self, message: bytes, pending: Awaitable[bytes]) -> bytes:
        answer = await pending
        self._record(message, answer)
        return answer

    def _record(self, message: bytes, answer: bytes) -> None:
        traffic = self._traffic
        self._recorder.add(
            Exchanged(
                command=traffic.command(message),
                request=traffic.masked_request(message).decode("latin-1"),
                answer=traffic.masked_answer(message, answer).decode("latin-1"),
            )
        )


class ReplayedDevice:
    """No device at all: a recording that answers."""

    def __init__(self, path: Path, traffic: Traffic, *, simulator: str) -> None:
        """
        Raises:
            ConfigurationError: the file is no recording of this simulator.
        """
        self._traffic = traffic
        self._answers: dict[bytes, list[bytes]] = {}
        self._requests: dict[str, list[bytes]] = {}  # by command, each once
        for exchanged in read_recording(path, simulator=simulator):
            request = exchanged.request.encode("latin-1")
            if request not in self._answers:
                self._requests.setdefault(exchanged.command, []).append(request)
            answers = self._answers.setdefault(request, [])
            answers.append(exchanged.answer.encode("latin-1"))

    def answer(self, message: bytes) -> bytes:
        """
        Answer as recorded, or refuse: the recording has no answer, or only a masked one.

        Raises:
            HSMFrameError: the message is one that nothing answers.
        """
        request = self._traffic.masked_request(message)
        answers = self._answers.get(request)
        command = self._traffic.command(message)
        if not answers:
            differing = self._differing(command, request)
            log.warning(
                "simulator_replay_miss",
                command=command,
                recorded=len(self._requests.get(command, ())),
                differs=", ".join(differing),
            )
            field = differing[0] if differing else None
            return self._traffic.replay_refusal(message, masked=False, field=field)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if MASK in answer:
            log.warning("simulator_replay_masked", command=command)
            return self._traffic.replay_refusal(message, masked=True, field=None)
        return self._traffic.adapted_answer(message, answer)

    def _differing(self, command: str, request: bytes) -> list[str]:
        """Name the fields in which a request is not the nearest recorded one of its command."""
        asked = self._traffic.fields(request)
        best: list[str] | None = None
        for recorded in self._requests.get(command, ()):
            known = self._traffic.fields(recorded)
            names = [*asked, *(name for name in known if name not in asked)]
            differing = [name for name in names if asked.get(name) != known.get(name)]
            if best is None or len(differing) < len(best):
                best = differing
        return best or []


def read_recording(path: Path, *, simulator: str) -> list[Exchanged]:
    """
    Read a recording; a line cut off by a crash at the end is left out.

    Raises:
        ConfigurationError: the file cannot be read, or is no recording of this simulator.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigurationError(f"recording {path}: {error.strerror}") from error
    # What stands behind the last line end was not finished.
    whole = lines[:-1]
    try:
        head = msgspec.json.decode(whole[0] if whole else b"", type=Head)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"recording {path}: not a recording") from error
    if head.recording != VERSION or head.simulator != simulator:
        raise ConfigurationError(
            f"recording {path}: version {head.recording} of {head.simulator[:20]},"
            f" expected version {VERSION} of {simulator}"
        )
    found: list[Exchanged] = []
    for number, line in enumerate(whole[1:], 2):
        try:
            found.append(msgspec.json.decode(line, type=Exchanged))
        except msgspec.MsgspecError as error:
            raise ConfigurationError(f"recording {path}, line {number}: not a message") from error
    return found
