"""`keyferry key unwrap`: open a key block or a token of a test key."""

from __future__ import annotations

from typing import Any

import click

from keyferry.cli.options import OutputOptions, output_options


@click.command("unwrap")
@click.argument("source", metavar="BLOCK", default="-")
@click.option(
    "--kbpk", metavar="FILE", help="Key block: the KBPK in hex; - is standard input. [default: ask]"
)
@click.option("--kdh-certificate", metavar="FILE", help="Token: the sender's certificate.")
@click.option("--kdh-ca", metavar="FILE", help="Token: who must have issued it. [default: anyone]")
@click.option("--krd-certificate", metavar="FILE", help="Token: the receiver's certificate.")
@click.option("--krd-key", metavar="FILE", help="Token: the receiver's RSA private key, PEM.")
@click.option("--nonce", metavar="HEX", help="Token: the nonce agreed on.  [default: none]")
@click.option("--reveal", is_flag=True, help="Print the clear key too.  [default: no]")
@output_options
def unwrap(options: OutputOptions, source: str, reveal: bool, **values: Any) -> None:
    """
    Open a key block (TR-31) or a key token (TR-34) and show what is proven about its key.

    BLOCK is a file, or - for standard input. Without --reveal only the check value of the key is
    shown.
    """
    from keyferry.cli.key_description import check_value, describe_header, print_document
    from keyferry.cli.key_sources import (
        TEST_KEYS_ONLY,
        as_block,
        as_token,
        only_one_stdin,
        read_input,
        read_key,
    )
    from keyferry.crypto.keyblock import KBPK, KeyBlockHeader
    from keyferry.crypto.tr34 import parse_header

    only_one_stdin(source, values["kbpk"])
    click.echo(f"keyferry: {TEST_KEYS_ONLY}", err=True)
    data = read_input(source, "BLOCK")
    token = as_token(data)
    document: dict[str, Any]
    if token is not None:
        opened = _open_token(token, values)
        header, key = parse_header(opened.header), opened.key
        document = {"format": "TR-34 key token", **describe_header(header)}
        del document["version"], document["length"]
    else:
        text = as_block(data, "BLOCK").removeprefix("R")
        version = KeyBlockHeader.parse(text).version
        kbpk = read_key(values["kbpk"], "KBPK")
        unwrapped = KBPK(version.cipher, kbpk.reveal()).unwrap(text)
        header, key = unwrapped.header, unwrapped.key
        document = {"format": "TR-31 key block", **describe_header(header)}
    document |= {"key_bits": 8 * len(key), "check_value": check_value(header, key)}
    if reveal:
        document["key"] = key.hex().upper()
    print_document(document, options)


def _open_token(token: bytes, values: dict[str, Any]) -> Any:
    from datetime import UTC, datetime

    from keyferry.cli.key_sources import read_certificate, read_rsa_key
    from keyferry.cli.key_wrap import read_nonce
    from keyferry.crypto.tr34 import open_token

    for name in ("kdh_certificate", "krd_certificate", "krd_key"):
        if not values[name]:
            raise click.UsageError(f"a token needs --{name.replace('_', '-')}")
    authority = read_certificate(values["kdh_ca"], "--kdh-ca") if values["kdh_ca"] else None
    return open_token(
        token,
        kdh_certificate=read_certificate(values["kdh_certificate"], "--kdh-certificate"),
        krd_certificate=read_certificate(values["krd_certificate"], "--krd-certificate"),
        krd_private_key=read_rsa_key(values["krd_key"], "--krd-key"),
        nonce=read_nonce(values["nonce"]),
        kdh_ca=authority,
        now=datetime.now(UTC) if authority is not None else None,
    )
