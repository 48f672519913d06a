"""Card verification values: GCVV and VCVV (Visa), GCVC and VCVC (Mastercard)."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import DIGITS, Run
from keyferry.hsm.futurex.commands import shared_rows as rows
from keyferry.hsm.futurex.tokens import Token, digits, number, opaque

_CARD: Final = (
    Token("AV", number("pan", 19)),
    # Two halves as single-length cryptograms or slots; or one key block of the whole key (ours).
    Token("CA", opaque("cvk_left")),
    Token("CB", opaque("cvk_right"), True),
    Token("FA", digits("expiry", 4)),
    Token("FB", digits("service_code", 3), True),
)
_VALUES: Final = (
    Token("FC", Run("new_cvv", DIGITS, 3, 4), True),
    Token("FT", Run("new_cvv2", DIGITS, 3, 4), True),
)


def _generate(code: str, name: str) -> Command:
    return Command(
        code=code,
        response_code=code,
        name=name,
        # FT with an empty value asks for the CVV2 too.
        request=(*_CARD, Token("FT", Run("ask_cvv2", b"", 0, 0), True)),
        response=_VALUES,
        source=rows.CSHARP_CLIENT,
        evidence=(Evidence.PARSER,),
    )


def _verify(code: str, name: str) -> Command:
    return Command(
        code=code,
        response_code=code,
        name=name,
        request=(
            *_CARD,
            Token("FC", Run("cvv", DIGITS, 3, 4), True),
            Token("FT", Run("cvv2", DIGITS, 3, 4), True),
        ),
        source=rows.CSHARP_CLIENT,
        evidence=(Evidence.PARSER,),
    )


COMMANDS: Final = (
    _generate("GCVV", "generate CVV"),
    _generate("GCVC", "generate CVC"),
    _verify("VCVV", "verify CVV"),
    _verify("VCVC", "verify CVC"),
)
