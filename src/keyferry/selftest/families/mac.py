"""The ops of mac.json: message authentication codes and padding."""

from __future__ import annotations

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.mac import HMACKey, cbc_mac, cmac, retail_mac, verify_mac
from keyferry.crypto.padding import Padding, pad
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import UnsupportedAlgorithmError
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Leading, Value

_PADDINGS = {1: Padding.METHOD_1, 2: Padding.METHOD_2, 3: Padding.METHOD_3}


def _padding(case: Case) -> Padding:
    number = case.number("padding")
    if number not in _PADDINGS:
        raise UnsupportedAlgorithmError(f"padding method {number}")
    return _PADDINGS[number]


def _mac(case: Case) -> bytes:
    algorithm, key, data = case.text("algorithm"), case.hex("key"), case.hex("data")
    if algorithm == "ISO9797_ALG1":
        return cbc_mac(CipherKey(Cipher.TDES, key), data, padding=_padding(case))
    if algorithm == "ISO9797_ALG3":
        return retail_mac(TDESKey(key), data, padding=_padding(case))
    if algorithm == "CMAC_DES":
        return cmac(CipherKey(Cipher.TDES, key), data)
    if algorithm == "CMAC_AES":
        return cmac(CipherKey(Cipher.AES, key), data)
    if algorithm.startswith("HMAC_"):
        return HMACKey(key, algorithm.removeprefix("HMAC_")).mac(data)
    raise UnsupportedAlgorithmError(f"MAC algorithm {algorithm}")


def generate(case: Case) -> dict[str, Value]:
    """Compute a MAC."""
    return {"mac": Leading(_mac(case))}


def verify(case: Case) -> dict[str, Value]:
    """Verify a MAC, truncated or whole."""
    verify_mac(_mac(case), case.hex("mac"))
    return {}


def pad_data(case: Case) -> dict[str, Value]:
    """Pad data to blocks."""
    return {"padded": pad(case.hex("data"), _padding(case), block_size=case.number("block_length"))}


OPS = {"generate": generate, "verify": verify, "pad": pad_data}
