"""What the simulated device refuses, and by which error number and field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import HSMFrameError
from keyferry.hsm.atalla.framing import MAX_WAITING_BYTES, FrameParser
from keyferry.hsm.atalla.message import Refusal, encode_refusal, split
from keyferry.hsm.atalla.refusals import MEANINGS, hint_for, meaning_of
from keyferry.hsm.atalla.simulator import Device, Settings
from keyferry.hsm.atalla.simulator.challenges import DualControl
from keyferry.hsm.atalla.usages import KRD_PUBLIC_KEY


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("999#", "2200"),  # no such command
        ("108#x#", "2200"),  # known by name only
        ("", "0100"),
        ("1101", "0100"),  # last field not terminated
        ("10#1MDNE000#", "0400"),
        ("10#1MDNE000##D#x#", "0400"),
        ("10#1MDNE000##Q#", "0303"),
        ("10#1MDNE00##D#", "0101"),
        ("10#1?DNE000##D#", "0301"),
        ("10#1kREE000##D#", "0301"),
        ("93#H#9999#", "0302"),
        ("93#H#1x#", "0202"),
        ("7E#V##nonsense#", "0303"),
        ("7E#V##1PUNE100,00,0011223344556677#", "0303"),
        (
            "7E#V##1PUNE000,302A81872F21CE1D0A8791AC9B0C7A6ABB5A9D73F6EB4872,B8E0CBEEB718723E#",
            "0803",
        ),
        (
            "7E#V##3PUNE000,302A81872F21CE1D0A8791AC9B0C7A6ABB5A9D73F6EB4872,B8E0CBEEB718723D#",
            "0803",
        ),
        ("5D#3#{pin}##41234567890123458701101#", "7302"),  # a PIN key makes no CVV
        ("5D#3#{cvk_verify}##41234567890123458701101#", "0602"),
        ("11A#B###{kek}#{cvk_kept}#00#0##", "0605"),  # not exportable
        ("11A#B###{kek_old}#{cvk}#00#0##", "7304"),  # K is not k
        ("11A#B###{kek_in}#{cvk}#00#0##", "0604"),  # mode D does not wrap
        ("11A#B###{kek_double}#{triple}#00#0##", "1004"),  # weaker than the key
        ("11A#B###{kek}#{mac}#00#0##", "0302"),  # which MAC?
        ("11A#B#M0##{kek}#{cvk}#00#0##", "0302"),
        ("11A#B###{kek}#{table}#00#0##", "0605"),
        ("11A#D###{kek}#{cvk}#00#0##", "0301"),
        ("11A#B###{kek}#{cvk}#00#1#KS#", "0307"),
        ("11##{kek_old}#{cvk_kept}#", "0603"),
        ("11B#0#00112233445566778899AABBCCDDEEFF#{kek_old}#", "7303"),
        ("120#w#010001#1024#", "0303"),
        ("120#w#010002#2048#", "0302"),
        ("12A#1PUNE000#010001#" + "AB" * 256 + "##", "0301"),
        ("12A#1kREE000#010001#" + "AB" * 64 + "##", "0303"),
        ("12A#1kREE000#010001#" + "AB" * 256 + "#00#", "2704"),
        ("136#T#B9999K1TB00E0000##020101#D#4#{cvk}#", "7307"),
        ("139#5#1#00######{cvk}#", "7309"),
        ("139#7#1#00######{cvk}#", "0301"),
    ],
)
async def test_error_and_field(ask, akb, request_: str, error: str) -> None:
    """Each cause has its number, and the field is the first in error."""
    keys = {
        "pin": akb("1PUNE000"),
        "cvk": akb("1CDNE000"),
        "cvk_verify": akb("1CDVE000"),
        "cvk_kept": akb("1CDNN000"),
        "mac": akb("1MDNE000"),
        "table": akb("1nCNE000", bytes(8)),
        "kek": akb("1kDNE000", bytes(range(24))),
        "kek_double": akb("1kDNE000"),
        "kek_old": akb("1KDNE000"),
        "kek_in": akb("1kDDE000", bytes(range(24))),
        "triple": akb("1CDNE000", bytes(range(24))),
    }
    assert await ask(request_.format(**keys)) == f"00#{error}85#"


@pytest.mark.parametrize(
    ("setting", "request_", "error"),
    [
        ("e2=off", "11A#B###{kek}#{cvk}#00#0##", "0607"),
        ("e2=off", "11##{kek_old}#{kek_old}#", "0607"),
        ("e1=P", "11##{kek_old}#{cvk}#", "0603"),
        ("disabled_commands=11A", "11A#B###{kek}#{cvk}#00#0##", "2300"),
        ("longest_command=100", "00#" + "x" * 120 + "#", "0100"),
    ],
)
def test_options(akb, setting: str, request_: str, error: str) -> None:
    """Options and switches refuse what they are there to refuse, also with a detail."""
    keys = {
        "kek": akb("1kDNE000", bytes(range(24))),
        "kek_old": akb("1KDNE000"),
        "cvk": akb("1CDNE000"),
    }
    message = request_.format(**keys).encode()
    assert Device(settings=Settings().changed((setting,))).answer(message) == (
        f"00#{error}85#".encode()
    )
    detailed = Device(settings=Settings().changed((setting, "option_21=on")))
    assert detailed.answer(message) == f"00#{error}85#{error}##".encode()


def test_details_that_are_public() -> None:
    """A value out of range has the one detail that was ever seen."""
    device = Device(settings=Settings().changed(("option_21=on", "software=80")))
    assert device.answer(b"10#1MDNE000##Q#") == b"00#030380#0201##"


def test_context_tags_come_back() -> None:
    """A tag is the last field of the answer, of an error too."""
    device = Device()
    assert device.answer(b"00#hello#^0001#") == b"00#000085#hello#^0001#"
    assert device.answer(b"999#^0001#") == b"00#220085#^0001#"


def test_exporting_a_kek_by_its_block_needs_e2(akb) -> None:
    """An existing KEK leaves by 136 with option E2 only; the header is held against the key's."""
    device = Device(settings=Settings().changed(("e2=off",)), dual_control=DualControl.AUTO)
    public = device.mfk.seal_clear(
        KRD_PUBLIC_KEY,
        bytes.fromhex("0003010001" + "0100" + "C1" * 256),
    )
    prefix = "020101" + "3005" + "3000" + "020101"
    for key, error in (
        (akb("1kDNE000", bytes(range(24))), "0607"),
        (akb("1CDNE000", bytes(range(24))), "7302"),
    ):
        message = f"136#T#B9999K1TB00E0000#{key}#{prefix}#D#4#{public}#"
        assert device.answer(message.encode()) == f"00#{error}85#".encode()


@given(st.binary(max_size=200))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    """Whatever stands between the delimiters is answered, mostly by an error."""
    device = Device()
    answer = device.answer(data.replace(b"<", b"").replace(b">", b""))
    assert isinstance(answer, bytes)
    assert answer.endswith(b"#")
    assert not answer.startswith(b"00#0800")


@given(st.sampled_from(["10", "11A", "139", "32", "350", "12A"]), st.lists(st.text(max_size=12)))
def test_any_fields_have_an_answer(code: str, fields: list[str]) -> None:
    """Any fields for a command with many are refused with four digits and a version."""
    message = "#".join([code, *fields]) + "#"
    answer = Device().answer(message.encode("latin-1", "replace"))
    assert isinstance(answer, bytes)
    assert answer.startswith((b"00#", b"22A#"))
    assert not answer.startswith(b"00#0800")  # a mistake of ours


@pytest.mark.parametrize("start", [b"", b"<"])
def test_endless_input_is_given_up(start: bytes) -> None:
    """Neither garbage nor one frame without end is kept for ever."""
    parser = FrameParser()
    assert parser.feed(start + b"x" * (MAX_WAITING_BYTES - 10)) == []
    with pytest.raises(HSMFrameError):
        parser.feed(b"x" * 20)


def test_refusals_read_back() -> None:
    """What the simulator writes is what the driver reads."""
    refusal = Refusal("06", "07", "85", "0607")
    assert encode_refusal(refusal) == b"00#060785#0607##"
    assert split(encode_refusal(refusal)).texts == ["060785", "0607", ""]
    assert refusal.code == "0607"


def test_meanings() -> None:
    """Every error has words; the best known has a hint that names the option."""
    assert all(meaning_of(code) for code in MEANINGS)
    assert meaning_of("0607").startswith("security violation")
    assert "E2" in (hint_for("0607") or "")
    assert meaning_of("0102") == "length out of range in field 2"
    assert meaning_of("9500") == "unknown error"
