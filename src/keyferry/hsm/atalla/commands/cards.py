"""Card values, data, MACs: 5D, 5E, 97, 98, 99, 39B."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.atalla.commands import sources
from keyferry.hsm.atalla.rows import (
    Empty,
    Form,
    Item,
    Tail,
    akb,
    choice,
    digits,
    hex_bytes,
    hexadecimal,
)
from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Fields

_CARD: Final[Fields] = (
    choice("algorithm", "3"),  # CVV
    akb("kcvv"),
    Empty("second_half"),
    digits("card_data", 19, 26),  # PAN, expiry date, service code
)

GENERATE_CVV: Final = Command(
    code="5D",
    response_code="6D",
    name="generate CVV",
    request=_CARD,
    response=(digits("new_cvv", 3, 8), hexadecimal("check_digits", 4, 6), Empty("reserved")),
    source=f"{sources.ELEMENTS}, {sources.AT1000_CLIENT}",
    evidence=sources.COMPUTED,
)

VERIFY_CVV: Final = Command(
    code="5E",
    response_code="6E",
    name="verify CVV",
    request=(*_CARD, digits("cvv", 3, 8)),
    response=(choice("verdict", "Y", "N"), hexadecimal("check_digits", 4, 6)),
    source=sources.DIRECTORY,
    evidence=sources.GUESSED,
)

DATA: Final = Command(
    code="97",
    response_code="A7",
    name="encrypt or decrypt data",
    request=(
        choice("direction", "E", "D"),
        choice("cipher_mode", "6"),
        akb("dek"),
        choice("iv_kind", "D"),
        choice("data_form", "U"),
        Item("length", Form.NUMBER, 1, 5),  # of the data, counted in hexadecimal digits
        hex_bytes("data"),
    ),
    response=(
        Item("shown_direction", high=1),
        Item("shown_mode", high=1),
        hexadecimal("check_digits", 4, 6, optional=True),
        Item("shown_iv_kind", high=1, optional=True),
        Item("shown_form", high=1, optional=True),
        Empty("new_iv"),
        Item("new_length", Form.NUMBER, 1, 5),
        hex_bytes("new_data"),  # the one place that is published
        Tail("items"),
    ),
    source=sources.AT1000_CLIENT,
    evidence=(Evidence.CLIENT, Evidence.INFERRED),
)

_MAC: Final[Fields] = (
    akb("mac_key"),
    choice("algorithm", "1", "3"),
    choice("mac_option", "7"),
    Empty("reserved"),
    choice("data_form", "U"),
    Item("length", Form.NUMBER, 1, 5),
    hex_bytes("data"),
)

GENERATE_MAC: Final = Command(
    code="98",
    response_code="A8",
    name="generate MAC",
    request=(*_MAC, choice("trailer", "18")),
    response=(
        Item("shown_algorithm", high=2, optional=True),
        Item("new_mac"),  # in groups of 4 hex digits, separated by blanks
        hexadecimal("check_digits", 4, 6),
        Tail("items"),
    ),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

VERIFY_MAC: Final = Command(
    code="99",
    response_code="A9",
    name="verify MAC",
    request=(*_MAC, Item("mac", high=19), choice("trailer", "18")),
    response=(
        Item("shown_algorithm", high=2, optional=True),
        choice("verdict", "Y", "N"),
        hexadecimal("check_digits", 4, 6),
        Tail("items"),
    ),
    source=sources.DIRECTORY,
    evidence=sources.GUESSED,
)

HMAC: Final = Command(
    code="39B",
    response_code="49B",
    name="generate HMAC",
    request=(
        akb("hmac_key"),
        akb("second_part", optional=True),
        choice("hash", "2", "h"),
        hex_bytes("data"),
    ),
    response=(hex_bytes("new_mac"), hexadecimal("check_digits", 4, 6), Empty("reserved")),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

COMMANDS: Final = (GENERATE_CVV, VERIFY_CVV, DATA, GENERATE_MAC, VERIFY_MAC, HMAC)
