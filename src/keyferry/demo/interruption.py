"""When the demonstration may be interrupted: not between a process's birth and its noting."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Interruption:
    """
    Turns SIGINT and SIGTERM into KeyboardInterrupt, held back where it would lose a process.

    Without `install` nothing is caught and nothing is held back.
    """

    def __init__(self) -> None:
        self._held = False
        self._pending = False

    def install(self) -> None:
        """Catch both signals, in the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, *_: object) -> None:
        if not self._held:
            raise KeyboardInterrupt
        self._pending = True

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold an interruption back until the end of the block."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt
