"""Keys between systems: TRTP and TRTD (TR-34), TWKA and TWKM (TR-31), SDDH (ECDH), GKBL, TWKS."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Constant, choice
from keyferry.hsm.futurex.codes import HASHES, KDFS
from keyferry.hsm.futurex.commands import shared_rows as rows
from keyferry.hsm.futurex.tokens import Hex, Token, opaque

TRTP: Final = Command(
    code="TRTP",
    response_code="TRTP",
    name="export key by TR-34",
    request=(
        Token("ZA", Constant("TR-34 variant", b"3")),
        rows.PMK,
        # Three-key TDES for the envelope, as the client sends it whatever key travels. 4 for AES
        # keys is our reading of the same list.
        Token("CT", choice("envelope_type", "3", "4")),
        rows.CERTIFICATE,
        rows.PRIVATE_KEY,
        Token("SJ", Hex("krd_certificate")),
        Token("SA", opaque("krd_issuer_tpk")),
        rows.KEY,
        Token("BJ", Hex("nonce", 8, 16)),
    ),
    response=(Token("SJ", Hex("token")),),
    source=rows.SAMPLES,
    evidence=(Evidence.CLIENT,),
)

TRTD: Final = Command(
    code="TRTD",
    response_code="TRTD",
    name="import key by TR-34",
    request=(
        rows.PMK,
        Token("SJ", Hex("token")),
        rows.CERTIFICATE,
        Token("SA", opaque("kdh_issuer_tpk")),
        rows.PRIVATE_KEY,
        Token("RH", Hex("krd_certificate")),
        Token("BJ", Hex("nonce", 8, 16)),
    ),
    response=(rows.NEW_KEY, rows.CHECK_VALUE),
    source=rows.OURS,
    evidence=(Evidence.INFERRED,),
)

TWKA: Final = Command(
    code="TWKA",
    response_code="TWKA",
    name="export key under KEK",
    request=(
        rows.MAYBE_MAJOR_KEY,
        Token("AS", rows.MODIFIER.field, True),
        rows.KEK,
        rows.KEY,
        Token("OF", choice("output_format", "T"), True),  # absent: a bare cryptogram
    ),
    response=(rows.WRAPPED_KEY, rows.MAYBE_CHECK_VALUE),
    source=f"{rows.SAMPLES}, {rows.CPP_CLIENT}",
    evidence=(Evidence.CLIENT,),
)

TWKM: Final = Command(
    code="TWKM",
    response_code="TWKM",
    name="import key from under KEK",
    request=(
        # With FS6, KEK and key are key blocks: inferred from TWKA.
        rows.MAYBE_MAJOR_KEY,
        Token("AS", rows.MODIFIER.field, True),
        rows.KEK,
        rows.WRAPPED_KEY,
    ),
    response=(rows.NEW_KEY, rows.CHECK_VALUE),
    source=rows.CPP_CLIENT,
    evidence=(Evidence.PARSER, Evidence.INFERRED),
)

TWKS: Final = Command(
    code="TWKS",
    response_code="TWKS",
    name="import key from under KEK with modifier",
    request=(rows.MODIFIER, rows.KEK, rows.WRAPPED_KEY),
    response=(rows.NEW_KEY, rows.CHECK_VALUE),
    source=rows.CPP_CLIENT,
    evidence=(Evidence.PARSER,),
)

GKBL: Final = Command(
    code="GKBL",
    response_code="GKBL",
    name="put cryptogram into key block",
    request=(rows.MODIFIER, rows.KEY, rows.HEADER),
    # One source finds the block in BB, which everywhere else is a status: both carry it.
    response=(rows.CHECK_VALUE, Token("BB", opaque("status_block"), True), rows.NEW_KEY),
    source=rows.CATALOGUE,
    evidence=(Evidence.PARSER,),
)

SDDH: Final = Command(
    code="SDDH",
    response_code="SDDH",
    name="derive key by ECDH",
    request=(
        rows.PMK,
        Token("AS", Constant("unexplained", b"0")),
        rows.KEY_TYPE,
        Token("RG", choice("hash", *HASHES.values())),
        Token("AK", Hex("shared_info", 1, 1024)),
        Token("KM", choice("kdf", *KDFS.values())),
        rows.PRIVATE_KEY,
        Token("RD", opaque("peer_tpk")),
    ),
    response=(rows.NEW_KEY,),
    source=rows.SAMPLES,
    evidence=(Evidence.CLIENT,),
)

COMMANDS: Final = (TRTP, TRTD, TWKA, TWKM, TWKS, GKBL, SDDH)
