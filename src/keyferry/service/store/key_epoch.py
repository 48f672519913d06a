"""
The key epoch of a store over a network, read once for many uses.

Reading the epoch costs a round trip, and every call of the data plane asks for it. So it is kept
until somebody says it changed: the writer of this process when it has committed a change, or a
notification of the database, which a change of any process sends with its commit. A notification
says only that, and what counts is read again.

Notifications may be lost (a proxy in between that shares connections does not pass them on). A
kept epoch is therefore at most MAX_AGE_S old, and while no connection listens nothing is kept.
"""

from __future__ import annotations

import os
import random
import select
import threading
import time
from collections.abc import Callable

import psycopg

from keyferry.service.store.postgresql_connection import Connection

CHANNEL = "keyferry_key_epoch"
MAX_AGE_S = 1.0
# How often a quiet connection is asked whether it is still one.
_PROBE_S = 1.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0


class KeyEpochWatch:
    """The kept epoch of one store, and the thread that listens for changes of it."""

    def __init__(self, connect: Callable[[], Connection], on_connected: Callable[[], None]) -> None:
        """
        Args:
            connect: opens the connection to listen on; raises psycopg.Error.
            on_connected: told when the database could be reached, from the listening thread.
        """
        self._connect = connect
        self._on_connected = on_connected
        self._lock = threading.Lock()
        self._known: tuple[bytes, float] | None = None  # the epoch, and when its reading began
        self._generation = 0  # counts what made earlier readings worthless
        self._listening = False
        self._thread: threading.Thread | None = None
        self._closed = False
        self._wake_reader, self._wake_writer = os.pipe()

    def value(self, read: Callable[[], bytes]) -> bytes:
        """The epoch, from `read` if it is not kept."""
        now = time.monotonic()
        known = self._known
        if known is not None and self._listening and now - known[1] < MAX_AGE_S:
            return known[0]
        with self._lock:
            generation = self._generation
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._run, name="keyferry-store-listener", daemon=True
                )
                self._thread.start()
        epoch = read()
        with self._lock:
            # A change that was announced while we read may be newer than what we read.
            if generation == self._generation:
                self._known = (epoch, now)
        return epoch

    def forget(self) -> None:
        """The epoch changed, or may have: the next `value` reads it."""
        with self._lock:
            self._generation += 1
            self._known = None

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
        os.write(self._wake_writer, b"x")
        if thread is not None:
            thread.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    # --- in the thread -------------------------------------------------------------------------

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._closed:
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._on_connected()
                    # From here on nothing is missed; what was read before may be stale.
                    self._listening = True
                    self.forget()
                    pause = _FIRST_PAUSE_S
                    self._listen(connection)
            except psycopg.Error:
                self._listening = False
                # Not all processes at the same moment when the database comes back.
                self._wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 -- no secret
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            finally:
                self._listening = False

    def _listen(self, connection: Connection) -> None:
        while not self._closed:
            if self._wait(_PROBE_S, connection.fileno()):
                connection.pgconn.consume_input()
            else:
                connection.execute("SELECT 1")
            changed = False
            while connection.pgconn.notifies() is not None:
                changed = True
            if changed:
                self.forget()

    def _wait(self, seconds: float, *descriptors: int) -> bool:
        """Wait until a descriptor has something to read; also ends when the watch is closed."""
        ready, _, _ = select.select([self._wake_reader, *descriptors], [], [], seconds)
        return bool(ready)
