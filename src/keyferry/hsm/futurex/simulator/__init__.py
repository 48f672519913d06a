"""A Futurex simulator: the Excrypt host protocol over `keyferry.crypto`. It protects nothing."""

from keyferry.hsm.futurex.simulator.device import Device
from keyferry.hsm.futurex.simulator.settings import Settings
from keyferry.hsm.futurex.simulator.state import State, fresh_state, load_state

__all__ = ["Device", "Settings", "State", "fresh_state", "load_state"]
