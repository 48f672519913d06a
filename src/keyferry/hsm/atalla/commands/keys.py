"""Working keys and KEKs: 10, 11, 13, 1A, 11B, 7E, 11A, and those known by name only."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.atalla.commands import sources
from keyferry.hsm.atalla.rows import Empty, Item, akb, choice, digits, hex_bytes, hexadecimal
from keyferry.hsm.commands import Command, Evidence

GENERATE: Final = Command(
    code="10",
    response_code="20",
    name="generate key",
    request=(
        Item("header", low=8, high=8),
        akb("kek", optional=True),
        choice("length", "S", "D", "T"),
    ),
    response=(
        akb("new_key"),
        akb("new_key_under_kek", optional=True),
        hexadecimal("check_digits", 4, 6),
    ),
    source=f"{sources.ELEMENTS}, {sources.AKB_WRAPPER}",
    evidence=sources.SIMULATED,
    repeatable=False,
)

EXPORT: Final = Command(
    code="11",
    response_code="21",
    name="export key as AKB",
    request=(Empty("reserved"), akb("kek"), akb("key")),
    response=(akb("exported_key"), hexadecimal("check_digits", 4, 6)),
    source=sources.AT1000_CLIENT,
    evidence=(Evidence.CLIENT, Evidence.INFERRED),
)

IMPORT: Final = Command(
    code="13",
    response_code="23",
    name="import key from AKB",
    request=(Empty("reserved"), akb("kek"), akb("key_under_kek")),
    response=(akb("new_key"), hexadecimal("check_digits", 4, 6)),
    source=sources.DIRECTORY,
    evidence=sources.GUESSED,
)

EXPORT_CRYPTOGRAM: Final = Command(
    code="1A",
    response_code="2A",
    name="export key as cryptogram",
    request=(choice("variant", "0"), akb("kek"), akb("key")),
    response=(hex_bytes("exported_cryptogram", 8, 24), hexadecimal("check_digits", 4, 6)),
    source=f"{sources.ELEMENTS}, {sources.AKB_WRAPPER}",
    evidence=sources.SIMULATED,
)

IMPORT_CRYPTOGRAM: Final = Command(
    code="11B",
    response_code="21B",
    name="import key from cryptogram",
    request=(choice("variant", "0"), hex_bytes("cryptogram", 8, 24), akb("kek")),
    response=(akb("new_key"), hexadecimal("check_digits", 4, 6)),
    source=f"{sources.ELEMENTS}, {sources.AKB_WRAPPER}",
    evidence=sources.SIMULATED,
)

CHECK_DIGITS: Final = Command(
    code="7E",
    response_code="8E",
    name="compute check digits",
    request=(choice("method", "S", "V"), Empty("reserved"), akb("key")),
    response=(choice("shown_method", "S", "V"), hexadecimal("check_digits", 4, 6)),
    source=f"{sources.ELEMENTS}, {sources.AT1000_CLIENT}",
    evidence=sources.SIMULATED,
)

EXPORT_TR31: Final = Command(
    code="11A",
    response_code="21A",
    name="export key as TR-31",
    request=(
        choice("block_version", "B"),
        # Which of the two fields carries M0, M1 or M3 is not certain; see the usages of the block.
        Item("usage", high=2, optional=True),
        Item("mode", high=2, optional=True),
        akb("kek"),
        akb("key"),
        Item("key_version", low=2, high=2),
        digits("optional_block_count", 1, 2),
        Item("optional_blocks", optional=True),
    ),
    response=(Item("tr31_block", low=56), hexadecimal("check_digits", 4, 6)),
    source=sources.SAMPLES,
    evidence=sources.CLIENT,
)

_BY_NAME: Final = tuple(
    Command(
        code=code,
        response_code=answer,
        name=name,
        request=None,
        source=f"{sources.SAMPLES}, {sources.DIRECTORY}",
        evidence=sources.CITED,
    )
    for code, answer, name in (
        ("117", "217", "import key from TR-31 (older)"),
        ("118", "218", "export key as TR-31 (older)"),
        ("119", "219", "import key from TR-31 (older)"),
    )
)

COMMANDS: Final = (
    GENERATE,
    EXPORT,
    IMPORT,
    EXPORT_CRYPTOGRAM,
    IMPORT_CRYPTOGRAM,
    CHECK_DIGITS,
    EXPORT_TR31,
    *_BY_NAME,
)
