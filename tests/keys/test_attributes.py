"""Every combination of usage, class, algorithm and modes: the valid ones and no other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from keyferry.errors import KeyAttributesError
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse
from keyferry.keys import check_attributes as check

FLAGS = (
    "encrypt",
    "decrypt",
    "wrap",
    "unwrap",
    "generate",
    "sign",
    "verify",
    "derive_key",
    "no_restrictions",
)
# Written out from the service's published table, one line a usage; independent of the product's.
PUBLISHED = """
SYM B0 T2 T3 A1 A2 A3 : X N
SYM C0 T2 T3 A1 A2 A3 : G V C N
SYM D0 T2 T3 A1 A2 A3 : B E D N
SYM E0 T2 T3 A1 A2 A3 : X N
SYM E1 T2 T3 A1 A2 A3 : X N
SYM E2 T2 T3 A1 A2 A3 : X N
SYM E4 T2 T3 A1 A2 A3 : X N
SYM E5 T2 T3 A1 A2 A3 : X N
SYM E6 T2 T3 A1 A2 A3 : X N
SYM K0 T2 T3 A1 A2 A3 : B E D N
SYM K1 T2 T3 A1 A2 A3 : B E D N
SYM M0 T2 T3 : G V C N
SYM M1 T2 T3 : G V C N
SYM M3 T2 T3 : G V C N
SYM M6 T2 T3 A1 A2 A3 : G V C N
SYM M7 T2 T3 A1 A2 A3 H1 H2 H3 H4 : G V C N
SYM P0 T2 T3 A1 A2 A3 : B E D N
SYM P1 T2 T3 A1 A2 A3 : G V C N B
SYM V1 T2 T3 A1 A2 A3 : G V C N
SYM V2 T2 T3 A1 A2 A3 : G V C N
PAIR D1 R2 R3 R4 : B E D
PAIR K2 R2 R3 R4 : B E D
PAIR K3 P2 P3 P5 : X
PAIR S0 R2 R3 R4 : S V
PUB D1 R2 R3 R4 : E
PUB K2 R2 R3 R4 : E
PUB K3 P2 P3 P5 : X
PUB S0 R2 R3 R4 P2 P3 P5 : V
"""
CLASSES = {
    "SYM": KeyClass.SYMMETRIC_KEY,
    "PAIR": KeyClass.ASYMMETRIC_KEY_PAIR,
    "PUB": KeyClass.PUBLIC_KEY,
}
ALGORITHMS = {
    "T2": KeyAlgorithm.TDES_2KEY,
    "T3": KeyAlgorithm.TDES_3KEY,
    "A1": KeyAlgorithm.AES_128,
    "A2": KeyAlgorithm.AES_192,
    "A3": KeyAlgorithm.AES_256,
    "H1": KeyAlgorithm.HMAC_SHA224,
    "H2": KeyAlgorithm.HMAC_SHA256,
    "H3": KeyAlgorithm.HMAC_SHA384,
    "H4": KeyAlgorithm.HMAC_SHA512,
    "R2": KeyAlgorithm.RSA_2048,
    "R3": KeyAlgorithm.RSA_3072,
    "R4": KeyAlgorithm.RSA_4096,
    "P2": KeyAlgorithm.ECC_NIST_P256,
    "P3": KeyAlgorithm.ECC_NIST_P384,
    "P5": KeyAlgorithm.ECC_NIST_P521,
}
LETTERS = {
    "B": {"encrypt", "decrypt", "wrap", "unwrap"},
    "C": {"generate", "verify"},
    "D": {"decrypt", "unwrap"},
    "E": {"encrypt", "wrap"},
    "G": {"generate"},
    "N": {"no_restrictions"},
    "S": {"sign"},
    "V": {"verify"},
    "X": {"derive_key"},
}


def modes(flags: set[str] | frozenset[str]) -> ModesOfUse:
    return ModesOfUse(**dict.fromkeys(flags, True))


def published() -> set[tuple[KeyClass, str, KeyAlgorithm, frozenset[str]]]:
    valid = set()
    for line in PUBLISHED.strip().splitlines():
        left, right = line.split(" : ")
        key_class, code, *algorithms = left.split()
        for algorithm, letter in itertools.product(algorithms, right.split()):
            valid.add((CLASSES[key_class], code, ALGORITHMS[algorithm], frozenset(LETTERS[letter])))
    return valid


def every_set_of_flags() -> Iterator[frozenset[str]]:
    for count in range(len(FLAGS) + 1):
        yield from map(frozenset, itertools.combinations(FLAGS, count))


def accepts(
    usage: KeyUsage, key_class: KeyClass, algorithm: KeyAlgorithm, made: ModesOfUse
) -> bool:
    try:
        check(
            KeyAttributes(
                key_usage=usage, key_class=key_class, key_algorithm=algorithm, modes_of_use=made
            )
        )
    except KeyAttributesError:
        return False
    return True


def test_the_matrix_holds_exactly_the_published_combinations() -> None:
    """Of all usages, classes, algorithms and letters, only the published ones pass."""
    sets = [(frozenset(flags), modes(flags)) for flags in LETTERS.values()]
    accepted = {
        (key_class, usage.code, algorithm, flags)
        for usage, key_class, algorithm in itertools.product(KeyUsage, KeyClass, KeyAlgorithm)
        for flags, made in sets
        if accepts(usage, key_class, algorithm, made)
    }
    assert accepted == published()


def test_no_other_set_of_flags_passes() -> None:
    """The 503 sets of nine flags without a letter fit no usage, class or algorithm it has."""
    lettered = {frozenset(flags) for flags in LETTERS.values()}
    others = [modes(flags) for flags in every_set_of_flags() if flags not in lettered]
    assert len(others) == 503
    combinations = {(key_class, code, a) for key_class, code, a, _ in published()}
    one_of_each = {(key_class, code): a for key_class, code, a in combinations}
    for (key_class, code), algorithm in one_of_each.items():
        usage = KeyUsage.from_code(code)
        assert usage is not None
        assert not any(accepts(usage, key_class, algorithm, made) for made in others)


@pytest.mark.parametrize(
    ("usage", "key_class", "algorithm", "flags", "member"),
    [
        ("B0", "PAIR", "T2", {"derive_key"}, "KeyClass"),
        ("B0", "SYM", "R2", {"derive_key"}, "KeyAlgorithm"),
        ("M0", "SYM", "A1", {"generate"}, "KeyAlgorithm"),
        ("D0", "SYM", "A1", {"encrypt", "decrypt"}, "KeyModesOfUse"),
        ("D0", "SYM", "A1", set(), "KeyModesOfUse"),
        ("D0", "SYM", "A1", {"no_restrictions", "encrypt"}, "KeyModesOfUse"),
        ("K2", "PAIR", "R2", {"derive_key"}, "KeyModesOfUse"),
        ("S0", "PUB", "P5", {"sign"}, "KeyModesOfUse"),
        ("S0", "PAIR", "P5", {"sign"}, "KeyAlgorithm"),
    ],
)
def test_a_refusal_names_the_member(
    usage: str, key_class: str, algorithm: str, flags: set[str], member: str
) -> None:
    """The text of a refusal starts with the member of the request that does not fit."""
    found = KeyUsage.from_code(usage)
    assert found is not None
    attributes = KeyAttributes(
        key_usage=found,
        key_class=CLASSES[key_class],
        key_algorithm=ALGORITHMS[algorithm],
        modes_of_use=modes(flags),
    )
    with pytest.raises(KeyAttributesError, match=f"^{member}: "):
        check(attributes)


def test_private_keys_are_in_no_combination() -> None:
    """The class PRIVATE_KEY is in the API's enum, but nothing produces such keys."""
    for usage, algorithm, letter in itertools.product(KeyUsage, KeyAlgorithm, LETTERS):
        attributes = KeyAttributes(
            key_usage=usage,
            key_class=KeyClass.PRIVATE_KEY,
            key_algorithm=algorithm,
            modes_of_use=ModesOfUse.from_letter(letter),
        )
        with pytest.raises(KeyAttributesError, match="KeyClass"):
            check(attributes)


def test_letters_and_flags_go_both_ways() -> None:
    """Each letter with flags comes back from its flags; no other set of flags has a letter."""
    for letter, flags in LETTERS.items():
        assert ModesOfUse.from_letter(letter) == modes(flags)
        assert modes(flags).letter.value == letter
    lettered = {frozenset(flags) for flags in LETTERS.values()}
    for flags in every_set_of_flags():
        if flags not in lettered:
            with pytest.raises(KeyAttributesError, match="KeyModesOfUse"):
                _ = modes(flags).letter


@pytest.mark.parametrize("letter", ["T", "Y", "0", "9", "", "b"])
def test_letters_without_flags_are_refused(letter: str) -> None:
    """Sign-and-decrypt, key variants and proprietary modes have no representation."""
    with pytest.raises(KeyAttributesError):
        ModesOfUse.from_letter(letter)
