"""`keyferry key show`: what a key block or a token says of itself, without any key."""

from __future__ import annotations

from typing import Any

import click

from keyferry.cli.options import OutputOptions, output_options


@click.command("show")
@click.argument("source", metavar="BLOCK", default="-")
@output_options
def show(options: OutputOptions, source: str) -> None:
    """
    Show the header of a key block, or the fields of a TR-34 token. Needs no key.

    BLOCK is a file, or - for standard input: a TR-31 key block (with or without the R of a
    payShield), a payShield S block, or a TR-34 token in hex or DER. Nothing shown is proven; that
    takes the key.
    """
    from keyferry.cli.key_description import describe_header, print_document
    from keyferry.cli.key_sources import as_block, as_token, read_input
    from keyferry.crypto.keyblock import KeyBlockHeader
    from keyferry.crypto.keyblock.thales import ThalesHeader
    from keyferry.errors import MalformedKeyBlockError

    data = read_input(source, "BLOCK")
    token = as_token(data)
    if token is not None:
        print_document(_describe_token(token), options)
        return
    text = as_block(data, "BLOCK")
    if text.startswith("S"):
        document: dict[str, Any] = {"format": "Thales key block (only its HSM opens it)"}
        thales = ThalesHeader.parse(text)
        print_document({**document, **describe_header(thales)}, options)
        return
    text = text.removeprefix("R")
    header = KeyBlockHeader.parse(text)
    if header.length != len(text):
        raise MalformedKeyBlockError(
            "length", offset=1, expected=f"{len(text)}, the characters that are there"
        )
    print_document({"format": "TR-31 key block", **describe_header(header)}, options)


def _describe_token(data: bytes) -> dict[str, Any]:
    from keyferry.cli.key_description import describe_header, describe_name
    from keyferry.crypto.tr34 import parse_header, parse_token

    token = parse_token(data)
    header = describe_header(parse_header(token.header))
    # Version and length of a header inside a token mean nothing.
    del header["version"], header["length"]
    return {
        "format": "TR-34 key token",
        "layout": token.layout.value,
        "signer": describe_name(token.signer_id),
        "recipient": describe_name(token.recipient_id),
        "nonce": token.nonce.hex().upper() if token.nonce else "none (one-pass)",
        "signing_time": token.signing_time.isoformat() if token.signing_time else "none",
        "content_cipher": token.content_cipher.value,
        "header": token.header,
        **header,
    }
