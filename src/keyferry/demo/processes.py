"""Processes of the demonstration: started on free ports, stopped however it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keyferry.demo.interruption import Interruption

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0
COMMAND_WITHIN_S = 60.0
POLL_S = 0.02

# Whatever the user's shell says of AWS must not reach the demonstration.
_FOREIGN = ("AWS_", "KEYFERRY_")


class DemoError(Exception):
    """A process of the demonstration did not do what it should; the message says which."""


class Processes:
    """Long-running `keyferry` processes and short commands, in one folder of their own."""

    def __init__(self, folder: Path, interruption: Interruption | None = None) -> None:
        """
        Args:
            folder: holds logs, ready files and configurations.
            interruption: held back while a process is born or all are stopped.
        """
        self._folder = folder
        self._interruption = interruption or Interruption()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        # Commands run in several threads: none may be born once all are being stopped.
        self._commands: set[subprocess.Popen[bytes]] = set()
        self._births = threading.Lock()
        self._stopped = False
        self.environment: dict[str, str] = {
            name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)
        }
        if self.environment.pop("PYTHONDONTWRITEBYTECODE", ""):
            # Two dozen processes would compile every module again: half the time of all.
            self.environment["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, name: str, *arguments: str) -> dict[str, Any]:
        """Launch a process and wait until it is ready; see `launch` and `ready`."""
        self.launch(name, *arguments)
        return self.ready(name)

    def launch(self, name: str, *arguments: str) -> None:
        """
        Start `keyferry ARGUMENTS`; `ready` waits for it.

        Args:
            name: of its ready file and its log.
            arguments: of the command line.
        """
        with (self._folder / f"{name}.log").open("wb") as output, self._interruption.hold():
            process = subprocess.Popen(  # noqa: S603 (our own program, no shell)
                [
                    *(sys.executable, "-m", "keyferry", *arguments),
                    *("--ready-file", str(self._folder / f"{name}.json")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
            )
            self._running[name] = process

    def ready(self, name: str) -> dict[str, Any]:
        """
        Wait until a launched process is ready, and return what its ready file says.

        Raises:
            DemoError: it ended, or was not ready in time; with the end of its log.
        """
        ready, process = self._folder / f"{name}.json", self._running[name]
        limit = time.monotonic() + READY_WITHIN_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > limit:
                tail = (self._folder / f"{name}.log").read_text(errors="replace")[-2000:]
                raise DemoError(f"{name} is not ready; the end of its log:\n{tail}")
            time.sleep(POLL_S)
        document: dict[str, Any] = json.loads(ready.read_text())
        return document

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Run `keyferry ARGUMENTS` to its end; in any thread.

        Raises:
            DemoError: it does not end in time, or everything is being stopped.
        """
        command = [sys.executable, "-m", "keyferry", *arguments]
        with self._births:
            if self._stopped:
                raise DemoError("the demonstration is being stopped")
            process = subprocess.Popen(  # noqa: S603 (our own program, no shell)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self.environment,
            )
            self._commands.add(process)
        try:
            out, err = process.communicate(timeout=COMMAND_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise DemoError(f"keyferry {' '.join(arguments[:2])} does not end") from None
        with self._births:
            self._commands.discard(process)
            if self._stopped:
                raise DemoError("the demonstration is being stopped")
        return subprocess.CompletedProcess(
            command, process.returncode, out.decode(), err.decode(errors="replace")
        )

    def write_config(self, name: str, document: Mapping[str, Any]) -> str:
        """Write a configuration file and return its path."""
        path = self._folder / f"{name}.config.json"
        path.write_text(json.dumps(document, indent=2))
        return str(path)

    def stop(self) -> None:
        """Stop what still runs, gently first."""
        with self._interruption.hold():
            with self._births:
                self._stopped = True
                commands = list(self._commands)
            for process in (*self._running.values(), *commands):
                if process.poll() is None:
                    process.terminate()
            # The threads that wait for the commands read what these still write.
            for process in (*self._running.values(), *commands):
                try:
                    process.wait(timeout=STOP_WITHIN_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            self._running.clear()
