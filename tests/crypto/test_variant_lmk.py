"""Keys under the public test LMK and under ZMKs, against published exchanges."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.variant_lmk import (
    TEST_LMK,
    VariantLMK,
    decrypt_under_zmk,
    encrypt_under_zmk,
)
from keyferry.errors import DataSizeError, KeySizeError, UnsupportedAlgorithmError

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


@pytest.mark.parametrize(
    ("key_type", "field"),
    [
        ("000", "U42BBE7D9A0A55D0EBDE055DE2791ACCD"),
        ("001", "U063A0E7C0F2124E56192A4510F395ED7"),
        ("002", "U1750CDFB0757D3B3994430636DBB281B"),
        ("003", "U7AD0BB2A32ADE115807C3572FC302BA5"),
        ("008", "U7B7B1BE6AFBA184A32F08E7514BAC82E"),
        ("009", "U8E3D3E2FD5919657F05A1AA90D32A014"),
        ("402", "U9B4934384B19946B040CD702B4D58145"),
        ("000", "XDA05B7A979CBD9A15A4FBD3D599B9380"),
        ("402", "X0A61E674E88C6A7EEABC38C2B2BB492F"),
    ],
)
def test_the_test_key_under_the_test_lmk(key_type: str, field: str) -> None:
    """Each key type and scheme gives its published form, both ways."""
    assert TEST_LMK.encrypt(KEY, key_type=key_type, scheme=field[0]) == field
    assert TEST_LMK.decrypt(field, key_type=key_type) == KEY
    assert (
        TEST_LMK.decrypt(field.lower().replace("u", "U").replace("x", "X"), key_type=key_type)
        == KEY
    )


@pytest.mark.parametrize(
    ("field", "key_type", "clear", "kcv"),
    [
        (
            "U1457FF6ADF6250C66C368416B4C9D383",
            "000",
            "851A0D9D0B2A1602622AD0B0E9E6B070",
            "E14F4E",
        ),
        (
            "U71979DEB8587E2734F1E99D5DCAEF9AC",
            "000",
            "C497DCBA1A98ABBC45A2523786C28007",
            "04EEC0",
        ),
        ("4ED06495741C280C", "000", "E951A1D6EF08EA15", "8BD52F"),
        (
            "U8463435FC4B4DAA0C49025272C29B12C",
            "002",
            "D3DCC7EA9BCB755D254620B376B3D007",
            "070753",
        ),
        ("0406FBB23A5214DF", "002", "0B681FC20E62C734", "0035BB"),
        (
            "U1EF828AA8F6B80EB83E19FBC373F3A85",
            "001",
            "C7152C20BC2C830EA7EC9E8334ABE3FE",
            "6F1E3F",
        ),
        ("BAB32D775A38E4AB", "001", "13F10E5D868A529E", "73936E"),
        (
            "X367930344805B1FAD6146EF4ED7502B3",
            "002",
            "C8199237EA5857BC40EF9DA2B5E96BBF",
            "C19328",
        ),
        ("U9D961F6AF1D24B38AB37B320022FF57D", "001", "1C" * 16, "77800C"),
        ("56C1DC7F3A899043", "002", "1C" * 8, "77800C"),
        ("0A61E674E88C6A7EEABC38C2B2BB492F", "402", KEY.hex(), "08D7B4"),
    ],
)
def test_published_keys_under_the_test_lmk(field: str, key_type: str, clear: str, kcv: str) -> None:
    """Tagged and bare fields decrypt to the published key and check value."""
    key = TEST_LMK.decrypt(field, key_type=key_type)
    assert key == bytes.fromhex(clear)
    assert tdes_kcv(key).hex().upper() == kcv
    scheme = field[0] if field[0] in "UX" else {16: "Z", 32: "X"}[len(field)]
    assert TEST_LMK.encrypt(key, key_type=key_type, scheme=scheme).removeprefix("X") == (
        field.removeprefix("X")
    )


def clear(field: str, key_type: str) -> bytes:
    """A key of the published exchanges."""
    return TEST_LMK.decrypt(field, key_type=key_type)


def test_published_exports_and_imports_under_a_zmk() -> None:
    """A8 in U and Z, A6 from U, X and X with Atalla variant 1, as published."""
    zmk = clear("U1457FF6ADF6250C66C368416B4C9D383", "000")
    tpk = clear("U8463435FC4B4DAA0C49025272C29B12C", "002")
    assert encrypt_under_zmk(zmk, tpk, "U") == "U2C62A23D001B97412950CD8BE66C7639"
    single = clear("7BB126F2BE631486", "002")
    assert encrypt_under_zmk(zmk, single, "Z") == "16224FDAA779AFB3"
    zmk = clear("U71979DEB8587E2734F1E99D5DCAEF9AC", "000")
    zpk = decrypt_under_zmk(zmk, "U482C4E722BB0CF1845E1E5BD16310119")
    assert TEST_LMK.encrypt(zpk, key_type="001", scheme="U") == "U0E07CDC0161A0DE3B5AA44DF227EC9DE"
    assert tdes_kcv(zpk).hex().upper() == "ABDEBC"
    for field, variant in (
        ("XC8E3118AFA853807EB7E92294663A5BA", None),
        ("X8E80C547F2A1324B84763B0EE32B73AD", 1),
    ):
        zpk = decrypt_under_zmk(zmk, field, atalla_variant=variant)
        assert TEST_LMK.encrypt(zpk, key_type="001", scheme="U") == (
            "U1EF828AA8F6B80EB83E19FBC373F3A85"
        )
        assert encrypt_under_zmk(zmk, zpk, "X", atalla_variant=variant) == field


@given(
    key_type=st.builds("{}{:02X}".format, st.integers(0, 9), st.integers(0, 14)),
    scheme=st.sampled_from("UTXYZ"),
    data=st.binary(min_size=24, max_size=24),
)
@settings(derandomize=True, max_examples=150)
def test_decrypt_is_the_inverse_of_encrypt(key_type: str, scheme: str, data: bytes) -> None:
    """For every key type and scheme, under the LMK and under a ZMK."""
    key = data[: {"U": 16, "X": 16, "T": 24, "Y": 24, "Z": 8}[scheme]]
    field = TEST_LMK.encrypt(key, key_type=key_type, scheme=scheme)
    assert field.startswith("" if scheme == "Z" else scheme)
    assert TEST_LMK.decrypt(field, key_type=key_type) == key
    for zmk in (KEY, KEY + KEY[:8]):
        assert decrypt_under_zmk(zmk, encrypt_under_zmk(zmk, key, scheme)) == key


def test_parts_of_a_key_cannot_be_moved() -> None:
    """Scheme U encrypts equal halves differently, X does not: that is what U is for."""
    halves = bytes(range(8)) * 2
    moved = TEST_LMK.encrypt(halves, key_type="001", scheme="U")
    assert moved[1:17] != moved[17:]
    plain = TEST_LMK.encrypt(halves, key_type="001", scheme="X")
    assert plain[1:17] == plain[17:]
    assert TEST_LMK.decrypt("U" + moved[17:] + moved[1:17], key_type="001") != halves


@pytest.mark.parametrize(
    "key_type", ["", "00", "0000", "A00", "00F", "0FF", "FFF", "0 0", "00a", "\u066000"]
)
def test_refuses_key_types_that_do_not_exist(key_type: str) -> None:
    """A key type is a digit and a pair code."""
    with pytest.raises(UnsupportedAlgorithmError, match="key type"):
        TEST_LMK.encrypt(KEY, key_type=key_type, scheme="U")


@pytest.mark.parametrize(
    "field",
    [
        "",
        "U",
        "U" + "0" * 31,
        "U" + "0" * 48,
        "T" + "0" * 32,
        "X" + "G" * 32,
        "U" + " 0" * 16,
        "Z" + "0" * 16,
        "0" * 48,
        "0" * 15,
        "V" + "0" * 32,
        "u" + "0" * 32,
        "U" + "\u0660" * 32,
    ],
)
def test_refuses_fields_that_are_no_keys(field: str) -> None:
    """The scheme letter fixes the number of hex digits."""
    with pytest.raises(DataSizeError, match="encrypted key"):
        TEST_LMK.decrypt(field, key_type="001")


def test_refuses_keys_that_do_not_fit() -> None:
    """Scheme and length must agree; a single ZMK has no right half to vary."""
    with pytest.raises(KeySizeError, match="expected 16 for scheme U"):
        TEST_LMK.encrypt(KEY[:8], key_type="001", scheme="U")
    with pytest.raises(UnsupportedAlgorithmError, match="key scheme 'S'"):
        TEST_LMK.encrypt(KEY, key_type="001", scheme="S")
    with pytest.raises(UnsupportedAlgorithmError, match="scheme variant"):
        encrypt_under_zmk(KEY[:8], KEY, "U")
    with pytest.raises(KeySizeError, match="ZMK of 5 bytes"):
        encrypt_under_zmk(KEY[:5], KEY, "X")
    with pytest.raises(UnsupportedAlgorithmError, match="Atalla variant 32"):
        encrypt_under_zmk(KEY, KEY, "X", atalla_variant=32)
    assert len(encrypt_under_zmk(KEY[:8], KEY, "X")) == 33


def test_an_lmk_has_twenty_pairs_and_shows_none() -> None:
    """Fewer are refused; plain pairs are given by their first number."""
    with pytest.raises(KeySizeError, match="20 pairs"):
        VariantLMK([bytes(16)] * 19)
    with pytest.raises(KeySizeError, match="20 pairs"):
        VariantLMK([bytes(8)] * 20)
    assert TEST_LMK.numbered_pair(2) == b"\x20" * 8 + b"\x31" * 8
    for odd in (1, 40, -2):
        with pytest.raises(UnsupportedAlgorithmError, match="LMK pair"):
            TEST_LMK.numbered_pair(odd)
    assert repr(TEST_LMK) == "<VariantLMK: 20 pairs>"
