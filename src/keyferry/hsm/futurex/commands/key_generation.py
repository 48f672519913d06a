"""Making keys: GPGS symmetric, GRSA and GECC pairs, GWKS under MFK and KEK."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Constant, choice
from keyferry.hsm.futurex.codes import CURVES, RSA_BITS, MajorKey
from keyferry.hsm.futurex.commands import shared_rows as rows
from keyferry.hsm.futurex.tokens import Hex, Token, digits, opaque

# BJ is the selector of the major key here, as FS is elsewhere: nobody says so, the value does.
_PAIR_MAJOR_KEY: Final = Token("BJ", choice("major_key", MajorKey.PMK))
_TPK_FORM: Final = Token("KB", Constant("TPK form", b"1"))
_PAIR: Final = (
    rows.PRIVATE_KEY,
    Token("SD", opaque("tpk")),
    Token("RD", Hex("public_key")),
)

GPGS: Final = Command(
    code="GPGS",
    response_code="GPGS",
    name="generate symmetric key",
    request=(rows.ANY_MAJOR_KEY, rows.KEY_TYPE, Token("AK", rows.HEADER.field, True)),
    response=(rows.NEW_KEY, rows.CHECK_VALUE),
    source=f"{rows.SAMPLES}, {rows.CATALOGUE}",
    evidence=(Evidence.CLIENT,),
)

GRSA: Final = Command(
    code="GRSA",
    response_code="GRSA",
    name="generate RSA key pair",
    request=(
        Token("RB", choice("modulus_bits", *RSA_BITS)),
        rows.USE,
        _PAIR_MAJOR_KEY,
        Token("RA", Constant("public exponent", b"10001")),
        _TPK_FORM,
        Token("KF", Constant("unexplained", b"1")),
        Token("SP", Constant("unexplained", b"1")),
    ),
    response=_PAIR,
    source=rows.SAMPLES,
    evidence=(Evidence.CLIENT,),
)

GECC: Final = Command(
    code="GECC",
    response_code="GECC",
    name="generate ECC key pair",
    request=(
        _PAIR_MAJOR_KEY,
        Token("RA", choice("curve", *CURVES.values())),
        _TPK_FORM,
        rows.USE,
    ),
    response=_PAIR,
    source=rows.SAMPLES,
    evidence=(Evidence.CLIENT,),
)

GWKS: Final = Command(
    code="GWKS",
    response_code="GWKS",
    name="generate working key",
    request=(
        rows.MODIFIER,
        rows.KEK,
        # A selector here would contradict the other commands: 2 is what the client sends.
        Token("FS", digits("unexplained_fs", 1), True),
    ),
    response=(
        rows.NEW_KEY,
        rows.WRAPPED_KEY,
        rows.CHECK_VALUE,
        Token("FS", digits("answered_fs", 1), True),
    ),
    source=rows.CPP_CLIENT,
    evidence=(Evidence.PARSER,),
)

COMMANDS: Final = (GPGS, GRSA, GECC, GWKS)
