"""TR-34 as KDH: 136 makes the encrypted parts, 139 signs what the host puts together."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.atalla.commands import sources
from keyferry.hsm.atalla.rows import Form, Item, Tail, akb, choice, hex_bytes, hexadecimal
from keyferry.hsm.commands import Command

GENERATE_KEY_BLOCK: Final = Command(
    code="136",
    response_code="236",
    name="generate TR-34 key block",
    request=(
        choice("length", "S", "D", "T"),
        Item("block_header", low=16, high=16),
        akb("key", optional=True),  # empty: the device generates one
        hex_bytes("block_prefix"),  # INTEGER 1 and issuer and serial of the KDH, DER
        choice("ephemeral", "D"),
        choice("padding", "4"),  # OAEP with SHA-256
        akb("krd_public_key"),
    ),
    response=(
        akb("kept_key"),
        hexadecimal("check_digits", 4, 6),
        hex_bytes("encrypted_key"),
        hex_bytes("iv", 8, 8),
        hex_bytes("encrypted_block"),
        Item("new_signing_token"),
        Tail("items"),
    ),
    source=sources.SAMPLES,
    evidence=sources.CLIENT,
    repeatable=False,
)


def _position(name: str) -> Item:
    """Return the row of a place in field 4: 1-based, in hex characters, any leading zeros."""
    return Item(name, Form.NUMBER, 1, 8, (), optional=True, width=4)


SIGN_MESSAGE: Final = Command(
    code="139",
    response_code="239",
    name="sign data or TR-34 message",
    request=(
        choice("hash", "5"),  # SHA-256
        choice("padding", "1"),  # RSA PKCS #1 v1.5
        hex_bytes("data"),
        hex_bytes("envelope", optional=True),
        _position("encrypted_key_at"),
        _position("iv_at"),
        _position("encrypted_block_at"),
        Item("signing_token", optional=True),
        akb("private_key"),
    ),
    response=(Item("shown_hash", high=16, optional=True), hex_bytes("signature"), Tail("items")),
    source=sources.SAMPLES,
    evidence=sources.CLIENT,
)

COMMANDS: Final = (GENERATE_KEY_BLOCK, SIGN_MESSAGE)
