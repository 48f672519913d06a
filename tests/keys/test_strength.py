"""Which wrapping key is strong enough for which key."""

from __future__ import annotations

import itertools

import pytest

from keyferry.errors import KeyStrengthError
from keyferry.keys import KeyAlgorithm, WrappingMethod, check_strength

COLUMNS = [
    "TDES_2KEY",
    "TDES_3KEY",
    "AES_128",
    "AES_192",
    "AES_256",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
]
# The published table, copied by hand: B TR-31, R TR-34 and RSA, E ECDH, - none. The rows of HMAC
# keys, which the table lacks, follow the cipher key of their strength, without the RSA columns.
PUBLISHED = {
    "TDES_2KEY": "BBBBB RRR EEE",
    "TDES_3KEY": "-BBBB RRR EEE",
    "AES_128": "--BBB -RR EEE",
    "AES_192": "---BB --- -EE",
    "AES_256": "----B --- --E",
    "HMAC_SHA224": "-BBBB --- EEE",
    "HMAC_SHA256": "--BBB --- EEE",
    "HMAC_SHA384": "---BB --- -EE",
    "HMAC_SHA512": "----B --- --E",
}
METHODS = {
    "B": {WrappingMethod.TR31},
    "R": {WrappingMethod.TR34, WrappingMethod.RSA},
    "E": {WrappingMethod.ECDH},
    "-": set(),
}


@pytest.mark.parametrize("protected", [a.value for a in KeyAlgorithm])
def test_the_table_of_strengths(protected: str) -> None:
    """Every key, wrapping key and method: allowed exactly where the table says so."""
    row = PUBLISHED.get(protected, "----- --- ---").replace(" ", "")
    cells = dict(zip(COLUMNS, row, strict=True))
    for wrapping, method in itertools.product(KeyAlgorithm, WrappingMethod):
        if method in METHODS[cells.get(wrapping.value, "-")]:
            check_strength(KeyAlgorithm(protected), method=method, wrapping=wrapping)
        else:
            with pytest.raises(KeyStrengthError, match=protected):
                check_strength(KeyAlgorithm(protected), method=method, wrapping=wrapping)
