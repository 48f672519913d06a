"""Card verification values: known ones, verification, refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.card_verification import (
    CVV2_SERVICE_CODE,
    ICVV_SERVICE_CODE,
    CSCVersion,
    amex_csc,
    atc_digits,
    cardholder_value,
    check_card_value,
    cvc3,
    cvc3_from_iv,
    cvv,
    dcvv,
    verify_cvv,
)
from keyferry.crypto.emv import derive_icc_master_key
from keyferry.crypto.mac import retail_mac
from keyferry.crypto.padding import Padding
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import (
    CardDataVerificationError,
    DataSizeError,
    KeyferryError,
    PaymentDataError,
)

KEY = TDESKey(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
OTHER = TDESKey(bytes.fromhex("FEDCBA98765432100123456789ABCDEF"))
PAN = "4111111111111111"

FIXED = settings(derandomize=True, deadline=None, max_examples=150)
pans = st.text("0123456789", min_size=12, max_size=19)
expiries = st.text("0123456789", min_size=4, max_size=4)
codes = st.text("0123456789", min_size=3, max_size=3)


@pytest.mark.parametrize(
    ("pan", "expiry", "code", "value"),
    [
        ("1234567890123456", "9912", "220", "170"),
        ("4123456789012345", "8701", "101", "561"),
        (PAN, "1228", "101", "15522"),
        (PAN, "1228", CVV2_SERVICE_CODE, "34294"),
        (PAN, "1228", ICVV_SERVICE_CODE, "63389"),
    ],
)
def test_cvv(pan: str, expiry: str, code: str, value: str) -> None:
    """Known values come out, and verify."""
    made = cvv(KEY, pan=pan, expiry=expiry, service_code=code, size=len(value))
    assert made == value
    verify_cvv(KEY, value, pan=pan, expiry=expiry, service_code=code)


@FIXED
@given(pans, expiries, codes, st.integers(3, 5), st.text("0123456789", min_size=3, max_size=5))
def test_only_the_cvv_verifies(pan: str, expiry: str, code: str, size: int, other: str) -> None:
    """A value verifies if and only if it is the one."""
    value = cvv(KEY, pan=pan, expiry=expiry, service_code=code, size=size)
    verify_cvv(KEY, value, pan=pan, expiry=expiry, service_code=code)
    if not cvv(KEY, pan=pan, expiry=expiry, service_code=code, size=5).startswith(other):
        with pytest.raises(CardDataVerificationError):
            verify_cvv(KEY, other, pan=pan, expiry=expiry, service_code=code)


@FIXED
@given(pans, pans, expiries, codes)
def test_16_digits_tell_cards_and_keys_apart(pan: str, other: str, expiry: str, code: str) -> None:
    """At full length another PAN or another key gives another value."""
    value = cvv(KEY, pan=pan, expiry=expiry, service_code=code, size=16)
    with pytest.raises(CardDataVerificationError):
        verify_cvv(OTHER, value, pan=pan, expiry=expiry, service_code=code)
    if pan + expiry + code != other + expiry + code:
        with pytest.raises(CardDataVerificationError):
            verify_cvv(KEY, value, pan=other, expiry=expiry, service_code=code)


def test_dcvv() -> None:
    """The ATC in decimal takes the place of the first four digits."""
    pan = "4012345678901234"
    key = TDESKey(derive_icc_master_key(KEY, pan=pan, psn="01"))
    for atc, value in ((b"\0\1", "244"), (b"\0\x32", "840")):
        assert value == dcvv(key, pan=pan, expiry="2512", service_code="101", atc=atc_digits(atc))
    assert atc_digits(b"\xff\xff") == "5535"


def test_cvc3() -> None:
    """The published track gives the published code, by the track or by its MAC."""
    pan = "5123456789012345"
    imk = TDESKey(bytes.fromhex("01234567899876543210012345678998"))
    key = TDESKey(derive_icc_master_key(imk, pan=pan))
    track = bytes.fromhex("5123456789012345D35121010000000000000F")
    number, atc = bytes.fromhex("00000899"), bytes.fromhex("005E")
    assert cvc3(key, track=track, unpredictable_number=number, atc=atc) == "29488"
    assert cvc3(key, track=track, unpredictable_number=number, atc=atc, size=3) == "488"
    iv = retail_mac(key, track, padding=Padding.METHOD_2)[-2:]
    assert iv.hex().upper() == "11BA"
    assert cvc3_from_iv(key, iv=iv, unpredictable_number=number, atc=atc) == "29488"


def test_amex_csc_is_as_documented() -> None:
    """Our rule gives the three codes of one block, in both versions."""
    pan, expiry = "344131234567848", "2412"
    assert [amex_csc(KEY, pan=pan, expiry=expiry, size=size) for size in (5, 4, 3)] == [
        "66875",
        "1971",
        "143",
    ]
    assert [
        amex_csc(KEY, pan=pan, expiry=expiry, version=CSCVersion.V2, service_code="702", size=size)
        for size in (5, 4, 3)
    ] == ["42372", "9663", "153"]


def test_cardholder_value_is_as_documented() -> None:
    """Our rule gives the value the documentation computes."""
    key = TDESKey(derive_icc_master_key(KEY, pan="4012345678901234", psn="01"))
    number, atc = bytes.fromhex("00000899"), bytes.fromhex("005E")
    assert cardholder_value(key, unpredictable_number=number, atc=atc) == "74589"


def test_values_are_compared_whole() -> None:
    """The beginning of a value is not the value, whatever characters come."""
    check_card_value("123", "123")
    for value in ("12", "1234", "124", "", "１２３"):
        with pytest.raises(CardDataVerificationError):
            check_card_value("123", value)


def make(**changes: object) -> object:
    inputs: dict[str, object] = {"pan": PAN, "expiry": "1228", "service_code": "101"}
    return cvv(KEY, **(inputs | changes))  # type: ignore[arg-type]


def csc(**changes: object) -> object:
    inputs: dict[str, object] = {"pan": PAN, "expiry": "1228"}
    return amex_csc(KEY, **(inputs | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: make(pan="1" * 11), "PAN"),
        (lambda: make(pan="1" * 20), "PAN"),
        (lambda: make(pan="411111111111111A"), "PAN"),
        (lambda: make(expiry="122"), "expiry date"),
        (lambda: make(expiry="12288"), "expiry date"),
        (lambda: make(expiry="12/8"), "expiry date"),
        (lambda: make(service_code="10"), "service code"),
        (lambda: make(service_code="1011"), "service code"),
        (lambda: make(size=0), "card verification value length"),
        (lambda: make(size=17), "card verification value length"),
        (lambda: csc(size=2), "CSC length"),
        (lambda: csc(size=6), "CSC length"),
        (lambda: csc(service_code="702"), "service code"),
        (lambda: csc(version=CSCVersion.V2), "service code"),
        (lambda: csc(expiry=""), "expiry date"),
        (
            lambda: verify_cvv(KEY, "12", pan=PAN, expiry="1228", service_code="101"),
            "card verification value",
        ),
        (
            lambda: verify_cvv(KEY, "12a", pan=PAN, expiry="1228", service_code="101"),
            "card verification value",
        ),
        (lambda: dcvv(KEY, pan=PAN, expiry="1228", service_code="101", atc="001"), "ATC"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], field: str) -> None:
    """The refusal names the field, and holds no digits of the card."""
    with pytest.raises(PaymentDataError) as refused:
        call()
    assert refused.value.field == field
    assert "1111" not in str(refused.value)


@pytest.mark.parametrize(
    ("iv", "number", "atc"), [(1, 4, 2), (3, 4, 2), (2, 3, 2), (2, 5, 2), (2, 4, 1), (2, 4, 3)]
)
def test_cvc3_sizes_are_checked(iv: int, number: int, atc: int) -> None:
    """The three parts of the CVC3 block have their sizes."""
    with pytest.raises(DataSizeError):
        cvc3_from_iv(KEY, iv=bytes(iv), unpredictable_number=bytes(number), atc=bytes(atc))


@FIXED
@given(st.text(max_size=20), st.text(max_size=8), st.text(max_size=8), st.integers())
def test_no_text_raises_anything_else(pan: str, expiry: str, code: str, size: int) -> None:
    """Any text is taken or refused with an error of ours."""
    try:
        value = cvv(KEY, pan=pan, expiry=expiry, service_code=code, size=size)
    except KeyferryError:
        return
    assert len(value) == size
    assert value.isdecimal()
