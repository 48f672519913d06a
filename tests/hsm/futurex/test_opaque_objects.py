"""Wrapped keys, private keys and TPKs: whatever is changed in them, the device refuses them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyferry.hsm.futurex.codes import KeyPairUse
from keyferry.hsm.futurex.simulator import Device
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError
from keyferry.hsm.futurex.simulator.private_key import open_private_key, open_trusted_key

DEVICE = Device()
ANY_USE = tuple(KeyPairUse)


def answer(message: str) -> dict[str, str]:
    """Return the tokens of an answer by tag."""
    raw = DEVICE.answer(message.encode())
    assert isinstance(raw, bytes)
    return {token[:2]: token[2:] for token in raw.decode()[:-1].split(";")}


PAIR = answer("AOGECC;BJ6;RA2;KB1;CZX;")
KEK = answer("AOGPGS;FS6;CT3;AKD0000K1TB00E0000;")["BG"]


def changed(text: str, place: int, character: str) -> str:
    """Return the text with one character replaced, never by itself in other letters."""
    place %= len(text)
    return text[:place] + character + text[place + 1 :]


CHANGES = st.tuples(st.integers(0, 10_000), st.sampled_from("0123456789ABCDEFGTX"))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES)
def test_a_changed_private_key(change: tuple[int, str]) -> None:
    """It does not open, and no other error than a refusal comes of it."""
    text = changed(PAIR["RC"], *change)
    if text == PAIR["RC"]:
        return
    with pytest.raises(CommandRefusedError):
        open_private_key(DEVICE.keys, text, ANY_USE)


@given(CHANGES)
def test_a_changed_tpk(change: tuple[int, str]) -> None:
    """It is nobody's."""
    text = changed(PAIR["SD"], *change)
    if text == PAIR["SD"]:
        return
    with pytest.raises(CommandRefusedError):
        open_trusted_key(DEVICE.keys, text, ANY_USE, tag="RD")


@given(CHANGES)
def test_a_changed_key_block(change: tuple[int, str]) -> None:
    """Header and body are both authenticated."""
    text = changed(KEK, *change)
    if text == KEK:
        return
    refused = answer(f"AOTWKA;FS6;AP{text};BG{KEK};OFT;")
    assert refused["AO"] == "ERRO"
    assert refused["AM"] in ("904", "34", "903", "905")
    assert refused["AN"] == "AP"


@pytest.mark.parametrize("text", ["", "30", "ZZ", "3000", "00" * 200])
def test_what_is_no_tpk(text: str) -> None:
    """Any text may be handed to the device."""
    with pytest.raises(CommandRefusedError) as caught:
        open_trusted_key(DEVICE.keys, text, ANY_USE, tag="RD")
    assert (caught.value.number, caught.value.tag) == ("904", "RD")


def test_nothing_opens_elsewhere() -> None:
    """Private keys and TPKs are of one PMK."""
    other = Device()
    with pytest.raises(CommandRefusedError):
        open_private_key(other.keys, PAIR["RC"], ANY_USE)
    with pytest.raises(CommandRefusedError):
        open_trusted_key(other.keys, PAIR["SD"], ANY_USE, tag="RD")


def test_a_pair_keeps_its_use() -> None:
    """A key for agreement does not sign, and the TPK of a pair names no authority."""
    with pytest.raises(CommandRefusedError) as caught:
        open_private_key(DEVICE.keys, PAIR["RC"], (KeyPairUse.SIGN,))
    assert (caught.value.number, caught.value.tag) == ("905", "RC")
    private = open_private_key(DEVICE.keys, PAIR["RC"], ANY_USE)
    trusted = open_trusted_key(DEVICE.keys, PAIR["SD"], (KeyPairUse.DERIVE,), tag="RD")
    assert private.public_key() == trusted.key
    assert trusted.certificate is None
