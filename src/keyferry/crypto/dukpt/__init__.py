"""Derived unique key per transaction: a fresh key for each one, from a base key and a counter."""

from keyferry.crypto.dukpt.aes import (
    AESBDK,
    AESPurpose,
    WorkingKeyType,
    aes_derivation_key,
    aes_initial_key,
)
from keyferry.crypto.dukpt.tdes import (
    TDESBDK,
    TDESPurpose,
    tdes_initial_key,
    tdes_transaction_key,
    tdes_working_key,
)

__all__ = [
    "AESBDK",
    "TDESBDK",
    "AESPurpose",
    "TDESPurpose",
    "WorkingKeyType",
    "aes_derivation_key",
    "aes_initial_key",
    "tdes_initial_key",
    "tdes_transaction_key",
    "tdes_working_key",
]
