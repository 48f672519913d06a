"""The field tables: each row reads what it writes, and names what it cannot."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import HSMFrameError, HSMValueError
from keyferry.hsm.fields import (
    DER,
    HEX,
    REST,
    Constant,
    Fields,
    Number,
    Raw,
    Run,
    Terminated,
    Text,
    choice,
    digits,
    element_size,
    hexadecimal,
)
from keyferry.hsm.groups import Group, IfMore, IfNext, Repeat, When, equals
from keyferry.hsm.groups import given as given_field
from keyferry.hsm.reading import Reader
from keyferry.hsm.tables import decode, encode
from keyferry.hsm.values import Values

TABLE: Fields = (
    choice("mode", "0", "1"),
    Number("count", 2, counts="rows"),
    Repeat("rows", (hexadecimal("key", 4), digits("index", 2)), "count"),
    When(equals("mode", "1"), (Raw("nonce", 4),), otherwise=(Text("label", 3),)),
    Group(b";", "tail", (Terminated("name", b"|"), Number("size", 2, base=16))),
    IfNext(HEX, (Run("digits", HEX, 2, 6),)),
)

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.text("0123456789ABCDEF", min_size=4, max_size=4),
            "index": st.text("0123456789", min_size=2, max_size=2),
        }
    ),
    max_size=5,
)


@given(
    ROWS,
    st.booleans(),
    st.binary(min_size=4, max_size=4),
    st.text("ab ;%#", max_size=5),
    st.text("0123456789ABCDEF", min_size=2, max_size=6),
    st.booleans(),
)
def test_round_trip(
    rows: list[Mapping[str, str]], mode: bool, nonce: bytes, name: str, run: str, tail: bool
) -> None:
    """Whatever a table can carry comes back as it went in."""
    values: dict[str, object] = {"mode": "1" if mode else "0", "rows": tuple(rows)}
    values |= {"nonce": nonce} if mode else {"label": "abc"}
    if tail:
        values |= {"name": name, "size": 0xAB}
    values["digits"] = run
    data = encode(TABLE, values)
    reader = Reader(data)
    read = decode(TABLE, reader)
    assert not reader.remaining
    assert encode(TABLE, read) == data
    assert read.rows("rows") == tuple(Values(row) for row in rows)
    assert {name: read[name] for name in values if name != "rows"} == {
        name: value for name, value in values.items() if name != "rows"
    }


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """No input raises anything but the frame error, and that one says where."""
    try:
        decode(TABLE, Reader(data, origin=6))
    except HSMFrameError as error:
        found = error
    else:
        return
    assert found.field
    assert found.offset is not None
    assert 6 <= found.offset <= 6 + len(data)


@pytest.mark.parametrize(
    ("fields", "data", "field", "offset"),
    [
        ((digits("n", 3),), b"12", "n", 10),
        ((digits("n", 3),), b"12x", "n", 10),
        ((Text("a", 1), hexadecimal("h", 2)), b"a0G", "h", 11),
        ((Number("n", 2, low=2, high=9),), b"01", "n", 10),
        ((Number("n", 2, base=16),), b"-1", "n", 10),
        ((Constant("c", b"06"),), b"05", "c", 10),
        ((DER("d"),), b"\x30\x05\x01", "d", 10),
        ((DER("d"),), b"\x31\x00", "d", 10),
        ((Raw("r", 2),), b"\x00", "r", 10),
        ((Text("t", REST),), b"a\x00", "t", 10),
        ((Repeat("r", (digits("n", 2),), 2),), b"12", "n", 12),
        ((Run("r", HEX, 3, 4),), b"12z", "r", 10),
        ((Terminated("t", b";"),), b"abc", "t", 13),
    ],
)
def test_places(fields: Fields, data: bytes, field: str, offset: int) -> None:
    """The error names the field and the offset in the frame."""
    with pytest.raises(HSMFrameError) as caught:
        decode(fields, Reader(data, origin=10))
    assert (caught.value.field, caught.value.offset) == (field, offset)


def test_known_shape_and_unknown_value_differ() -> None:
    """A value outside its choices carries the reply code of its command; a cut field does not."""
    field = choice("curve", "00", "01", reply="D2")
    with pytest.raises(HSMValueError) as caught:
        decode((field,), Reader(b"07"))
    assert caught.value.reply == "D2"
    with pytest.raises(HSMFrameError) as cut:
        decode((field,), Reader(b"0"))
    assert not isinstance(cut.value, HSMValueError)


@pytest.mark.parametrize(
    ("head", "size"),
    [
        ("3000", 2),
        ("307F", 129),
        ("308180", 131),
        ("30820100", 260),
        ("3083010000", 65541),
        ("30817F", None),  # not minimal
        ("3082007F", None),
        ("3080", None),  # indefinite
        ("308400000001", None),
        ("30", None),
        ("3082", None),
        ("", None),
    ],
)
def test_sizes_of_der_elements(head: str, size: int | None) -> None:
    """Definite minimal lengths only."""
    assert element_size(bytes.fromhex(head)) == size


@pytest.mark.parametrize(
    ("fields", "values", "field"),
    [
        ((digits("n", 3),), {}, "n"),
        ((digits("n", 3),), {"n": "12"}, "n"),
        ((digits("n", 3),), {"n": "12x"}, "n"),
        ((Text("t", 2),), {"t": "é1"}, "t"),
        ((Text("t", 2),), {"t": 12}, "t"),
        ((Number("n", 2),), {"n": 100}, "n"),
        ((Number("n", 2),), {"n": -1}, "n"),
        ((Number("n", 2, counts="r"),), {"r": 5}, "n"),
        ((Raw("r", 2),), {"r": b"abc"}, "r"),
        ((Raw("r", 2),), {"r": "ab"}, "r"),
        ((DER("d"),), {"d": b"\x30\x01"}, "d"),
        ((Run("r", HEX, 2, 4),), {"r": "1"}, "r"),
        ((Repeat("r", (digits("n", 1),), 2),), {"r": ({"n": "1"},)}, "r"),
    ],
)
def test_what_cannot_be_written(fields: Fields, values: dict[str, object], field: str) -> None:
    """A value that does not fit its field is refused by name before anything is sent."""
    with pytest.raises(HSMFrameError) as caught:
        encode(fields, values)
    assert caught.value.field == field


def test_values_are_typed() -> None:
    """Reading a field as another type than its table gives it is our own mistake."""
    values = Values({"text": "a", "number": 1})
    assert (values.text("text"), values.number("number")) == ("a", 1)
    assert values.maybe("absent", str) is None
    with pytest.raises(TypeError):
        values.text("number")
    with pytest.raises(KeyError):
        values.text("absent")


def test_fields_one_firmware_leaves_away() -> None:
    """A last field may be missing, and is then not there."""
    fields: Fields = (
        digits("a", 1),
        IfMore((digits("b", 1),)),
    )
    assert decode(fields, Reader(b"1")) == {"a": "1"}
    assert decode(fields, Reader(b"12")) == {"a": "1", "b": "2"}
    assert encode(fields, {"a": "1"}) == b"1"
    assert When(given_field("b"), ()).names() == ()
