"""Headers, tokens and check values as rows for people and documents for machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import msgspec

from keyferry.cli.exchange_output import print_rows
from keyferry.cli.options import OutputOptions
from keyferry.crypto.check_values import cmac_kcv, hmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import Algorithm, KeyBlockHeader
from keyferry.crypto.keyblock.thales import ThalesHeader
from keyferry.crypto.tr34 import der
from keyferry.keys import KeyAlgorithm, KeyUsage

# X.520 attribute types under 2.5.4, by the content of their OBJECT IDENTIFIER.
_NAME_TYPES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
}
_EXPORTABILITY = {
    "E": "exportable under a trusted key",
    "S": "sensitive, exportable",
    "N": "not exportable",
}


def print_document(document: Mapping[str, Any], options: OutputOptions) -> None:
    """Print a document: as JSON, or one row a member."""
    if options.json:
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    rows = []
    for name, value in document.items():
        text = "yes" if value is True else "no" if value is False else str(value)
        if isinstance(value, list):
            text = ", ".join(f"{block['id']} {block['data']}" for block in value) or "none"
        rows.append((name.replace("_", " "), text))
    print_rows(rows)


def describe_header(header: KeyBlockHeader | ThalesHeader) -> dict[str, Any]:
    """Say what a header says, with the names of its codes."""
    usage = KeyUsage.from_code(header.usage)
    document: dict[str, Any] = {
        "version": header.version.value,
        "length": header.length,
        "key_usage": header.usage,
        "key_usage_name": usage.value if usage else "no name in the API",
        "algorithm": header.algorithm.value,
        "algorithm_name": header.algorithm.name,
        "mode_of_use": header.mode.value,
        "mode_of_use_name": header.mode.name,
        "key_version": header.key_version,
        "exportability": header.exportability.value,
        "exportability_name": _EXPORTABILITY[header.exportability.value],
    }
    if isinstance(header, ThalesHeader):
        document["lmk_identifier"] = header.lmk_id
    else:
        document["key_context"] = header.context
    document["optional_blocks"] = [
        {"id": block.id, "data": block.data} for block in header.optional_blocks
    ]
    return document


def describe_name(identifier: bytes) -> str:
    """
    Say issuer and serial number of a certificate as a TR-34 token names it (DER).

    Raises:
        MalformedTokenError: the name is no X.501 name.
    """
    members = der.Reader(identifier, field="name").sequence("name")
    issuer = members.sequence("issuer")
    parts = []
    while not issuer.at_end:
        relative = issuer.set_of("relative name")
        while not relative.at_end:
            attribute = relative.sequence("attribute")
            kind = _NAME_TYPES.get(attribute.oid("attribute type"), "?")
            text = attribute.next_element("attribute value").content.decode("utf-8", "replace")
            # The name comes from outside: a terminal must not act on what it holds.
            parts.append(f"{kind}={''.join(c if c.isprintable() else '?' for c in text)}")
    return f"{', '.join(parts)}, serial {members.integer('serial number')}"


def check_value(header: KeyBlockHeader, key: bytes) -> str:
    """The check value of a key of a header's algorithm; empty where there is none."""
    if header.algorithm in (Algorithm.TDES, Algorithm.DES):
        return tdes_kcv(key).hex().upper()
    if header.algorithm is Algorithm.AES:
        return cmac_kcv(Cipher.AES, key).hex().upper()
    if header.algorithm is Algorithm.HMAC:
        codes = [block.data for block in header.optional_blocks if block.id == "HM"]
        algorithm = KeyAlgorithm.hmac_of(codes[0]) if codes else None
        if algorithm is not None and algorithm.hash_name is not None:
            return hmac_kcv(key, algorithm.hash_name).hex().upper()
    return ""
