"""Keys that stay open: each once, refusals never, and no more than there is room for."""

from __future__ import annotations

import pytest

from keyferry.hsm import opened_keys
from keyferry.hsm.atalla.simulator import Device as Atalla
from keyferry.hsm.futurex.simulator import Device as Futurex
from keyferry.hsm.futurex.simulator import fresh_state
from keyferry.hsm.opened_keys import OpenedKeys


def test_a_key_is_opened_once() -> None:
    """What is kept is handed out; something of another kind at the place is not."""
    kept = OpenedKeys()
    assert kept.once(("a",), str, lambda: "key") == "key"
    assert kept.once(("a",), str, lambda: "other") == "key"
    assert kept.once(("a",), bytes, lambda: b"key") == b"key"
    assert "key" not in repr(kept)


def test_a_refusal_is_not_kept() -> None:
    """Who is refused may ask again."""
    kept = OpenedKeys()

    def refuse() -> str:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (only that it comes through matters)
        kept.once(("a",), str, refuse)
    assert kept.once(("a",), str, lambda: "key") == "key"


def test_the_oldest_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for so many."""
    monkeypatch.setattr(opened_keys, "MOST", 2)
    kept = OpenedKeys()
    for name in "abc":
        kept.put((name,), name)
    assert [kept.get((name,), str) for name in "abc"] == [None, "b", "c"]


def test_a_slot_of_a_futurex_may_get_another_key() -> None:
    """A key is kept by what it is, not by the slot it stood in."""
    device = Futurex(fresh_state())

    def ask(message: str) -> str:
        answer = device.answer(message.encode())
        assert isinstance(answer, bytes)
        return answer.decode()

    keys = [
        ask("AOGPGS;FS6;CT2;AKD0000P0TB00E0000;").split(";BG")[1].split(";")[0] for _ in range(2)
    ]
    blocks = []
    for key in keys:
        device.state.key_table["1"] = key
        blocks.append(ask("AOEPIN;AXBD1;AF1234;AW1;AK550000025321;"))
        # EPIN draws nothing: the same key gives the same block, also named in full.
        assert ask(f"AOEPIN;AX{key};AF1234;AW1;AK550000025321;") == blocks[-1]
    assert blocks[0] != blocks[1]


def test_a_key_an_atalla_has_opened_is_still_refused_elsewhere() -> None:
    """The same AKB serves one command and is none for another, in any order."""
    device = Atalla()
    key = "1PUNE000,302A81872F21CE1D0A8791AC9B0C7A6ABB5A9D73F6EB4872,B8E0CBEEB718723D"
    card = f"5D#3#{key}##41234567890123458701101#".encode()
    for _ in range(2):
        answer = device.answer(f"30#{key}#1234#123456789012#".encode())
        assert isinstance(answer, bytes)
        assert answer.startswith(b"40#")
        assert device.answer(card) == b"00#730285#"
        # One digit of the MAC is another: what is kept does not help.
        assert device.answer(f"30#{key[:-1]}0#1234#123456789012#".encode()) == b"00#080185#"
