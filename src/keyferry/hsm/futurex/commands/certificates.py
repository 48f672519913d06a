"""Certificates of keys in the HSM: ASGC self-signed, ASYR request, ASSR issue, AVPC trust."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Constant, choice
from keyferry.hsm.futurex.codes import HASHES
from keyferry.hsm.futurex.commands import shared_rows as rows
from keyferry.hsm.futurex.tokens import Hex, Token, digits, number, opaque, text

_X509: Final = Token("RY", Constant("object type", b"3"))
# Earlier clients leave it away; then it is today.
_NOT_BEFORE: Final = Token("BF", digits("not_before", 8), True)
_VALIDITY: Final = Token("XE", number("validity_days", 5))
_KEY_USAGE: Final = Token("KU", text("key_usage"))
_SIGNATURE_HASH: Final = Token("AL", choice("signature_hash", *HASHES.values()))
_SERIAL: Final = Token("SG", number("serial_number", 40))
_SUBJECT: Final = Token("RT", text("subject", 64))

ASGC: Final = Command(
    code="ASGC",
    response_code="ASGC",
    name="make self-signed certificate",
    request=(
        _X509,
        _NOT_BEFORE,
        _VALIDITY,
        _KEY_USAGE,
        _SIGNATURE_HASH,
        Token("AD", Constant("unexplained", b"1")),
        Token("BC", choice("basic_constraints", "CA:TRUE")),
        _SUBJECT,
        Token("RS", text("second_name", 64)),
        _SERIAL,
        rows.PMK,
        rows.PRIVATE_KEY,
    ),
    response=(rows.NEW_CERTIFICATE,),
    source=rows.SAMPLES,
    evidence=(Evidence.CLIENT,),
)

ASYR: Final = Command(
    code="ASYR",
    response_code="ASYR",
    name="make certificate request",
    request=(
        Token("RG", choice("signature_hash", *HASHES.values())),
        _KEY_USAGE,
        _SUBJECT,
        Token("LA", number("unexplained_la", 40)),
        rows.PMK,
        rows.PRIVATE_KEY,
    ),
    response=(Token("RU", Hex("new_request")),),
    source=rows.SAMPLES,
    evidence=(Evidence.CLIENT,),
)

ASSR: Final = Command(
    code="ASSR",
    response_code="ASSR",
    name="sign certificate request",
    request=(
        _X509,
        _NOT_BEFORE,
        _VALIDITY,
        _SIGNATURE_HASH,
        _KEY_USAGE,
        Token("RU", Hex("request")),
        _SERIAL,
        rows.PMK,
        Token("RH", Hex("issuer")),
        rows.PRIVATE_KEY,
        Token("RG", Constant("unexplained", b"1")),
    ),
    response=(rows.NEW_CERTIFICATE,),
    source=rows.SAMPLES,
    evidence=(Evidence.CLIENT,),
)

AVPC: Final = Command(
    code="AVPC",
    response_code="AVPC",
    name="verify certificate",
    request=(
        rows.PMK,
        _X509,
        Token("KB", Constant("TPK form", b"1")),
        rows.USE,
        Token("SA", opaque("issuer_tpk"), True),  # absent: the certificate becomes a trusted root
        rows.CERTIFICATE,
    ),
    response=(Token("RD", opaque("tpk")),),
    source=rows.SAMPLES,
    evidence=(Evidence.CLIENT,),
)

COMMANDS: Final = (ASGC, ASYR, ASSR, AVPC)
