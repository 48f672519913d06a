"""A payShield simulator in a thread of the test process, on a free port."""

from __future__ import annotations

from keyferry.hsm.payshield.simulator import Device
from keyferry.hsm.payshield.simulator.server import SimulatorServer
from keyferry.testing.loop_thread import LoopThread

HOST = "127.0.0.1"


class PayShieldSimulator:
    """
    One simulated payShield 10K, fresh: LMK 00 is a random AES key block LMK, LMK 02 the public
    variant test LMK. It speaks TCP and UDP on `host` and `port`.
    """

    def __init__(self, loop: LoopThread) -> None:
        self._loop = loop
        self._server = SimulatorServer(Device(), host=HOST)

    @property
    def host(self) -> str:
        return self._server.host

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def device(self) -> Device:
        """The device behind the port, to look at what it counted and remembers."""
        return self._server.simulated

    def start(self) -> None:
        """Listen."""
        self._loop.run(self._server.start())

    def stop(self) -> None:
        """Close every connection."""
        self._loop.run(self._server.stop())
