"""Atalla AT1000 and A10160: commands as data, driver, simulator."""

from keyferry.hsm.atalla.driver import AtallaDriver
from keyferry.hsm.atalla.dual_control import Operator
from keyferry.hsm.atalla.results import (
    ExportedKey,
    GeneratedKey,
    RSAKeyPair,
    Status,
    TR34Token,
)

__all__ = [
    "AtallaDriver",
    "ExportedKey",
    "GeneratedKey",
    "Operator",
    "RSAKeyPair",
    "Status",
    "TR34Token",
]
