"""A payShield simulator: the host interface over `keyferry.crypto`. It protects nothing."""

from keyferry.hsm.payshield.simulator.device import Device
from keyferry.hsm.payshield.simulator.settings import Settings
from keyferry.hsm.payshield.simulator.state import LMKRecord, State, fresh_state, load_state

__all__ = ["Device", "LMKRecord", "Settings", "State", "fresh_state", "load_state"]
