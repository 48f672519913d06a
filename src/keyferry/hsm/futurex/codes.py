"""
The letters and digits that Excrypt commands use for algorithms, curves, hashes and uses.

Source: the AWS samples' client, unless a member says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from keyferry.crypto.kdf import KeyDerivationFunction
from keyferry.errors import ConfigurationError
from keyferry.keys import KeyAlgorithm


class MajorKey(StrEnum):
    """Under which key of the device the keys in a command are (token FS; BJ for new pairs)."""

    MFK = "1"  # TDES; bare cryptograms with a modifier, or version B blocks
    PMK = "6"  # AES-256; version D blocks


class KeyPairUse(StrEnum):
    """What one half of a key pair is for (token CZ); the letters of key block modes of use."""

    SIGN = "G"
    VERIFY = "V"
    DERIVE = "X"


KEY_TYPES: Final[Mapping[KeyAlgorithm, str]] = {
    KeyAlgorithm.TDES_2KEY: "2",
    KeyAlgorithm.TDES_3KEY: "3",
    KeyAlgorithm.AES_128: "4",
    KeyAlgorithm.AES_192: "5",
    KeyAlgorithm.AES_256: "6",
}
"""Token CT."""

CURVES: Final[Mapping[str, str]] = {"P256": "2", "P384": "3", "P521": "4"}
"""Token RA of GECC."""

HASHES: Final[Mapping[str, str]] = {"SHA256": "4", "SHA384": "5", "SHA512": "6"}
"""Token RG of SDDH; by analogy also of signatures (AL, RG of ASYR), where only 6 was seen."""

KDFS: Final[Mapping[KeyDerivationFunction, str]] = {
    KeyDerivationFunction.NIST_SP800: "0",
    KeyDerivationFunction.ANSI_X963: "1",
}
"""Token KM of SDDH."""

RSA_BITS: Final = ("2048", "3072", "4096")
"""Token RB of GRSA."""


def key_type(algorithm: KeyAlgorithm) -> str:
    """Return the CT code of an algorithm; ConfigurationError where there is none."""
    code = KEY_TYPES.get(algorithm)
    if code is None:
        raise ConfigurationError(
            f"{algorithm}: expected one of {', '.join(KEY_TYPES)}",
            hint="no public Excrypt command makes other symmetric keys",
        )
    return code


def algorithm_of(code: str) -> KeyAlgorithm:
    """Return the algorithm of a CT code that a table has let through."""
    return next(algorithm for algorithm, known in KEY_TYPES.items() if known == code)
