"""Futurex payment HSMs over the Excrypt protocol: commands as data, driver, simulator."""

from keyferry.hsm.futurex.codes import KeyPairUse
from keyferry.hsm.futurex.driver import FuturexDriver
from keyferry.hsm.futurex.results import (
    CardValues,
    ExportedKey,
    GeneratedKey,
    GeneratedPIN,
    KeyPair,
)

__all__ = [
    "CardValues",
    "ExportedKey",
    "FuturexDriver",
    "GeneratedKey",
    "GeneratedPIN",
    "KeyPair",
    "KeyPairUse",
]
