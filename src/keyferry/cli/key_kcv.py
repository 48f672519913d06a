"""`keyferry key kcv`: the check value of a test key."""

from __future__ import annotations

import click

from keyferry.cli.options import OutputOptions, output_options


@click.command("kcv")
@click.option(
    "--algorithm",
    type=click.Choice(["TDES", "AES", "HMAC_SHA224", "HMAC_SHA256", "HMAC_SHA384", "HMAC_SHA512"]),
    required=True,
    help="What the key is a key of.",
)
@click.option(
    "--method",
    type=click.Choice(["ANSI_X9_24", "CMAC", "HMAC"]),
    help="How the value is made.  [default: ANSI_X9_24 for TDES, CMAC for AES, HMAC for HMAC]",
)
@click.option("--key", "source", metavar="FILE", help="The key in hex; - is standard input.")
@click.option(
    "--component",
    "components",
    metavar="FILE",
    multiple=True,
    help="A component in hex; give two or more, they are XORed.  [default: ask for the key]",
)
@output_options
def kcv(
    options: OutputOptions,
    algorithm: str,
    method: str | None,
    source: str | None,
    components: tuple[str, ...],
) -> None:
    """
    Compute the check value of a test key.

    Without --key and --component the key is asked for, without showing it.
    """
    from keyferry.cli.key_description import print_document
    from keyferry.cli.key_sources import only_one_stdin, read_key
    from keyferry.errors import KeySizeError
    from keyferry.exchange.clear_key import combine_keys
    from keyferry.keys import KeyAlgorithm, key_check_value

    if source and components:
        raise click.UsageError("--key and --component exclude each other")
    only_one_stdin(source, *components)
    parts = [
        read_key(path, f"component {number}") for number, path in enumerate(components, start=1)
    ]
    document: dict[str, object] = {}
    key = combine_keys(parts, place="components") if parts else read_key(source, "key")
    by_size = {
        "TDES": {8: KeyAlgorithm.TDES_2KEY, 16: KeyAlgorithm.TDES_2KEY, 24: KeyAlgorithm.TDES_3KEY},
        "AES": {16: KeyAlgorithm.AES_128, 24: KeyAlgorithm.AES_192, 32: KeyAlgorithm.AES_256},
    }
    sizes = by_size.get(algorithm)
    chosen = sizes.get(len(key)) if sizes else KeyAlgorithm(algorithm)
    if chosen is None:
        raise KeySizeError(f"{algorithm} key of {len(key)} bytes")
    for number, part in enumerate(parts, start=1):
        document[f"component_{number}"] = key_check_value(chosen, part.reveal(), method)[0]
    value, how = key_check_value(chosen, key.reveal(), method)
    document |= {"check_value": value, "method": how, "key_bytes": len(key)}
    print_document(document, options)
