"""What a key is as a whole, and which combinations exist."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from keyferry.errors import KeyAttributesError
from keyferry.keys.algorithms import KeyAlgorithm
from keyferry.keys.modes import ModesOfUse
from keyferry.keys.usages import KeyClass, KeyUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAttributes:
    """Usage, class, algorithm and modes of a key; immutable once a key exists."""

    key_usage: KeyUsage
    key_class: KeyClass
    key_algorithm: KeyAlgorithm
    modes_of_use: ModesOfUse


@dataclass(frozen=True, slots=True)
class _Rule:
    algorithms: frozenset[KeyAlgorithm]
    letters: frozenset[str]


_TDES = frozenset(a for a in KeyAlgorithm if a.is_tdes)
_CIPHERS = _TDES | frozenset(a for a in KeyAlgorithm if a.is_aes)
_HMAC = frozenset(a for a in KeyAlgorithm if a.is_hmac)
_RSA = frozenset(a for a in KeyAlgorithm if a.is_rsa)
_ECC = frozenset(a for a in KeyAlgorithm if a.is_ecc)

_DERIVATION = frozenset("XN")
_ENCIPHERMENT = frozenset("BEDN")
_VERIFICATION = frozenset("GVCN")

# The matrix of valid combinations, by usage and class. Exotic but harmless combinations (AES card
# verification keys, AES EMV master keys) are allowed to exist, as in the service; no cryptographic
# operation takes them.
_SYMMETRIC = {
    "B0": _Rule(_CIPHERS, _DERIVATION),
    "C0": _Rule(_CIPHERS, _VERIFICATION),
    "D0": _Rule(_CIPHERS, _ENCIPHERMENT),
    "E0": _Rule(_CIPHERS, _DERIVATION),
    "E1": _Rule(_CIPHERS, _DERIVATION),
    "E2": _Rule(_CIPHERS, _DERIVATION),
    "E4": _Rule(_CIPHERS, _DERIVATION),
    "E5": _Rule(_CIPHERS, _DERIVATION),
    "E6": _Rule(_CIPHERS, _DERIVATION),
    "K0": _Rule(_CIPHERS, _ENCIPHERMENT),
    "K1": _Rule(_CIPHERS, _ENCIPHERMENT),
    "M0": _Rule(_TDES, _VERIFICATION),
    "M1": _Rule(_TDES, _VERIFICATION),
    "M3": _Rule(_TDES, _VERIFICATION),
    "M6": _Rule(_CIPHERS, _VERIFICATION),
    "M7": _Rule(_HMAC | _CIPHERS, _VERIFICATION),
    "P0": _Rule(_CIPHERS, _ENCIPHERMENT),
    # No operation uses P1; published examples show it with B, so B is allowed beside C, G, V.
    "P1": _Rule(_CIPHERS, _VERIFICATION | {"B"}),
    "V1": _Rule(_CIPHERS, _VERIFICATION),
    "V2": _Rule(_CIPHERS, _VERIFICATION),
}
_PAIR = {
    "D1": _Rule(_RSA, frozenset("BED")),
    "K2": _Rule(_RSA, frozenset("BED")),
    "K3": _Rule(_ECC, frozenset("X")),
    "S0": _Rule(_RSA, frozenset("SV")),
}
_PUBLIC = {
    "D1": _Rule(_RSA, frozenset("E")),
    "K2": _Rule(_RSA, frozenset("E")),
    "K3": _Rule(_ECC, frozenset("X")),
    "S0": _Rule(_RSA | _ECC, frozenset("V")),
}
_MATRIX: dict[tuple[KeyClass, str], _Rule] = {
    (key_class, code): rule
    for key_class, rules in (
        (KeyClass.SYMMETRIC_KEY, _SYMMETRIC),
        (KeyClass.ASYMMETRIC_KEY_PAIR, _PAIR),
        (KeyClass.PUBLIC_KEY, _PUBLIC),
    )
    for code, rule in rules.items()
}


def check_attributes(attributes: KeyAttributes) -> None:
    """
    Refuse a combination of usage, class, algorithm and modes that does not exist.

    Raises:
        KeyAttributesError: naming the member that does not fit the usage.

    Source: the service's table of valid key attributes; apart from what its operations show
    (M0, HMAC algorithms), a set of modes must equal one listed set exactly.
    """
    usage, key_class = attributes.key_usage, attributes.key_class
    rule = _MATRIX.get((key_class, usage.code))
    if rule is None:
        classes = sorted(known for known, code in _MATRIX if code == usage.code)
        raise KeyAttributesError(
            f"KeyClass: {key_class} is not valid for {usage}: expected {' or '.join(classes)}"
        )
    if attributes.key_algorithm not in rule.algorithms:
        raise KeyAttributesError(
            f"KeyAlgorithm: {attributes.key_algorithm} is not valid for {usage} of class"
            f" {key_class}: expected {', '.join(sorted(rule.algorithms))}"
        )
    letters = rule.letters
    if attributes.modes_of_use not in _modes(letters):
        flags = ", ".join(attributes.modes_of_use.names) or "no flag"
        raise KeyAttributesError(
            f"KeyModesOfUse: {flags} is not valid for {usage} of class {key_class}: expected"
            f" exactly {' or '.join(_flag_set(letter) for letter in sorted(letters))}"
        )


@cache  # there are six different sets of letters
def _modes(letters: frozenset[str]) -> frozenset[ModesOfUse]:
    return frozenset(ModesOfUse.from_letter(letter) for letter in letters)


def _flag_set(letter: str) -> str:
    return "{" + ", ".join(ModesOfUse.from_letter(letter).names) + "}"
