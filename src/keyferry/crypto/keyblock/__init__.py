"""X9.143 / TR-31 key blocks, versions A to E, and the header of Thales S blocks."""

from keyferry.crypto.keyblock.fields import Algorithm, BlockVersion, Exportability, ModeOfUse
from keyferry.crypto.keyblock.header import KeyBlockHeader
from keyferry.crypto.keyblock.kbpk import KBPK, UnwrappedKey
from keyferry.crypto.keyblock.optional_blocks import OptionalBlock
from keyferry.crypto.keyblock.thales import ThalesHeader, ThalesVersion

__all__ = [
    "KBPK",
    "Algorithm",
    "BlockVersion",
    "Exportability",
    "KeyBlockHeader",
    "ModeOfUse",
    "OptionalBlock",
    "ThalesHeader",
    "ThalesVersion",
    "UnwrappedKey",
]
