"""Doctor never fails itself: any bytes get a diagnosis, every changed block a finding."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from keyferry.crypto.secret import Secret
from keyferry.exchange.doctor import AtHand, diagnose

AT_HAND = AtHand(now=datetime(2026, 6, 1, tzinfo=UTC))
_CORPUS = Path(__file__).parent / "corpus"
_CASES = [
    case
    for file in sorted(_CORPUS.glob("*.json"))
    for case in json.loads(file.read_text())["cases"]
]
INPUTS = [
    case["text"].encode() if "text" in case else bytes.fromhex(case["hex"]) for case in _CASES
]
BLOCK = next(case for case in _CASES if case["name"] == "untouched, with all at hand")


@given(st.binary(max_size=200), st.sampled_from(["", ".json", ".yaml", ".toml", ".pem"]))
def test_any_bytes_get_a_diagnosis(data: bytes, suffix: str) -> None:
    """Nothing is raised, whatever it is."""
    assert diagnose(data, AT_HAND, suffix=suffix).kind


@given(st.sampled_from(INPUTS), st.integers(0, 2000), st.binary(max_size=4))
def test_any_damage_gets_a_diagnosis(data: bytes, at: int, new: bytes) -> None:
    """Inputs with some bytes replaced are recognised, examined and not fallen over."""
    at = min(at, len(data))
    assert diagnose(data[:at] + new + data[at + len(new) :], AT_HAND).kind
    assert diagnose(data[:at], AT_HAND).kind


@given(st.data())
def test_every_changed_character_of_a_block_is_found(data: st.DataObject) -> None:
    """With the KBPK at hand no changed character of a key block passes."""
    text: str = BLOCK["text"]
    at_hand = AtHand(now=AT_HAND.now, kbpk=Secret(bytes.fromhex(BLOCK["at_hand"]["kbpk"])))
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from("0123456789ABCDEFXYZ").filter(lambda c: c != text[at]))
    assert not diagnose((text[:at] + new + text[at + 1 :]).encode(), at_hand).is_good
