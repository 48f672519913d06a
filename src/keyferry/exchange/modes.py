"""The mode of use a generated key gets: all that its usage is for, and nothing else."""

from __future__ import annotations

from keyferry.keys import KeyUsage, ModesOfUse

_BY_FIRST_LETTER = {"B": "X", "E": "X", "C": "C", "M": "C", "V": "C", "D": "B", "K": "B", "P": "B"}


def modes_for(usage: KeyUsage) -> ModesOfUse:
    """
    Return the full set of modes of a symmetric usage: B, C or X.

    Asymmetric usages get the set of their family too; `check_attributes` refuses them.
    """
    if usage is KeyUsage.TR31_P1_PIN_GENERATION_KEY:
        return ModesOfUse.from_letter("C")
    return ModesOfUse.from_letter(_BY_FIRST_LETTER.get(usage.code[0], "N"))
