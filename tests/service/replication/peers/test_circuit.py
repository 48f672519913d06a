"""A peer's circuit: when it opens, what it lets through, what closes it."""

from __future__ import annotations

import asyncio

import pytest

from keyferry.errors import CircuitOpenError, PeerRefusedError, PeerUnreachableError
from keyferry.service.replication.backoff import Backoff
from keyferry.service.replication.peers.circuit import OPENS_AFTER, Circuit, CircuitState


class Clock:
    """Seconds that the tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(quiet_log: None) -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    """Pauses of 4, 8, 16… seconds, sixty at most, without a spread."""
    backoff = Backoff(first_s=1.0, most_s=60.0, chance=lambda: 1.0)
    return Circuit("us-west-2", backoff=backoff, monotonic=clock)


def state(circuit: Circuit) -> CircuitState:
    """The state as it is now; a checker of types would take the attribute for a constant."""
    return circuit.state


def fail(circuit: Circuit, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(PeerUnreachableError, match="gone"), circuit.attempt():
            raise PeerUnreachableError("gone")


def test_it_opens_after_some_failures_in_a_row(circuit: Circuit) -> None:
    """A success in between counts them anew."""
    fail(circuit, OPENS_AFTER - 1)
    with circuit.attempt():
        pass
    assert circuit.failures == 0
    fail(circuit, OPENS_AFTER - 1)
    assert state(circuit) is CircuitState.CLOSED
    fail(circuit)
    assert state(circuit) is CircuitState.OPEN


def test_an_open_one_says_when_to_come_back(circuit: Circuit, clock: Clock) -> None:
    """Nothing passes before the pause is over; what went wrong last is told."""
    fail(circuit, OPENS_AFTER)
    clock.now += 1.5
    with pytest.raises(CircuitOpenError) as caught, circuit.attempt():
        pytest.fail("nothing is sent")
    assert caught.value.retry_after_s == 2.5
    assert isinstance(caught.value.last, PeerUnreachableError)
    assert circuit.failures == OPENS_AFTER


def test_one_probe_decides(circuit: Circuit, clock: Clock) -> None:
    """After the pause one message passes, no second beside it; a failure doubles the pause."""
    fail(circuit, OPENS_AFTER)
    clock.now += 4.0
    assert state(circuit) is CircuitState.HALF_OPEN
    probe = circuit.attempt()
    probe.__enter__()
    with pytest.raises(CircuitOpenError), circuit.attempt():
        pytest.fail("one probe at a time")
    assert not probe.__exit__(PeerUnreachableError, PeerUnreachableError("gone"), None)
    assert state(circuit) is CircuitState.OPEN
    clock.now += 7.9
    assert state(circuit) is CircuitState.OPEN
    clock.now += 0.1
    with circuit.attempt():
        pass
    assert state(circuit) is CircuitState.CLOSED


def test_messages_that_were_under_way_count_once(circuit: Circuit, clock: Clock) -> None:
    """Ten that fail together make no longer a pause than three."""
    under_way = [circuit.attempt() for _ in range(10)]
    for attempt in under_way:
        attempt.__enter__()
    for attempt in under_way:
        error = PeerUnreachableError("gone")
        assert not attempt.__exit__(PeerUnreachableError, error, None)
    assert circuit.failures == OPENS_AFTER
    clock.now += 4.0
    assert state(circuit) is CircuitState.HALF_OPEN


def test_a_cancelled_probe_says_nothing(circuit: Circuit, clock: Clock) -> None:
    """The next message is the probe then."""
    fail(circuit, OPENS_AFTER)
    clock.now += 4.0
    with pytest.raises(asyncio.CancelledError), circuit.attempt():
        raise asyncio.CancelledError
    assert state(circuit) is CircuitState.HALF_OPEN
    with circuit.attempt():
        pass
    assert state(circuit) is CircuitState.CLOSED


def test_a_refusal_is_a_failure_too(circuit: Circuit) -> None:
    """A peer that refuses everything need not be asked all the time."""
    for _ in range(OPENS_AFTER):
        with pytest.raises(PeerRefusedError), circuit.attempt():
            raise PeerRefusedError("no", code="AccessDeniedException")
    assert state(circuit) is CircuitState.OPEN


def test_what_is_asked_by_hand_is_always_sent(circuit: Circuit, clock: Clock) -> None:
    """It waits for no pause, makes none longer, and its answer closes the circuit."""
    fail(circuit, OPENS_AFTER)
    with pytest.raises(CircuitOpenError) as pause, circuit.attempt():
        pass
    with pytest.raises(PeerUnreachableError), circuit.attempt(always=True):
        raise PeerUnreachableError("still gone")
    with pytest.raises(CircuitOpenError) as again, circuit.attempt():
        pass
    assert again.value.retry_after_s == pause.value.retry_after_s
    with circuit.attempt(always=True):
        pass
    assert state(circuit) is CircuitState.CLOSED
