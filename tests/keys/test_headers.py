"""Key block headers and attributes, both ways."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.crypto.keyblock import (
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
)
from keyferry.errors import KeyAttributesError, KeyMaterialError
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
    attributes_from_header,
    check_attributes,
    generate_material,
    header_from_attributes,
)

SYMMETRIC_CODES = [
    "B0",
    "C0",
    "D0",
    "E0",
    "E1",
    "E2",
    "E4",
    "E5",
    "E6",
    "K0",
    "K1",
    "M0",
    "M1",
    "M3",
    "M6",
    "M7",
    "P0",
    "P1",
    "V1",
    "V2",
]
NEVER_IN_BLOCKS = ["D1", "K2", "K3", "S0"]
NO_USAGE = [
    "B1",
    "B2",
    "B3",
    "D2",
    "D3",
    "E3",
    "E7",
    "I0",
    "K4",
    "M2",
    "M4",
    "M5",
    "M8",
    "S1",
    "S2",
    "V0",
    "V3",
    "V4",
    "V5",
    "10",
    "99",
    "ZZ",
]


def header(
    usage: str = "P0",
    algorithm: str = "T",
    mode: str = "B",
    *,
    key_version: str = "00",
    blocks: tuple[OptionalBlock, ...] = (),
) -> KeyBlockHeader:
    return KeyBlockHeader(
        version=BlockVersion.D,
        usage=usage,
        algorithm=Algorithm(algorithm),
        mode=ModeOfUse(mode),
        key_version=key_version,
        exportability=Exportability.EXPORTABLE,
        optional_blocks=blocks,
    )


def valid_attributes() -> list[KeyAttributes]:
    found = []
    for usage, algorithm, letter in itertools.product(KeyUsage, KeyAlgorithm, "BCDEGNSVX"):
        attributes = KeyAttributes(
            key_usage=usage,
            key_class=KeyClass.SYMMETRIC_KEY,
            key_algorithm=algorithm,
            modes_of_use=ModesOfUse.from_letter(letter),
        )
        try:
            check_attributes(attributes)
        except KeyAttributesError:
            continue
        found.append(attributes)
    return found


def test_every_valid_key_comes_back_from_its_header() -> None:
    """Attributes to header to text to header to attributes changes nothing."""
    everything = valid_attributes()
    assert {attributes.key_usage.code for attributes in everything} == set(SYMMETRIC_CODES)
    for attributes in everything:
        made = header_from_attributes(
            attributes, version=BlockVersion.D, exportability=Exportability.SENSITIVE
        )
        read = KeyBlockHeader.parse(made.encode())
        key = generate_material(attributes.key_algorithm)
        assert attributes_from_header(read, key) == attributes
        assert read.exportability is Exportability.SENSITIVE
        assert read.key_version == "00"


@pytest.mark.parametrize("usage", NO_USAGE)
def test_usages_without_a_name_are_refused_by_name(usage: str) -> None:
    """A block whose usage the API does not know cannot become a key; the refusal names it."""
    with pytest.raises(KeyAttributesError, match=usage):
        attributes_from_header(header(usage, "T", "N"), bytes(range(16)))


@pytest.mark.parametrize("usage", NEVER_IN_BLOCKS)
@pytest.mark.parametrize("letter", ["T", "A", "R", "E"])
def test_asymmetric_usages_do_not_travel_in_blocks(usage: str, letter: str) -> None:
    """D1, K2, K3 and S0 keys come from CreateKey or certificates only."""
    with pytest.raises(KeyAttributesError):
        attributes_from_header(header(usage, letter, "E"), bytes(range(16)))


@pytest.mark.parametrize(
    ("letter", "sizes"), [("T", {16, 24}), ("A", {16, 24, 32}), ("D", set()), ("S", set())]
)
def test_the_key_length_decides_the_algorithm(letter: str, sizes: set[int]) -> None:
    """Every other length is refused, single DES and DSA always."""
    for size in range(1, 65):
        key = bytes(range(1, size + 1))
        if size in sizes:
            found = attributes_from_header(header("P0", letter, "B"), key)
            assert found.key_algorithm.size_bytes == size
        else:
            with pytest.raises(KeyAttributesError):
                attributes_from_header(header("P0", letter, "B"), key)


@pytest.mark.parametrize(
    ("code", "algorithm"),
    [("20", "HMAC_SHA224"), ("21", "HMAC_SHA256"), ("22", "HMAC_SHA384"), ("23", "HMAC_SHA512")],
)
def test_the_hash_of_an_hmac_key_comes_from_its_hm_block(code: str, algorithm: str) -> None:
    """Algorithm H says HMAC; HM says which hash, and the header carries it back."""
    read = header("M7", "H", "C", blocks=(OptionalBlock("HM", code),))
    found = attributes_from_header(read, bytes(range(20)))
    assert found.key_algorithm.value == algorithm
    made = header_from_attributes(
        found, version=BlockVersion.D, exportability=Exportability.EXPORTABLE
    )
    assert made.optional_blocks == (OptionalBlock("HM", code),)


@pytest.mark.parametrize("code", ["10", "24", "25", "30", "33", "40", "41"])
def test_hashes_without_a_key_algorithm_are_refused(code: str) -> None:
    """SHA-1, truncated SHA-512, SHA-3 and SHAKE have no KeyAlgorithm."""
    with pytest.raises(KeyAttributesError, match=code):
        attributes_from_header(
            header("M7", "H", "C", blocks=(OptionalBlock("HM", code),)), bytes(32)
        )


def test_an_hmac_key_without_its_hash_is_refused() -> None:
    """Without HM nobody can say which HMAC a key is for."""
    with pytest.raises(KeyAttributesError, match="HM"):
        attributes_from_header(header("M7", "H", "C"), bytes(32))


def test_a_short_hmac_key_is_refused() -> None:
    """An HMAC key has at least 112 bits."""
    read = header("M7", "H", "C", blocks=(OptionalBlock("HM", "21"),))
    assert attributes_from_header(read, bytes(14)).key_algorithm is KeyAlgorithm.HMAC_SHA256
    with pytest.raises(KeyMaterialError, match="14"):
        attributes_from_header(read, bytes(13))


def test_a_key_component_is_refused() -> None:
    """A version that starts with c marks a component: half a key is no key."""
    with pytest.raises(KeyAttributesError, match="component"):
        attributes_from_header(header(key_version="c1"), bytes(range(16)))


@pytest.mark.parametrize("mode", ["T", "Y", "0"])
def test_modes_without_flags_are_refused(mode: str) -> None:
    """Modes of use the API cannot express do not become keys."""
    with pytest.raises(KeyAttributesError):
        attributes_from_header(header("P0", "T", mode), bytes(range(16)))


def test_a_mode_that_does_not_fit_the_usage_is_refused() -> None:
    """A PIN encryption key that may only derive does not exist."""
    with pytest.raises(KeyAttributesError, match="KeyModesOfUse"):
        attributes_from_header(header("P0", "T", "X"), bytes(range(16)))


def test_a_degenerate_tdes_key_is_refused() -> None:
    """A TDES key that works as single DES is refused even with differing parity bits."""
    half = bytes.fromhex("0123456789ABCDEF")
    same_without_parity = bytes(byte ^ 1 for byte in half)
    with pytest.raises(KeyMaterialError, match="degenerate"):
        attributes_from_header(header(), half + same_without_parity)


@pytest.mark.parametrize(("own", "narrower"), [("B", "E"), ("B", "D"), ("N", "B"), ("B", "B")])
def test_a_header_may_narrow_the_mode(own: str, narrower: str) -> None:
    """A subset of the key's own flags that is a valid letter is written; from N any valid one."""
    attributes = attributes_from_header(header("P0", "T", own), bytes(range(16)))
    made = header_from_attributes(
        attributes,
        version=BlockVersion.B,
        exportability=Exportability.NONE,
        mode=ModeOfUse(narrower),
    )
    assert made.mode.value == narrower


@pytest.mark.parametrize(("own", "other"), [("E", "B"), ("B", "N"), ("N", "X"), ("D", "E")])
def test_a_header_never_widens_the_mode(own: str, other: str) -> None:
    """A letter beyond the key's own flags, or not valid for its usage, is refused."""
    attributes = attributes_from_header(header("P0", "T", own), bytes(range(16)))
    with pytest.raises(KeyAttributesError, match="KeyModesOfUse"):
        header_from_attributes(
            attributes,
            version=BlockVersion.B,
            exportability=Exportability.NONE,
            mode=ModeOfUse(other),
        )


def test_pairs_have_no_header() -> None:
    """Only symmetric keys travel in key blocks."""
    pair = KeyAttributes(
        key_usage=KeyUsage.TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE,
        key_class=KeyClass.ASYMMETRIC_KEY_PAIR,
        key_algorithm=KeyAlgorithm.RSA_2048,
        modes_of_use=ModesOfUse(sign=True),
    )
    with pytest.raises(KeyAttributesError, match="KeyClass"):
        header_from_attributes(pair, version=BlockVersion.D, exportability=Exportability.EXPORTABLE)


def test_the_caller_cannot_bring_its_own_hm_block() -> None:
    """The HM block is the key's algorithm, not an option."""
    attributes = attributes_from_header(
        header("M7", "H", "C", blocks=(OptionalBlock("HM", "21"),)), bytes(32)
    )
    with pytest.raises(KeyAttributesError, match="HM"):
        header_from_attributes(
            attributes,
            version=BlockVersion.D,
            exportability=Exportability.EXPORTABLE,
            optional_blocks=(OptionalBlock("HM", "23"),),
        )


@given(
    usage=st.text("ABCDEKMPSV0123456789", min_size=2, max_size=2),
    algorithm=st.sampled_from("ADEHRSTIJ"),
    mode=st.sampled_from("BCDEGNSTVXY0123456789"),
    key=st.binary(min_size=0, max_size=80),
    hash_code=st.sampled_from([None, "10", "20", "21", "22", "23", "40"]),
)
def test_any_header_gives_valid_attributes_or_the_documented_error(
    usage: str, algorithm: str, mode: str, key: bytes, hash_code: str | None
) -> None:
    """Whatever a block says, it becomes a valid key or is refused as documented."""
    blocks = () if hash_code is None else (OptionalBlock("HM", hash_code),)
    try:
        found = attributes_from_header(header(usage, algorithm, mode, blocks=blocks), key)
    except (KeyAttributesError, KeyMaterialError):
        return
    check_attributes(found)
    assert found.key_usage.code == usage
    assert found.modes_of_use.letter.value == mode
    assert found.key_algorithm.block_algorithm.value == algorithm
