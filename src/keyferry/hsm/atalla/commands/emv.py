"""EMV: 350 verifies a cryptogram and answers it, 351 changes a PIN, 352 makes a script's MAC."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.atalla.commands import sources
from keyferry.hsm.atalla.rows import Empty, Item, akb, choice, digits, hex_bytes, hexadecimal
from keyferry.hsm.commands import Command

_PAN: Final = digits("pan", 12, 19)
_PSN: Final = digits("psn", 1, 2, optional=True)
_CHECK: Final = {"optional": True}

CRYPTOGRAM: Final = Command(
    code="350",
    response_code="450",
    name="verify ARQC and generate ARPC",
    request=(
        choice("derivation", "0", "1", "2"),
        akb("imk_ac"),
        _PAN,
        _PSN,
        hex_bytes("diversification", 2, 8, optional=True),
        hex_bytes("arqc", 8, 8),
        hex_bytes("data"),
        hex_bytes("arc", 2, 12),
        Item("failure_code", high=4, omissible=True, optional=True),
    ),
    response=(
        hex_bytes("arpc", 4, 8, optional=True),
        hexadecimal("session_digits", 4, 6),
        hexadecimal("imk_digits", 4, 6),
        Item("verdict", choices=("Y", "N"), omissible=True, optional=True),
    ),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

PIN_CHANGE: Final = Command(
    code="351",
    response_code="451",
    name="change PIN by EMV script",
    request=(
        choice("derivation", *"012345678"),
        choice("block_type", "0", "1"),
        Empty("reserved"),
        akb("kpe"),
        akb("imk_enc"),
        akb("imk_mac"),
        akb("imk_ac", optional=True),
        hex_bytes("new_block", 8, 8),
        Item("issue_number", high=4, optional=True),
        Item("application_pan", low=12, high=20),  # B in front: method B
        _PSN,
        hex_bytes("diversification", 2, 8),
        hex_bytes("application_data"),
        digits("pan12", 12),
        hex_bytes("old_block", 8, 8, optional=True),
    ),
    response=(
        choice("sanity", "Y", "N", "L"),
        hex_bytes("encrypted_pin_block", optional=True),
        hex_bytes("script_mac", 8, 8, optional=True),
        *(
            hexadecimal(f"{name}_digits", 4, 6, **_CHECK)
            for name in ("kpe", "imk_enc", "imk_mac", "imk_ac", "session_enc", "session_mac")
        ),
    ),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

SCRIPT_MAC: Final = Command(
    code="352",
    response_code="452",
    name="generate EMV script MAC",
    request=(
        choice("derivation", *"012345678"),
        akb("imk_mac"),
        _PAN,
        _PSN,
        hex_bytes("diversification", 2, 8),
        choice("mac_length", "0", "1", "2", "3"),
        akb("continuation_iv", optional=True),
        hex_bytes("data"),
    ),
    response=(
        Item("shown_length", high=1),
        Item("new_mac"),  # groups of 4 hex digits; the continuation IV where more data follows
        hexadecimal("session_digits", 4, 6),
        hexadecimal("imk_digits", 4, 6),
    ),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

COMMANDS: Final = (CRYPTOGRAM, PIN_CHANGE, SCRIPT_MAC)
