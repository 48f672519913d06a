"""`keyferry key wrap`: make a key block or a token of a test key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from keyferry.cli.options import OutputOptions, output_options

if TYPE_CHECKING:
    from keyferry.crypto.keyblock import KeyBlockHeader


@click.command("wrap")
@click.option(
    "--format",
    "form",
    type=click.Choice(["tr31", "tr34"]),
    default="tr31",
    show_default=True,
    help="A key block under a KBPK, or a token under a receiver's certificate.",
)
@click.option(
    "--key", "source", metavar="FILE", help="The key in hex; - is standard input.  [default: ask]"
)
@click.option("--kbpk", metavar="FILE", help="tr31: the KBPK in hex; - is standard input.")
@click.option(
    "--block-version",
    type=click.Choice(["A", "B", "C", "D", "E"]),
    default="D",
    show_default=True,
    help="tr31: B under a TDES KBPK, D or E under an AES one.",
)
@click.option("--allow-legacy", is_flag=True, help="tr31: let versions A and C be written.")
@click.option("--show-length", is_flag=True, help="tr31: do not hide the length of the key.")
@click.option("--usage", required=True, help="Key usage, two characters such as P0.")
@click.option(
    "--algorithm",
    type=click.Choice(["T", "A", "H"]),
    required=True,
    help="T (TDES), A (AES) or H (HMAC).",
)
@click.option("--mode", required=True, help="Mode of use, one character such as B.")
@click.option("--key-version", default="00", show_default=True, help="Two characters.")
@click.option(
    "--exportability",
    type=click.Choice(["E", "S", "N"]),
    default="N",
    show_default=True,
    help="E exportable, S sensitive, N not exportable.",
)
@click.option(
    "--optional-block",
    "optional_blocks",
    metavar="ID=DATA",
    multiple=True,
    help="An optional block, such as HM=21; repeatable.",
)
@click.option("--kdh-certificate", metavar="FILE", help="tr34: the sender's certificate.")
@click.option("--kdh-key", metavar="FILE", help="tr34: the sender's RSA private key, PEM.")
@click.option("--krd-certificate", metavar="FILE", help="tr34: the receiver's certificate.")
@click.option("--nonce", metavar="HEX", help="tr34: the receiver's nonce.  [default: one-pass]")
@click.option(
    "--layout",
    type=click.Choice(["aws", "cms"]),
    default="aws",
    show_default=True,
    help="tr34: as AWS reads it, or as CMS tools do.",
)
@output_options
def wrap(options: OutputOptions, form: str, source: str | None, **values: Any) -> None:
    """
    Make a key block (TR-31) or a key token (TR-34) of a test key.

    Keys are read from files or standard input, or asked for; they are never arguments.
    """
    from keyferry.cli.key_description import check_value, print_document
    from keyferry.cli.key_sources import TEST_KEYS_ONLY, only_one_stdin, read_key

    only_one_stdin(source, values["kbpk"])
    click.echo(f"keyferry: {TEST_KEYS_ONLY}", err=True)
    header = _header(values)
    if form == "tr31":
        kbpk = read_key(values["kbpk"], "KBPK")
        key = read_key(source, "key")
        wrapped = _block(header, key.reveal(), kbpk.reveal(), values)
    else:
        key = read_key(source, "key")
        wrapped = _token(header, key.reveal(), values)
    if options.json:
        kcv = check_value(header, key.reveal())
        print_document({"format": form, "wrapped": wrapped, "check_value": kcv}, options)
    else:
        click.echo(wrapped)


def _header(values: dict[str, Any]) -> KeyBlockHeader:
    from keyferry.crypto.keyblock import (
        Algorithm,
        BlockVersion,
        Exportability,
        KeyBlockHeader,
        ModeOfUse,
        OptionalBlock,
    )

    try:
        mode = ModeOfUse(values["mode"])
    except ValueError:
        raise click.BadParameter("expected one character such as B", param_hint="--mode") from None
    letters = {"T": Algorithm.TDES, "A": Algorithm.AES, "H": Algorithm.HMAC}
    blocks = []
    for text in values["optional_blocks"]:
        name, separator, data = text.partition("=")
        if not separator:
            raise click.BadParameter("expected ID=DATA", param_hint="--optional-block")
        blocks.append(OptionalBlock(name, data))
    return KeyBlockHeader(
        version=BlockVersion[values["block_version"]],
        usage=values["usage"],
        algorithm=letters[values["algorithm"]],
        mode=mode,
        key_version=values["key_version"],
        exportability=Exportability(values["exportability"]),
        optional_blocks=tuple(blocks),
    )


def _block(header: KeyBlockHeader, key: bytes, kbpk: bytes, values: dict[str, Any]) -> str:
    from keyferry.crypto.ciphers import Cipher
    from keyferry.crypto.keyblock import KBPK
    from keyferry.keys import KeyAlgorithm, WrappingMethod, check_strength

    cipher = header.version.cipher
    opened = KBPK(cipher, kbpk)
    sizes = KeyAlgorithm.tdes_of if cipher is Cipher.TDES else KeyAlgorithm.aes_of
    wrapping, protected = sizes(len(kbpk)), _algorithm(header, key)
    if wrapping is not None and protected is not None:
        check_strength(protected, method=WrappingMethod.TR31, wrapping=wrapping)
    return opened.wrap(
        header,
        key,
        masked_bytes=0 if values["show_length"] else None,
        allow_legacy=values["allow_legacy"],
    )


def _algorithm(header: KeyBlockHeader, key: bytes) -> Any:
    """
    The algorithm of a key by its header.

    Raises:
        KeySizeError: TDES or AES of another length.
    """
    from keyferry.errors import KeySizeError
    from keyferry.keys import KeyAlgorithm

    letter = header.algorithm.value
    if letter == "H":
        codes = [block.data for block in header.optional_blocks if block.id == "HM"]
        return KeyAlgorithm.hmac_of(codes[0]) if codes else None
    found = KeyAlgorithm.tdes_of(len(key)) if letter == "T" else KeyAlgorithm.aes_of(len(key))
    if found is None:
        raise KeySizeError(f"key of {len(key)} bytes under a header of algorithm {letter}")
    return found


def _token(header: KeyBlockHeader, key: bytes, values: dict[str, Any]) -> str:
    from datetime import UTC, datetime

    from keyferry.cli.key_sources import read_certificate, read_rsa_key
    from keyferry.crypto.keyblock import Algorithm
    from keyferry.crypto.tr34 import ContentCipher, Layout, build_token

    for name in ("kdh_certificate", "kdh_key", "krd_certificate"):
        if not values[name]:
            raise click.UsageError(f"a token needs --{name.replace('_', '-')}")
    aes = header.algorithm is Algorithm.AES
    nonce = read_nonce(values["nonce"])
    token = build_token(
        key=key,
        # Version and length of a header inside a token mean nothing; 9999 is what others write.
        header=header.encode(length=9999),
        kdh_certificate=read_certificate(values["kdh_certificate"], "--kdh-certificate"),
        kdh_private_key=read_rsa_key(values["kdh_key"], "--kdh-key"),
        krd_certificate=read_certificate(values["krd_certificate"], "--krd-certificate"),
        nonce=nonce,
        signing_time=datetime.now(UTC) if nonce is None else None,
        layout=Layout(values["layout"]),
        content_cipher=ContentCipher.AES128 if aes else ContentCipher.TDES,
    )
    return token.hex().upper()


def read_nonce(text: str | None) -> bytes | None:
    """Read a nonce of 8 to 16 bytes in hex; it is public."""
    if text is None:
        return None
    if not re.fullmatch(r"([0-9A-Fa-f]{2}){8,16}", text):
        raise click.BadParameter("expected 16 to 32 hex characters", param_hint="--nonce")
    return bytes.fromhex(text)
