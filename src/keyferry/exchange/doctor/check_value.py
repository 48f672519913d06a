"""Check values: of keys at hand, and whether two can be the same key's."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.check_values import aes_legacy_kcv, cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import KeyBlockHeader
from keyferry.exchange.doctor.examination import Cause, Examination
from keyferry.exchange.result import same_check_value
from keyferry.keys import CheckValueMethod, KeyAttributes, key_check_value

KC_DIFFERS: Final = Cause(
    "check-value-block",
    "the KC block was copied from another key, or the key was changed after it was written",
    "have the sender export the key again",
)
DIFFERS: Final = Cause(
    "check-value",
    "another key was exported than the one the check value was noted for",
    "ask the sender for the check value of the key under its identifier, and export that key",
)
OTHER_METHOD: Final = Cause(
    "check-value-method",
    "sender and receiver compute check values by different methods (zeros enciphered, or CMAC)",
    "compare check values of one method; give the API the sender's in KeyCheckValueAlgorithm",
)
TOO_SHORT: Final = Cause(
    "check-value-size",
    "fewer than 4 digits were noted, or something else than hex digits",
    "note at least 4, better 6 hex digits",
)


def shown_values(cipher: Cipher, key: bytes) -> dict[CheckValueMethod, str]:
    """Return both check values of a cipher key, the usual one of its cipher first."""
    cmac = cmac_kcv(cipher, key).hex().upper()
    if cipher is Cipher.TDES:
        legacy = tdes_kcv(key).hex().upper()
        return {CheckValueMethod.ANSI_X9_24: legacy, CheckValueMethod.CMAC: cmac}
    legacy = aes_legacy_kcv(key).hex().upper()
    return {CheckValueMethod.CMAC: cmac, CheckValueMethod.ANSI_X9_24: legacy}


def compare(left: str, right: str) -> bool:
    """Whether two check values can be the same key's."""
    return same_check_value(left, right)


def check_key_check_value(
    header: KeyBlockHeader,
    attributes: KeyAttributes | None,
    key: bytes | None,
    examination: Examination,
) -> None:
    """Compare the check value of the key with what its block and its sender say."""
    check = "check value"
    if attributes is None or key is None:
        examination.unmade(check, "the key: what opens the input")
        return
    algorithm = attributes.key_algorithm
    usual, method = key_check_value(algorithm, key)
    examination.fact("check value", f"{usual} ({method})")
    values = [usual]
    if algorithm.cipher is not None:
        values = list(shown_values(algorithm.cipher, key).values())
    for block in header.optional_blocks:
        if block.id == "KC" and not any(compare(value, block.data[2:]) for value in values):
            examination.fail(
                check, KC_DIFFERS, f"the block's KC says {block.data[2:]}, the key has {usual}"
            )
    check_stated(usual, values, examination)


def check_stated(usual: str, values: list[str], examination: Examination) -> None:
    """
    Compare with what the sender states, if anything.

    Args:
        usual: by the usual method of the key.
        values: by every method the key has.
        examination: with what is at hand.
    """
    check, stated = "check value", examination.at_hand.check_value
    if not stated:
        examination.unmade(check, "the sender's check value (--kcv)")
        return
    if len(stated) < 4 or set(stated.upper()) - set("0123456789ABCDEF"):
        examination.fail(check, TOO_SHORT, "the stated check value is not 4 hex digits or more")
    if not compare(usual, stated):
        if any(compare(value, stated) for value in values):
            examination.fail(
                check, OTHER_METHOD, f"the key has {usual}; {stated.upper()} is by another method"
            )
        examination.fail(check, DIFFERS, f"the key has {usual}, the sender states {stated.upper()}")
    examination.passed(check)
