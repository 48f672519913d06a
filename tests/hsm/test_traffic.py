"""What may be on the wire is masked, matched and refused without another error than ours."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import HSMFrameError
from keyferry.hsm.atalla.simulator import Settings
from keyferry.hsm.atalla.simulator.traffic import AtallaTraffic
from keyferry.hsm.futurex.simulator.traffic import FuturexTraffic
from keyferry.hsm.payshield.simulator.traffic import PayShieldTraffic
from keyferry.hsm.traffic import Traffic

PAYSHIELD = PayShieldTraffic(header_length=4, context={"pin_characters": 5})
FUTUREX = FuturexTraffic()
ATALLA = AtallaTraffic(settings=Settings())

# What a frame of the family may hold, and pieces of messages that get far into the tables.
PIECES = {
    "payshield": [b"0001", b"JG", b"JH00", b"CC", b"U" + b"0" * 32, b"001234", b";", b"%", b"\xff"],
    "futurex": [b"AOTPIN;", b"AOVPIN;", b"AOERRO;", b"AM34;", b"AX00;", b"AL91;", b"AG1;", b"BBY;"],
    "atalla": [b"31#", b"32#", b"00#030480#", b"1#", b"A,B,C#", b"1234#", b"#", b"^1#", b"\xff"],
}
MESSAGES = {
    family: st.lists(
        st.sampled_from(pieces)
        | (
            st.text("ABCGKLO0123456789;*-", max_size=6).map(str.encode)
            if family == "futurex"
            else st.binary(max_size=6)
        ),
        max_size=8,
    ).map(b"".join)
    for family, pieces in PIECES.items()
}
FAMILIES = [("payshield", PAYSHIELD, "41"), ("futurex", FUTUREX, "34"), ("atalla", ATALLA, "41")]


@pytest.mark.parametrize(("family", "traffic", "code"), FAMILIES, ids=list(PIECES))
@given(data=st.data())
def test_anything_may_be_asked(
    family: str, traffic: Traffic, code: str, data: st.DataObject
) -> None:
    """Any two messages go through recorder, replay and fault; a replay may mask what is masked."""
    message, answer = data.draw(MESSAGES[family]), data.draw(MESSAGES[family])
    assert traffic.command(message)
    masked = traffic.masked_request(message)
    assert traffic.masked_request(message) == masked
    assert all(isinstance(value, bytes) for value in traffic.fields(masked).values())
    assert isinstance(traffic.masked_answer(message, answer), bytes)
    assert isinstance(traffic.adapted_answer(message, answer), bytes)
    with contextlib.suppress(HSMFrameError):
        assert traffic.error_answer(message, code)
    with contextlib.suppress(HSMFrameError):
        assert traffic.replay_refusal(message, masked=False, field="pin")


@pytest.mark.parametrize(
    ("traffic", "message", "names"),
    [
        (PAYSHIELD, b"0001B20004ABCD", ["data_characters", "data"]),
        (FUTUREX, b"AOECHO;AG1;", []),
        (FUTUREX, b"AOGPGS;FS6;CT3;AKD0000K1TB00E0000;", ["major_key", "key_type", "header"]),
        (ATALLA, b"10#1CDNE000##D#^1#", ["header", "kek", "length"]),
        (ATALLA, b"ZZ#1#", []),
        (PAYSHIELD, b"0001XX", []),
        (FUTUREX, b"AOXXXX;", []),
    ],
)
def test_fields_have_the_names_of_the_table(
    traffic: Traffic, message: bytes, names: list[str]
) -> None:
    """What a replay compares goes by the names that its log then says."""
    assert list(traffic.fields(traffic.masked_request(message))) == names
