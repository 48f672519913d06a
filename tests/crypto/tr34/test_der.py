"""The strict DER codec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.der import decoder, encoder
from pyasn1.type import univ

from keyferry.crypto.tr34 import der
from keyferry.errors import MalformedTokenError


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "nothing at all"),
        ("30", "no length"),
        ("3080", "indefinite length"),
        ("30800000", "indefinite length with its end"),
        ("30FF", "reserved length"),
        ("308105" + "00" * 5, "long form of a short length"),
        ("30820085" + "00" * 0x85, "leading zero in a length"),
        ("3003020100FF", "a byte behind the element"),
        ("3004020100", "content cut off"),
        ("3085000000000102", "five length bytes"),
        ("1F8101020100", "a tag of several bytes"),
        ("3082", "length cut off"),
    ],
)
def test_what_is_not_der_is_refused(data: str, why: str) -> None:
    """Each way to leave the one distinguished form is refused with field and offset."""
    with pytest.raises(MalformedTokenError) as caught:
        der.read_whole(bytes.fromhex(data), der.SEQUENCE, "thing")
    assert caught.value.field == "thing", why
    assert caught.value.offset >= 0


@pytest.mark.parametrize("content", ["", "0001", "007F", "FFFF", "FF80"])
def test_integers_have_one_form(content: str) -> None:
    """An empty INTEGER and needless leading bytes are refused."""
    encoded = der.encode(der.INTEGER, bytes.fromhex(content))
    with pytest.raises(MalformedTokenError, match="INTEGER"):
        der.Reader(encoded, field="number").integer("number")


@pytest.mark.parametrize(("value", "expected"), [(0, "020100"), (127, "02017F"), (128, "02020080")])
def test_integers_as_the_standard_prints_them(value: int, expected: str) -> None:
    """The examples everyone knows from X.690, 8.3."""
    assert der.integer(value).hex().upper() == expected


@given(st.integers(min_value=0, max_value=1 << 170))
def test_integers_come_back_and_pyasn1_agrees(value: int) -> None:
    """Write, read, and a second codec on the same bytes."""
    encoded = der.integer(value)
    assert der.Reader(encoded, field="number").integer("number") == value
    assert encoder.encode(univ.Integer(value)) == encoded


@given(st.binary(max_size=400))
def test_octet_strings_come_back_and_pyasn1_agrees(content: bytes) -> None:
    """All three forms of length are crossed by 400 bytes."""
    encoded = der.octet_string(content)
    assert der.Reader(encoded, field="text").octet_string("text") == content
    assert encoder.encode(univ.OctetString(content)) == encoded


@given(st.binary(max_size=64))
def test_any_bytes_give_an_element_or_the_documented_error(data: bytes) -> None:
    """What our reader takes as one element, pyasn1 takes as well."""
    reader = der.Reader(data, field="thing")
    try:
        element = reader.element(der.OCTET_STRING, "thing")
    except MalformedTokenError:
        assert reader.offset == 0
        return
    decoded, rest = decoder.decode(data, asn1Spec=univ.OctetString())
    assert bytes(decoded) == element.content
    assert len(rest) == len(data) - len(element.encoded)


def test_offsets_are_absolute() -> None:
    """An error deep inside names where it stands in the whole."""
    data = der.sequence(der.integer(1), der.sequence(der.integer(2), der.octet_string(b"x")))
    outer = der.Reader(data, field="outer", offset=100).sequence("outer")
    outer.integer("first")
    inner = outer.sequence("inner")
    inner.integer("second")
    with pytest.raises(MalformedTokenError) as caught:
        inner.integer("third")
    assert caught.value.offset == 100 + data.index(b"\x04\x01x")
    assert str(caught.value) == "TR-34 third at offset 110: expected INTEGER"


def test_a_set_can_be_put_in_der_order() -> None:
    """X.690, 11.6: members of a SET OF ascend as their encodings do."""
    members = [der.octet_string(b"bb"), der.integer(7), der.octet_string(b"a")]
    assert der.set_of(members).startswith(b"\x31\x0a\x04\x02")
    assert der.set_of(members, ordered=True) == bytes.fromhex("310A020107040161" + "04026262")


def test_size_is_bounded() -> None:
    """A reader refuses at once what no token can be."""
    with pytest.raises(MalformedTokenError, match="at most 65536 bytes"):
        der.Reader(bytes(der.MAX_BYTES + 1), field="token")


def test_an_element_does_not_print_its_content() -> None:
    """An OCTET STRING may be a clear key."""
    element = der.read_whole(der.octet_string(b"SECRETSECRET"), der.OCTET_STRING, "key")
    assert "SECRET" not in repr(element)
    assert repr(element) == "<DER OCTET STRING at 0: 12 bytes>"
