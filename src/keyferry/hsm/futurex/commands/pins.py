"""PINs: TPIN translate, EPIN encrypt, CPIN decrypt, VPIN verify, GPIN generate, GOFF offset."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import DIGITS, Run, choice
from keyferry.hsm.futurex.commands import shared_rows as rows
from keyferry.hsm.futurex.tokens import Hex, Token, digits, opaque

# 1 ANSI (ISO format 0). 2 IBM 3624 and 3 PIN pad are named by one client, and other public sources
# mean something else by them: they are not written here.
_FORMAT: Final = Token("AW", choice("pin_format", "1"))
_IN_KEY: Final = Token("AX", opaque("pek"))
_OUT_KEY: Final = Token("BT", opaque("new_pek"))
_BLOCK: Final = Token("AL", Hex("pin_block", 8, 8))
_NEW_BLOCK: Final = Token("AL", Hex("new_pin_block", 8, 8))
_METHOD: Final = Token("BF", digits("method", 1))
_PVK: Final = (Token("CA", opaque("pvk_left")), Token("CB", opaque("pvk_right"), True))
_PVV: Final = Token("BX", digits("pvv", 4))
_NEW_PVV: Final = Token("BX", digits("new_pvv", 4))
_PVKI: Final = Token("BY", choice("pvki", "0", "1", "2", "3", "4", "5", "6"))

TPIN: Final = Command(
    code="TPIN",
    response_code="TPIN",
    name="translate PIN block",
    request=(
        _FORMAT,
        _IN_KEY,
        _OUT_KEY,
        _BLOCK,
        rows.PAN_DIGITS,
        Token("ZA", digits("unexplained_za", 1), True),
    ),
    response=(_NEW_BLOCK,),
    source=f"{rows.PROXY}, {rows.CSHARP_CLIENT}, {rows.CPP_CLIENT}",
    evidence=(Evidence.CLIENT,),
)

EPIN: Final = Command(
    code="EPIN",
    response_code="EPIN",
    name="encrypt clear PIN",
    request=(_IN_KEY, Token("AF", Run("pin", DIGITS, 4, 12)), _FORMAT, rows.PAN_DIGITS),
    response=(_NEW_BLOCK,),
    source=f"{rows.CSHARP_CLIENT}, {rows.CPP_CLIENT}",
    evidence=(Evidence.CLIENT,),
)

CPIN: Final = Command(
    code="CPIN",
    response_code="CPIN",
    name="decrypt PIN block",
    request=(_FORMAT, _BLOCK, _IN_KEY, rows.PAN_DIGITS),
    response=(Token("AF", Run("new_pin", DIGITS, 4, 12)),),
    source=f"{rows.CSHARP_CLIENT}, {rows.CPP_CLIENT}",
    evidence=(Evidence.CLIENT,),
)

VPIN: Final = Command(
    code="VPIN",
    response_code="VPIN",
    name="verify PIN",
    request=(
        _METHOD,
        _FORMAT,
        _BLOCK,
        _IN_KEY,
        *_PVK,
        _PVV,
        _PVKI,
        rows.PARTIAL_PAN,
        rows.PAN_DIGITS,
    ),
    source=rows.CSHARP_CLIENT,
    evidence=(Evidence.PARSER,),
)

GPIN: Final = Command(
    code="GPIN",
    response_code="GPIN",
    name="generate PIN",
    request=(
        _METHOD,
        _OUT_KEY,
        *_PVK,
        _PVKI,
        rows.PARTIAL_PAN,
        rows.PAN_DIGITS,
        Token("CM", Run("pin_length", DIGITS, 1, 2)),
    ),
    response=(_NEW_BLOCK, _NEW_PVV),
    source=rows.CSHARP_CLIENT,
    evidence=(Evidence.PARSER,),
)

GOFF: Final = Command(
    code="GOFF",
    response_code="GOFF",
    name="make PVV of a PIN",
    request=(_METHOD, _BLOCK, _IN_KEY, *_PVK, _PVKI, rows.PARTIAL_PAN, rows.PAN_DIGITS),
    response=(_NEW_PVV,),
    source=rows.CSHARP_CLIENT,
    evidence=(Evidence.PARSER,),
)

COMMANDS: Final = (TPIN, EPIN, CPIN, VPIN, GPIN, GOFF)
