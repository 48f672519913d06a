"""Where the `key` commands read keys, blocks and certificates from. Never from arguments."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keyferry.cli.prompts import ask_hidden
from keyferry.crypto.certificates import load_certificate
from keyferry.crypto.secret import Secret
from keyferry.errors import ConfigurationError
from keyferry.exchange.clear_key import parse_key, read_key_file

STDIN = "-"
MAXIMUM_BYTES = 1 << 20

TEST_KEYS_ONLY = "test keys only: this machine is not an HSM"


def read_key(source: str | None, what: str) -> Secret:
    """
    Read a clear key in hex.

    Args:
        source: a file, `-` for standard input, or None to ask without showing the answer.
        what: names the key in questions and errors.
    """
    if source is None:
        return parse_key(ask_hidden(f"{what} (hex)"), place=what)
    if source == STDIN:
        return parse_key(sys.stdin.read(MAXIMUM_BYTES), place=f"{what} from standard input")
    return read_key_file(source, place=what)


def read_input(source: str, what: str) -> bytes:
    """Read a block or a token from a file, or from standard input if `source` is `-`."""
    try:
        if source == STDIN:
            data = sys.stdin.buffer.read(MAXIMUM_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                data = file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigurationError(f"{what}: {source}: {reason}") from None
    if len(data) > MAXIMUM_BYTES:
        raise ConfigurationError(f"{what}: {source}: larger than {MAXIMUM_BYTES} bytes")
    return data


def read_certificate(source: str, what: str) -> x509.Certificate:
    """Read one certificate, PEM or DER."""
    return load_certificate(read_input(source, what))


def read_rsa_key(source: str, what: str) -> rsa.RSAPrivateKey:
    """Read an unencrypted RSA private key in PEM."""
    try:
        key = load_pem_private_key(read_input(source, what), password=None)
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"{what}: {source} is not an unencrypted PEM private key"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(f"{what}: {source} is not an RSA key")
    return key


def as_token(data: bytes) -> bytes | None:
    """Return the DER of a TR-34 token, binary or in hex; None if the data is something else."""
    # A token is longer than 127 bytes, so its length takes a byte that no text has.
    if data[:1] == b"\x30" and data[1:2] > b"\x80":
        return data
    text = b"".join(data.split())
    if text[:2] != b"30" or len(text) % 2:
        return None
    try:
        return bytes.fromhex(text.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return None


def as_block(data: bytes, what: str) -> str:
    """Return the text of a key block, without the blanks around it."""
    try:
        return data.decode("ascii").strip()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{what}: neither a key block nor a TR-34 token") from None


def only_one_stdin(*sources: str | None) -> None:
    """Refuse a command line that wants standard input twice."""
    if sum(source == STDIN for source in sources) > 1:
        raise click.UsageError("standard input (-) can be read only once")
