"""DUKPT: a key for each transaction, from one base derivation key."""

from keyferry.crypto.dukpt.initial_key import aes_initial_key, tdes_initial_key

__all__ = ["aes_initial_key", "tdes_initial_key"]
