"""No key travels under a weaker one: which wrapping key is strong enough for which key."""

from __future__ import annotations

from enum import StrEnum

from keyferry.errors import KeyStrengthError
from keyferry.keys.algorithms import KeyAlgorithm as Alg


class WrappingMethod(StrEnum):
    """How a key travels; each method has its own column group in the table."""

    TR31 = "TR-31"  # also AS2805 cryptograms: one symmetric key under another
    TR34 = "TR-34"
    RSA = "RSA"
    ECDH = "ECDH"


_TWO_KEY_OR_MORE = frozenset({Alg.TDES_2KEY, Alg.TDES_3KEY, Alg.AES_128, Alg.AES_192, Alg.AES_256})
_THREE_KEY_OR_MORE = _TWO_KEY_OR_MORE - {Alg.TDES_2KEY}
_AES = frozenset({Alg.AES_128, Alg.AES_192, Alg.AES_256})
_AES_192_OR_MORE = _AES - {Alg.AES_128}
_AES_256 = frozenset({Alg.AES_256})
_RSA = frozenset({Alg.RSA_2048, Alg.RSA_3072, Alg.RSA_4096})
_RSA_3072_OR_MORE = _RSA - {Alg.RSA_2048}
_ECC = frozenset({Alg.ECC_NIST_P256, Alg.ECC_NIST_P384, Alg.ECC_NIST_P521})
_P384_OR_MORE = _ECC - {Alg.ECC_NIST_P256}
_P521 = frozenset({Alg.ECC_NIST_P521})
_NONE: frozenset[Alg] = frozenset()

# By protected key: what may wrap it under TR-31, by RSA (TR-34 tokens and bare cryptograms alike),
# and which curve may agree on its wrapping key.
_STRONG_ENOUGH: dict[Alg, tuple[frozenset[Alg], frozenset[Alg], frozenset[Alg]]] = {
    Alg.TDES_2KEY: (_TWO_KEY_OR_MORE, _RSA, _ECC),
    Alg.TDES_3KEY: (_THREE_KEY_OR_MORE, _RSA, _ECC),
    Alg.AES_128: (_AES, _RSA_3072_OR_MORE, _ECC),
    Alg.AES_192: (_AES_192_OR_MORE, _NONE, _P384_OR_MORE),
    Alg.AES_256: (_AES_256, _NONE, _P521),
    # HMAC keys are not in the service's table: each counts as the cipher key of its strength for
    # TR-31 and ECDH, and does not travel by RSA.
    Alg.HMAC_SHA224: (_THREE_KEY_OR_MORE, _NONE, _ECC),
    Alg.HMAC_SHA256: (_AES, _NONE, _ECC),
    Alg.HMAC_SHA384: (_AES_192_OR_MORE, _NONE, _P384_OR_MORE),
    Alg.HMAC_SHA512: (_AES_256, _NONE, _P521),
}


def check_strength(protected: Alg, *, method: WrappingMethod, wrapping: Alg) -> None:
    """
    Refuse a wrapping key that is weaker than the key it is to protect.

    For ECDH the curve limits the key that travels; the derived key must in addition satisfy the
    TR-31 rule, which is a second call.

    Args:
        protected: algorithm of the key that travels.
        method: how it travels.
        wrapping: the symmetric wrapping key, the RSA key of the receiver, or the curve.

    Raises:
        KeyStrengthError: the wrapping key is too weak, or the method does not carry such keys.

    Source: the service's table of wrapping key strengths.
    """
    columns = _STRONG_ENOUGH.get(protected)
    if columns is None:
        raise KeyStrengthError(f"{protected} keys do not travel by {method}")
    symmetric, rsa, curves = columns
    strong_enough = {
        WrappingMethod.TR31: symmetric,
        WrappingMethod.TR34: rsa,
        WrappingMethod.RSA: rsa,
        WrappingMethod.ECDH: curves,
    }[method]
    if wrapping not in strong_enough:
        raise KeyStrengthError(
            f"{protected} key under {wrapping}: {method} needs a wrapping key at least as strong"
        )
