"""The flags of KeyModesOfUse by name."""

from __future__ import annotations

import pytest

from keyferry.errors import KeyAttributesError
from keyferry.keys import ModesOfUse

LETTERS = "BCDEGNSVX"


@pytest.mark.parametrize("letter", LETTERS)
def test_names_and_flags_say_the_same(letter: str) -> None:
    """What `names` tells, `from_names` reads."""
    modes = ModesOfUse.from_letter(letter)
    assert ModesOfUse.from_names(modes.names) == modes
    assert ModesOfUse.from_names(reversed(modes.names)).letter == letter


def test_no_names_are_no_flags() -> None:
    """An empty set is made, and has no letter."""
    with pytest.raises(KeyAttributesError, match="no flag"):
        _ = ModesOfUse.from_names(()).letter


@pytest.mark.parametrize("name", ["encrypt", "Encipher", ""])
def test_an_unknown_name_is_refused(name: str) -> None:
    """The refusal names it."""
    with pytest.raises(KeyAttributesError, match=f"KeyModesOfUse: '{name}'"):
        ModesOfUse.from_names(["Decrypt", name])
