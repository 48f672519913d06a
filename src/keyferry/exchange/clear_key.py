"""Clear test keys: from a file, from component files, or asked for. Never from an argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from keyferry.crypto.components import combine
from keyferry.crypto.secret import Secret
from keyferry.errors import ConfigurationError, KeySizeError

MAXIMUM_CHARACTERS = 4096
COMPONENTS = 3

# Asks a person for hex without showing it; the argument says what for.
Ask = Callable[[str], str]


def parse_key(text: str, *, place: str) -> Secret:
    """
    Read a key from hex; blanks and line ends between the digits do not count.

    Raises:
        ConfigurationError: it is not hex. The text is not repeated, it may be most of a key.
    """
    try:
        value = bytes.fromhex("".join(text.split()))
    except ValueError:
        raise ConfigurationError(f"{place}: expected a key in hex") from None
    if not value:
        raise ConfigurationError(f"{place}: no key in it")
    return Secret(value)


def read_key_file(path: str, *, place: str) -> Secret:
    """
    Read a key in hex from a file.

    Args:
        path: of the file. A key written here in place of a path is recognised and refused.
        place: the member that named the file, for messages.

    Raises:
        ConfigurationError: the file cannot be read, or is not hex.
    """
    if _looks_like_key(path):
        raise ConfigurationError(
            f"{place}: expected the name of a file, not the key itself",
            hint="a key written into a configuration is no longer secret; put it in a file",
        )
    try:
        with Path(path).open("r", encoding="ascii") as file:
            text = file.read(MAXIMUM_CHARACTERS + 1)
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise ConfigurationError(f"{place}: {path}: {reason}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{place}: {path}: expected a key in hex") from None
    if len(text) > MAXIMUM_CHARACTERS:
        raise ConfigurationError(f"{place}: {path}: too long for a key")
    return parse_key(text, place=f"{place}: {path}")


def combine_keys(components: Sequence[Secret], *, place: str) -> Secret:
    """
    Return the XOR of components of one length.

    Raises:
        ConfigurationError: fewer than two, or of different lengths.
    """
    try:
        return Secret(combine([component.reveal() for component in components]))
    except KeySizeError as error:
        raise ConfigurationError(f"{place}: {error}") from None


def ask_for_key(ask: Ask, *, place: str) -> Secret:
    """Ask for three components; an empty second answer means that the first is the whole key."""
    parts = [parse_key(ask("Key or component 1 (hex)"), place=f"{place}: component 1")]
    for number in range(2, COMPONENTS + 1):
        answer = ask(f"Component {number} (hex)")
        if number == 2 and not answer.strip():
            return parts[0]
        parts.append(parse_key(answer, place=f"{place}: component {number}"))
    return combine_keys(parts, place=place)


def _looks_like_key(text: str) -> bool:
    digits = "".join(text.split())
    return len(digits) in (16, 32, 48, 64) and all(c in "0123456789abcdefABCDEF" for c in digits)
