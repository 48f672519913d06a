"""The ops of kcv.json: check values, components, parity."""

from __future__ import annotations

from keyferry.crypto.check_values import aes_legacy_kcv, cmac_kcv, hmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.components import combine, has_odd_parity, odd_parity
from keyferry.errors import UnsupportedAlgorithmError
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Leading, Value

_CIPHERS = {"DES": Cipher.TDES, "AES": Cipher.AES}


def check_value(case: Case) -> dict[str, Value]:
    """Compute a check value by method and algorithm."""
    method, algorithm, key = case.text("method"), case.text("algorithm"), case.hex("key")
    if method == "legacy" and algorithm == "DES":
        value = tdes_kcv(key, size=8)
    elif method == "legacy" and algorithm == "AES":
        value = aes_legacy_kcv(key, size=16)
    elif method == "cmac" and algorithm in _CIPHERS:
        cipher = _CIPHERS[algorithm]
        value = cmac_kcv(cipher, key, size=cipher.block_size)
    elif method == "hmac" and algorithm.startswith("HMAC_"):
        value = hmac_kcv(key, algorithm.removeprefix("HMAC_"), size=16)
    else:
        raise UnsupportedAlgorithmError(f"check value {method} of {algorithm}")
    return {"kcv": Leading(value)}


def combine_components(case: Case) -> dict[str, Value]:
    """Combine components and compute the legacy check values of all."""
    components = case.hex_list("components")
    key = combine(components)
    return {
        "key": key,
        "kcv": Leading(tdes_kcv(key, size=8)),
        "component_kcvs": [Leading(tdes_kcv(component, size=8)) for component in components],
    }


def parity(case: Case) -> dict[str, Value]:
    """Set odd parity, and say whether it was set."""
    key = case.hex("key")
    return {"odd_parity_key": odd_parity(key), "had_odd_parity": has_odd_parity(key)}


OPS = {"kcv": check_value, "combine": combine_components, "parity": parity}
