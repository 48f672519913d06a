"""
Several worker processes behind one listening socket, and the process that looks after them.

The parent opens the stores once, which makes or migrates them and shows that the master keys fit,
closes them, and forks; it has no threads and no event loop by then. Workers share nothing but the
socket and the database. One that ends by itself is replaced; one that cannot even start ends all.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import time
from types import FrameType
from typing import NoReturn

from keyferry.service import log
from keyferry.service.authz.access_keys import AccessKeys
from keyferry.service.metrics import MULTIPROCESS_DIR, forget_process
from keyferry.service.region import open_regions
from keyferry.service.server import run_server, write_ready_file
from keyferry.service.settings import ListenerSettings, ServiceSettings

_READY = b"r"
_HANDLED = (signal.SIGTERM, signal.SIGINT)
# A worker that ends sooner than this after its start is not replaced for ever.
_SHORT_LIFE_S = 5.0
_SHORT_LIVES = 5


class WorkerPool:
    """The worker processes of one service."""

    def __init__(
        self,
        service: ServiceSettings,
        listener: ListenerSettings,
        keys: AccessKeys,
        tls: ssl.SSLContext | None,
        listening: socket.socket,
    ) -> None:
        self._service = service
        self._listener = listener
        self._keys = keys
        self._tls = tls
        self._listening = listening
        self._parent = os.getpid()
        self._workers: dict[int, tuple[int, float]] = {}  # process id → worker number, start
        self._short_lives = 0
        self._stopping = False
        self._failed = False

    def run(self, url: str) -> int:
        """Start the workers, announce them, keep them alive; return the exit status."""
        before = {number: signal.signal(number, self._on_signal) for number in _HANDLED}
        try:
            started = all(self._start(number) for number in range(self._listener.workers))
            if not started and not self._stopping:
                log.error("worker_does_not_start")
                self._failed = True
                self._stop()
            if not self._stopping:
                write_ready_file(self._listener.ready_file, url, self._service.regions)
                log.info("service_ready", url=url, workers=len(self._workers), pid=os.getpid())
            self._look_after()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return 1 if self._failed else 0

    def _start(self, number: int) -> bool:
        """Fork one worker and wait until it serves; False if it ended instead."""
        if self._stopping:
            return False
        told, telling = os.pipe()
        # A signal between the fork and the worker's own handlers would run ours in the worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                os.close(told)
                self._work(number, telling)
            self._workers[pid] = (number, time.monotonic())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        os.close(telling)
        try:
            return os.read(told, 1) == _READY
        finally:
            os.close(told)

    def _work(self, number: int, telling: int) -> NoReturn:
        """The life of a worker; it never returns into the parent's code."""
        status = 1
        try:
            for handled in _HANDLED:
                signal.signal(handled, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)

            def announce() -> None:
                os.write(telling, _READY)
                os.close(telling)

            run_server(
                self._service,
                self._listener,
                self._keys,
                self._tls,
                self._listening,
                open_regions(self._service),
                on_ready=announce,
                sweeps=number == 0,
                # A parent that was killed cannot stop its workers, so they look.
                should_end=lambda: os.getppid() != self._parent,
            )
            status = 0
        except BaseException as error:  # noqa: BLE001 (nothing may unwind into the parent's frames)
            log.error("worker_failed", worker=number, error=type(error).__name__)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _look_after(self) -> None:
        """Wait until all have ended, replacing those that ended unasked."""
        while self._workers:
            pid, wait_status = os.waitpid(-1, 0)
            if pid not in self._workers:
                continue
            number, started = self._workers.pop(pid)
            forget_process(pid)
            status = os.waitstatus_to_exitcode(wait_status)
            if self._stopping:
                # One that was told to end while it still started had no handler yet.
                self._failed = self._failed or status not in (0, -signal.SIGTERM)
                continue
            log.error("worker_ended", worker=number, status=status)
            short = time.monotonic() - started < _SHORT_LIFE_S
            self._short_lives = self._short_lives + 1 if short else 0
            if self._short_lives >= _SHORT_LIVES or not self._start(number):
                if not self._stopping:
                    log.error("worker_does_not_start", worker=number)
                    self._failed = True
                self._stop()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 (a handler)
        self._stop()

    def _stop(self) -> None:
        self._stopping = True
        for pid in list(self._workers):
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue


def run_workers(
    service: ServiceSettings,
    listener: ListenerSettings,
    keys: AccessKeys,
    tls: ssl.SSLContext | None,
    listening: socket.socket,
    url: str,
) -> int:
    """Serve with `listener.workers` processes; return the exit status."""
    for region in open_regions(service).values():
        region.store.close()
    counters = tempfile.mkdtemp(prefix="keyferry-metrics-")
    os.environ[MULTIPROCESS_DIR] = counters
    try:
        return WorkerPool(service, listener, keys, tls, listening).run(url)
    finally:
        del os.environ[MULTIPROCESS_DIR]
        shutil.rmtree(counters, ignore_errors=True)
        if listener.ready_file is not None:
            listener.ready_file.unlink(missing_ok=True)
