"""Check values as the files show them: by the algorithm letter of a key block header."""

from __future__ import annotations

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import Algorithm
from keyferry.selftest.compare import Leading


def block_kcv(algorithm: Algorithm, key: bytes) -> Leading | None:
    """Return the check value of a key from a block: legacy for DES and TDES, CMAC for AES."""
    if algorithm in (Algorithm.TDES, Algorithm.DES):
        return Leading(tdes_kcv(key, size=8))
    if algorithm is Algorithm.AES:
        return Leading(cmac_kcv(Cipher.AES, key, size=16))
    return None
