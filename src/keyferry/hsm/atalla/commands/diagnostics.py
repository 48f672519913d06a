"""Echo, version, configuration and random numbers: 00, 1101, 9A, 93."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.atalla.commands import sources
from keyferry.hsm.atalla.rows import Item, Tail, choice, digits, hexadecimal
from keyferry.hsm.commands import Command

ECHO: Final = Command(
    code="00",
    response_code="00",
    name="echo",
    request=(Item("text", high=1999),),
    response=(digits("status", 6), Item("echoed", high=1999)),
    source=f"{sources.ELEMENTS}, {sources.AT1000_CLIENT}",
    evidence=sources.SIMULATED,
)

VERSION: Final = Command(
    code="1101",
    response_code="2101",
    name="report version",
    request=(),
    response=(Item("software"), hexadecimal("crc", 4), Item("product")),
    source=f"{sources.ELEMENTS}, {sources.AT1000_CLIENT}",
    evidence=sources.SIMULATED,
)

STATUS: Final = Command(
    code="9A",
    response_code="AA",
    name="report configuration",
    request=(
        choice("what", "ID", "KEY", "CONFIG-ON", "CONFIG-OFF", "CONFIG-ALL", "COUNT", "DIAGTEST"),
    ),
    response=(Tail("items"),),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

RANDOM: Final = Command(
    code="93",
    response_code="A3",
    name="generate random number",
    request=(choice("form", "H"), digits("count", 1, 4)),
    response=(hexadecimal("random", 1, 9999),),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

COMMANDS: Final = (ECHO, VERSION, STATUS, RANDOM)
