"""An Atalla simulator: the host interface over `keyferry.crypto`. It protects nothing."""

from keyferry.hsm.atalla.simulator.device import Device
from keyferry.hsm.atalla.simulator.settings import Settings
from keyferry.hsm.atalla.simulator.state import TEST_MFK, State, fresh_state, load_state

__all__ = ["TEST_MFK", "Device", "Settings", "State", "fresh_state", "load_state"]
