"""Visa PVV and IBM 3624: published values, inverses, refusals."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.pin_verification import (
    ibm3624_natural_pin,
    ibm3624_offset,
    ibm3624_pin_from_offset,
    ibm3624_random_pin,
    pad_validation_data,
    verify_ibm3624,
    verify_visa_pvv,
    visa_pvv,
)
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import KeyferryError, PaymentDataError, PINVerificationError

PVK = TDESKey(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
PAN = "5432101234567890"
TABLE = "1234567890123456"
DATA = "1122334455667788"

FIXED = settings(derandomize=True, deadline=None, max_examples=200)
pins = st.text("0123456789", min_size=4, max_size=12)
pans = st.text("0123456789", min_size=12, max_size=19)
tables = st.text("0123456789", min_size=16, max_size=16)
data = st.text("0123456789ABCDEF", min_size=16, max_size=16)


@pytest.mark.parametrize(
    ("pan", "pvki", "pin", "pvv"),
    [
        (PAN, "1", "1234", "6776"),
        ("1122334455667788", "3", "4524", "4021"),
    ],
)
def test_pvv(pan: str, pvki: str, pin: str, pvv: str) -> None:
    """Known values come out, and verify."""
    assert visa_pvv(PVK, pan=pan, pvki=pvki, pin=pin) == pvv
    verify_visa_pvv(PVK, pan=pan, pvki=pvki, pin=pin, pvv=pvv)


def test_pvv_needs_the_second_pass() -> None:
    """A block with too few digits takes letters less ten."""
    # The transaction field 1012345008618652 enciphers to DDBACCCBC5C6BEB4: one digit, then B is 1.
    assert visa_pvv(PVK, pan="101234500860", pvki="1", pin="8652") == "5643"


@FIXED
@given(pans, st.sampled_from("0123456"), pins, st.text("0123456789", min_size=4, max_size=12))
def test_only_the_pvv_verifies(pan: str, pvki: str, pin: str, other: str) -> None:
    """Any other value is refused, a longer one too."""
    pvv = visa_pvv(PVK, pan=pan, pvki=pvki, pin=pin)
    verify_visa_pvv(PVK, pan=pan, pvki=pvki, pin=pin, pvv=pvv)
    for wrong in (other, pvv + "0"):
        if wrong != pvv:
            with pytest.raises(PINVerificationError):
                verify_visa_pvv(PVK, pan=pan, pvki=pvki, pin=pin, pvv=wrong)


@pytest.mark.parametrize(
    ("validation", "table", "pin"),
    [
        (DATA, TABLE, "4524"),
        ("171234567890123D", "9876543210654321", "5143"),
        ("171234567890123f", "0123456789012345", "133195"),
    ],
)
def test_natural_pin(validation: str, table: str, pin: str) -> None:
    """Known natural PINs come out."""
    assert pin == ibm3624_natural_pin(
        PVK, decimalization_table=table, validation_data=validation, size=len(pin)
    )


def test_offset() -> None:
    """The offset leads from the natural PIN to the chosen one."""
    inputs = {
        "decimalization_table": "9876543210654321",
        "validation_data": pad_validation_data("171234567890123", "D"),
    }
    assert ibm3624_offset(PVK, **inputs, pin="1234") == "6191"
    assert ibm3624_pin_from_offset(PVK, **inputs, offset="6191") == "1234"


@FIXED
@given(tables, data, pins)
def test_offset_and_pin_are_inverse(table: str, validation: str, pin: str) -> None:
    """PIN to offset to PIN, for every table, account and length."""
    offset = ibm3624_offset(PVK, decimalization_table=table, validation_data=validation, pin=pin)
    assert len(offset) == len(pin)
    assert pin == ibm3624_pin_from_offset(
        PVK, decimalization_table=table, validation_data=validation, offset=offset
    )
    verify_ibm3624(
        PVK, decimalization_table=table, validation_data=validation, offset=offset, pin=pin
    )
    longer = offset.ljust(12, "0")
    verify_ibm3624(
        PVK, decimalization_table=table, validation_data=validation, offset=longer, pin=pin
    )
    for place in range(len(pin)):
        wrong = pin[:place] + str((int(pin[place]) + 1) % 10) + pin[place + 1 :]
        with pytest.raises(PINVerificationError):
            verify_ibm3624(
                PVK,
                decimalization_table=table,
                validation_data=validation,
                offset=offset,
                pin=wrong,
            )


@pytest.mark.parametrize("size", [4, 6, 12])
def test_random_pin(size: int) -> None:
    """A random PIN comes with the offset that verifies it, and differs each time."""
    made = {
        ibm3624_random_pin(PVK, decimalization_table=TABLE, validation_data=DATA, size=size)
        for _ in range(20)
    }
    assert len(made) > 10
    for pin, offset in made:
        assert len(pin) == size
        verify_ibm3624(
            PVK, decimalization_table=TABLE, validation_data=DATA, offset=offset, pin=pin
        )


def test_random_pin_drops_biased_bytes() -> None:
    """Bytes of 250 and above make no digit, so that every digit is equally likely."""
    pin, _ = ibm3624_random_pin(
        PVK,
        decimalization_table=TABLE,
        validation_data=DATA,
        random_bytes=lambda count: bytes([255, 250, 249, 10, 23, 7, 1, 2])[:count],
    )
    assert pin == "9037"


def natural(**changes: object) -> object:
    inputs: dict[str, object] = {"decimalization_table": TABLE, "validation_data": DATA, "size": 4}
    return ibm3624_natural_pin(PVK, **(inputs | changes))  # type: ignore[arg-type]


def from_offset(**changes: object) -> object:
    inputs: dict[str, object] = {
        "decimalization_table": TABLE,
        "validation_data": DATA,
        "offset": "0000",
    }
    return ibm3624_pin_from_offset(PVK, **(inputs | changes))  # type: ignore[arg-type]


def pvv(**changes: object) -> object:
    inputs: dict[str, object] = {"pan": PAN, "pvki": "1", "pin": "1234"}
    return visa_pvv(PVK, **(inputs | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: natural(decimalization_table="123456789012345"), "decimalization table"),
        (lambda: natural(decimalization_table="123456789012345A"), "decimalization table"),
        (lambda: natural(validation_data="112233445566778"), "PIN validation data"),
        (lambda: natural(validation_data="11223344 5566778"), "PIN validation data"),
        (lambda: natural(validation_data="112233445566778G"), "PIN validation data"),
        (lambda: natural(validation_data="１" * 16), "PIN validation data"),
        (lambda: natural(size=3), "PIN length"),
        (lambda: natural(size=17), "PIN length"),
        (lambda: from_offset(offset=""), "PIN offset"),
        (lambda: from_offset(offset="123F"), "PIN offset"),
        (lambda: from_offset(offset="1" * 13), "PIN offset"),
        (lambda: pvv(pan="12345678901"), "PAN"),
        (lambda: pvv(pvki="7"), "PVKI"),
        (lambda: pvv(pvki=""), "PVKI"),
        (lambda: pvv(pvki="12"), "PVKI"),
        (lambda: pvv(pin="123"), "PIN"),
        (lambda: pad_validation_data("12", "FF"), "PIN validation data pad"),
        (lambda: pad_validation_data("12", "G"), "PIN validation data"),
        (lambda: pad_validation_data("1" * 17, "F"), "PIN validation data"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], field: str) -> None:
    """The refusal names the field."""
    with pytest.raises(PaymentDataError) as refused:
        call()
    assert refused.value.field == field


def test_offset_shorter_than_the_pin_is_refused() -> None:
    """A PIN longer than its offset cannot be judged."""
    with pytest.raises(PaymentDataError, match="PIN offset"):
        verify_ibm3624(
            PVK, decimalization_table=TABLE, validation_data=DATA, offset="0000", pin="12345"
        )


@pytest.mark.parametrize("size", [3, 13])
def test_random_pin_length_is_checked(size: int) -> None:
    """A PIN has 4 to 12 digits."""
    with pytest.raises(PaymentDataError):
        ibm3624_random_pin(PVK, decimalization_table=TABLE, validation_data=DATA, size=size)


@FIXED
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_text_raises_anything_else(first: str, second: str, third: str) -> None:
    """Any text is taken or refused with an error of ours."""
    for call in (
        lambda: visa_pvv(PVK, pan=first, pvki=second, pin=third),
        lambda: ibm3624_pin_from_offset(
            PVK, decimalization_table=first, validation_data=second, offset=third
        ),
        lambda: verify_visa_pvv(PVK, pan=PAN, pvki="1", pin="1234", pvv=first),
        lambda: pad_validation_data(first, second),
    ):
        # Any exception but ours fails the test.
        with suppress(KeyferryError):
            call()
