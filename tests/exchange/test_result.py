"""Comparing both sides of an exchange."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyferry.crypto.keyblock import KeyBlockHeader
from keyferry.errors import CheckValueMismatchError, ExchangeError
from keyferry.exchange.parties.interface import ReceivedKey, TransportKey
from keyferry.exchange.result import check_received, same_check_value
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse

HEADER = KeyBlockHeader.parse("B0096P0TB00E0000")
SENT = TransportKey(
    handle="U…",
    usage=KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
    algorithm=KeyAlgorithm.TDES_2KEY,
    check_value="08D7B4",
    generated=False,
)
RECEIVED = ReceivedKey(
    identifier="arn:key",
    check_value="08D7B4",
    check_value_method="ANSI_X9_24",
    attributes=KeyAttributes(
        key_usage=KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
        key_class=KeyClass.SYMMETRIC_KEY,
        key_algorithm=KeyAlgorithm.TDES_2KEY,
        modes_of_use=ModesOfUse.from_letter("B"),
    ),
    exportable=True,
)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("08D7B4", "08d7b4", True),
        ("08D7B4FB629D0885", "08D7B4", True),
        ("08D7", "08D7B4", True),
        ("08D", "08D7B4", False),  # too short to say anything
        ("", "", False),
        ("08D7B5", "08D7B4", False),
    ],
)
def test_check_values_are_compared_on_their_common_length(
    left: str, right: str, same: bool
) -> None:
    """Without case, at least four characters."""
    assert same_check_value(left, right) is same
    assert same_check_value(right, left) is same


def test_the_same_key_passes() -> None:
    """Nothing differs, nothing is raised."""
    check_received(SENT, HEADER, RECEIVED)
    check_received(replace(SENT, algorithm=None), HEADER, RECEIVED)


def test_another_check_value_is_another_key() -> None:
    """The difference names both values."""
    with pytest.raises(CheckValueMismatchError, match="shows check value 000000, the sender 08D7"):
        check_received(SENT, HEADER, replace(RECEIVED, check_value="000000"))


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"key_usage": KeyUsage.TR31_K0_KEY_ENCRYPTION_KEY}, "key usage"),
        ({"key_algorithm": KeyAlgorithm.TDES_3KEY}, "key algorithm"),
        ({"modes_of_use": ModesOfUse.from_letter("E")}, "mode of use"),
    ],
)
def test_another_attribute(change: dict[str, object], member: str) -> None:
    """Each attribute is held against the header that travelled."""
    attributes = replace(RECEIVED.attributes, **change)
    with pytest.raises(ExchangeError, match=f"another {member} than was sent"):
        check_received(SENT, HEADER, replace(RECEIVED, attributes=attributes))


def test_another_exportability() -> None:
    """A key that was sent as exportable must arrive so."""
    with pytest.raises(ExchangeError, match="another exportability"):
        check_received(SENT, HEADER, replace(RECEIVED, exportable=False))


def test_an_unknown_length_still_shows_the_family() -> None:
    """If only the family of the key is known, that is compared."""
    attributes = replace(RECEIVED.attributes, key_algorithm=KeyAlgorithm.AES_128)
    with pytest.raises(ExchangeError, match="another key algorithm"):
        check_received(
            replace(SENT, algorithm=None), HEADER, replace(RECEIVED, attributes=attributes)
        )
