"""Thales payShield 10K: commands as data, driver, simulator."""

from keyferry.hsm.host_pool import client_tls
from keyferry.hsm.payshield.driver import PayShieldDriver
from keyferry.hsm.payshield.key_field import WireKey
from keyferry.hsm.payshield.lmk import LMKScheme, LMKSelection
from keyferry.hsm.payshield.results import (
    Diagnostics,
    ECCKeyPair,
    ExportedKey,
    GeneratedExport,
    GeneratedKey,
    ImportedKey,
    RSAKeyPair,
    Status,
    TR31Attributes,
    TR34Parts,
)

__all__ = [
    "Diagnostics",
    "ECCKeyPair",
    "ExportedKey",
    "GeneratedExport",
    "GeneratedKey",
    "ImportedKey",
    "LMKScheme",
    "LMKSelection",
    "PayShieldDriver",
    "RSAKeyPair",
    "Status",
    "TR31Attributes",
    "TR34Parts",
    "WireKey",
    "client_tls",
]
