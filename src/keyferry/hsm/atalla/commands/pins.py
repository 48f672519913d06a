"""PIN blocks and PIN verification: 30, 31, 335, 3E, 32, 37, and 3A by name."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.atalla.commands import sources
from keyferry.hsm.atalla.rows import Empty, Item, akb, choice, digits, hex_bytes, hexadecimal
from keyferry.hsm.commands import Command
from keyferry.hsm.fields import Fields
from keyferry.hsm.groups import When, equals

IBM3624: Final = "2"
VISA: Final = "3"

ENCRYPT: Final = Command(
    code="30",
    response_code="40",
    name="encrypt PIN",
    request=(akb("kpe"), digits("pin", 4, 12), digits("pan12", 12)),
    response=(hex_bytes("new_block", 8, 8),),
    source=sources.ELEMENTS,
    evidence=sources.COMPUTED[1:],
)

TRANSLATE: Final = Command(
    code="31",
    response_code="41",
    name="translate PIN block",
    request=(
        choice("block_type", "1"),
        akb("kpe_in"),
        akb("kpe_out"),
        hex_bytes("block", 8, 8),
        digits("pan12", 12),
    ),
    response=(hex_bytes("new_block", 8, 8, optional=True), choice("sanity", "Y", "N", "L")),
    source=f"{sources.ELEMENTS}, {sources.AT1000_CLIENT}",
    evidence=sources.COMPUTED,
)

TRANSLATE_PAN: Final = Command(
    code="335",
    response_code="435",
    name="translate PIN block to another PAN",
    request=(
        Empty("reserved_1"),
        choice("type_in", "1"),
        Empty("reserved_2"),
        choice("type_out", "1"),
        akb("kpe_in"),
        akb("kpe_out"),
        hex_bytes("block", 8, 8),
        digits("pan12_in", 12),
        digits("pan12_out", 12),
    ),
    response=(
        hex_bytes("new_block", 8, 8, optional=True),
        choice("sanity", "Y", "N", "L"),
        hexadecimal("digits_in", 4, 6),
        hexadecimal("digits_out", 4, 6),
        Empty("reserved_3"),
    ),
    source=sources.ELEMENTS,
    evidence=sources.COMPUTED,
)

TRANSLATE_DUKPT: Final = Command(
    code="3E",
    response_code="4E",
    name="translate PIN block under DUKPT",
    request=(
        choice("format_in", "1"),
        choice("format_out", "1"),
        akb("kpe_in"),
        choice("kind_in", "M"),
        hexadecimal("ksn_in", 16, 20, optional=True),
        akb("kpe_out"),
        choice("kind_out", "M"),
        hexadecimal("ksn_out", 16, 20, optional=True),
        hex_bytes("block", 8, 8),
        digits("pan12_in", 12),
        digits("pan12_out", 12),
    ),
    response=(
        hex_bytes("new_block", 8, 8, optional=True),
        choice("sanity", "Y", "N", "L"),
        hexadecimal("digits_in", 4, 6),
        hexadecimal("digits_out", 4, 6),
        Empty("reserved"),
    ),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

_PIN_FIELDS: Final[Fields] = (
    choice("method", IBM3624, VISA),
    choice("block_type", "1"),
    hex_bytes("block", 8, 8),
    akb("kpe"),
    When(
        equals("method", IBM3624),
        (
            Item("conversion_table"),  # an AKB, or 16 digits in clear
            digits("offset", 4, 12),
            hexadecimal("validation_data", 4, 16),
            Item("pad", high=1),
            digits("check_length", 1, 2),
            akb("kpv"),
        ),
        otherwise=(
            akb("kpv"),
            Empty("second_half"),
            digits("pvv", 4),
            digits("pvki", 1),
            digits("pan11", 11),
        ),
    ),
    digits("pan12", 12),
)

VERIFY: Final = Command(
    code="32",
    response_code="42",
    name="verify PIN",
    request=_PIN_FIELDS,
    response=(choice("verdict", "Y", "N", "S", "L"),),
    source=f"{sources.ELEMENTS}, {sources.AT1000_CLIENT}",
    evidence=sources.CLIENT,
)

CHANGE: Final = Command(
    code="37",
    response_code="47",
    name="change PIN",
    request=(*_PIN_FIELDS, hex_bytes("changed_block", 8, 8)),
    response=(
        choice("verdict", "Y", "N", "S", "L"),
        digits("new_value", 4, 12, optional=True),
    ),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

CARD_AND_PIN: Final = Command(
    code="3A",
    response_code="4A",
    name="verify card and PIN",
    request=None,
    source=sources.AT1000_CLIENT,
    evidence=sources.CITED,
)

COMMANDS: Final = (
    ENCRYPT,
    TRANSLATE,
    TRANSLATE_PAN,
    TRANSLATE_DUKPT,
    VERIFY,
    CHANGE,
    CARD_AND_PIN,
)
