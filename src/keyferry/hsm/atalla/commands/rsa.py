"""RSA keys, signatures and trust: 12A, 120, 123, 124, 125, 12F, and 108, 109 by name."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.atalla.commands import sources
from keyferry.hsm.atalla.rows import (
    Empty,
    Form,
    Item,
    Tail,
    akb,
    choice,
    hex_bytes,
    hexadecimal,
)
from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.groups import When, equals

# Codes of hashes; 5 is certain (the samples' SHA-256), the others follow the order (inferred).
# There is none for SHA-512: that is why 123 cannot take the chains of the service.
HASH_CODES: Final = {"3": "SHA1", "4": "SHA224", "5": "SHA256", "6": "SHA384"}

TRUST_PUBLIC_KEY: Final = Command(
    code="12A",
    response_code="22A",
    name="trust RSA public key",
    request=(
        Item("header", low=8, high=8),
        hex_bytes("exponent", 1, 8),
        hex_bytes("modulus", 64, 512),
        hexadecimal("answer", 1, 64, optional=True),
    ),
    response=(
        choice("outcome", "OK", "CHALLENGE"),
        When(
            equals("outcome", "OK"),
            (akb("new_public_key"),),
            otherwise=(
                Item("challenge", high=64),
                # Not published: the answer, once both administrators have approved.
                Item("revealed_answer", high=64, optional=True, omissible=True),
            ),
        ),
    ),
    source=sources.SAMPLES,
    evidence=(Evidence.CLIENT, Evidence.INFERRED),
    repeatable=False,
)

GENERATE_RSA: Final = Command(
    code="120",
    response_code="220",
    name="generate RSA key pair",
    request=(
        choice("usage", "w", "k", "s", "p", "K", "R", "S"),
        hex_bytes("exponent", 1, 8),
        Item("modulus_bits", Form.NUMBER, 4, 4),
    ),
    response=(
        akb("new_public_key"),
        akb("new_private_key"),
        hexadecimal("check_digits", 4, 8),
        Item("key_slot", omissible=True, optional=True),
    ),
    source=sources.SAMPLES,
    evidence=sources.CLIENT,
    repeatable=False,
)

IMPORT_CERTIFICATE: Final = Command(
    code="123",
    response_code="223",
    name="import chained certificate",
    request=(
        choice("usage", "K", "k", "w", "R", "S"),
        Item("hash", high=1),
        choice("padding", "1"),
        hex_bytes("exponent", 1, 8),
        hex_bytes("modulus", 64, 512),
        hex_bytes("signed_data"),
        hex_bytes("signature", 64, 512),
        akb("authority_key"),
    ),
    response=(akb("new_public_key"),),
    source=f"{sources.AT1000_CLIENT}, {sources.SAMPLES}",
    evidence=sources.CLIENT,
)

SIGN: Final = Command(
    code="124",
    response_code="224",
    name="sign",
    request=(
        choice("form", "0"),
        Item("hash", high=1),
        # Both values are seen; what tells them apart is not published.
        choice("padding", "0", "1"),
        Item("length", Form.NUMBER, 1, 5),
        hex_bytes("data"),
        Empty("reserved"),
        akb("private_key"),
    ),
    response=(Item("shown_form", high=8), hex_bytes("signature"), Tail("items")),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

VERIFY: Final = Command(
    code="125",
    response_code="225",
    name="verify signature",
    request=(
        choice("form", "0"),
        Item("hash", high=1),
        choice("padding", "0", "1"),
        Item("length", Form.NUMBER, 1, 5),
        hex_bytes("data"),
        Empty("reserved"),
        hex_bytes("signature"),
        akb("public_key"),
    ),
    response=(Item("shown_form", high=8), choice("verdict", "Y", "N"), Item("mfk_name")),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
)

GENERATE_AND_WRAP: Final = Command(
    code="12F",
    response_code="22F",
    name="generate KEK and wrap it with RSA",
    request=(
        choice("length", "S", "D", "T"),
        choice("padding", "0", "4"),
        Empty("reserved"),
        akb("public_key"),
    ),
    response=(
        Item("shown_length", high=8),
        akb("new_key"),
        hexadecimal("check_digits", 4, 6),
        hex_bytes("cryptogram"),
    ),
    source=sources.AT1000_CLIENT,
    evidence=sources.CLIENT,
    repeatable=False,
)

_BY_NAME: Final = tuple(
    Command(
        code=code,
        response_code=answer,
        name=name,
        request=None,
        source=sources.DIRECTORY,
        evidence=sources.CITED,
    )
    for code, answer, name in (
        ("108", "208", "define configuration"),
        ("109", "209", "confirm configuration"),
    )
)

COMMANDS: Final = (
    TRUST_PUBLIC_KEY,
    GENERATE_RSA,
    IMPORT_CERTIFICATE,
    SIGN,
    VERIFY,
    GENERATE_AND_WRAP,
    *_BY_NAME,
)
