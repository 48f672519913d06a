"""
A circuit: whether a peer is asked at all, after it did not answer.

All links of a process to one peer share one. It opens after some failures in a row; from then on
nothing is sent but a single message now and then, whose answer closes it again. So a peer that is
down costs one attempt, whatever waits for it, and one that comes back is not met by a crowd.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from keyferry.errors import CircuitOpenError, KeyferryError
from keyferry.service import log
from keyferry.service.replication.backoff import Backoff

# So many failures in a row, and the circuit opens.
OPENS_AFTER = 3
# How long to wait for the answer to a probe before asking how it went.
_PROBED_S = 0.5


class CircuitState(StrEnum):
    """What a circuit lets through."""

    CLOSED = "closed"  # everything
    OPEN = "open"  # nothing, until its pause is over
    HALF_OPEN = "half-open"  # one message, which decides


class Circuit:
    """The circuit of one peer; belongs to one event loop."""

    def __init__(
        self,
        peer: str,
        *,
        backoff: Backoff,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            backoff: the pauses between probes.
            monotonic: seconds that only grow.
        """
        self._peer = peer
        self._backoff = backoff
        self._monotonic = monotonic
        self._failures = 0
        self._next_probe = 0.0
        self._probing = False
        self._last: KeyferryError | None = None

    @property
    def failures(self) -> int:
        """How many messages in a row had no answer."""
        return self._failures

    @property
    def state(self) -> CircuitState:
        if self._failures < OPENS_AFTER:
            return CircuitState.CLOSED
        if self._probing or self._monotonic() >= self._next_probe:
            return CircuitState.HALF_OPEN
        return CircuitState.OPEN

    @contextmanager
    def attempt(self, *, always: bool = False) -> Iterator[None]:
        """
        Surround one message: what is raised inside on purpose is a failure, returning is success.

        A message that was cancelled says nothing about the peer.

        Args:
            always: send it whatever the circuit says, for what somebody asks by hand. Its answer
                closes the circuit too; that there is none does not make the pause longer.

        Raises:
            CircuitOpenError: nothing is to be sent now.
        """
        probe = False if always else self._admit()
        try:
            yield
        except KeyferryError as error:
            self._last = error
            self._failed(probe)
            raise
        else:
            self._succeeded()
        finally:
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        """Whether the message is a probe; CircuitOpenError if there must be none."""
        match self.state:
            case CircuitState.CLOSED:
                return False
            case CircuitState.HALF_OPEN if not self._probing:
                self._probing = True
                return True
            case CircuitState.HALF_OPEN:
                raise CircuitOpenError(self._peer, retry_after_s=_PROBED_S, last=self._last)
            case CircuitState.OPEN:
                pause = max(0.0, self._next_probe - self._monotonic())
                raise CircuitOpenError(self._peer, retry_after_s=pause, last=self._last)

    def _failed(self, probe: bool) -> None:
        if self._failures >= OPENS_AFTER and not probe:
            return  # sent before it opened; what came first has been counted
        self._failures += 1
        if self._failures >= OPENS_AFTER:
            pause = self._backoff.after(self._failures).total_seconds()
            self._next_probe = self._monotonic() + pause
        if self._failures == OPENS_AFTER:
            log.warning("replication_circuit_open", peer=self._peer)

    def _succeeded(self) -> None:
        if self._failures >= OPENS_AFTER:
            log.info("replication_circuit_closed", peer=self._peer)
        self._last = None
        self._failures = 0
