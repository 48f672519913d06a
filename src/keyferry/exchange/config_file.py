"""
Read a configuration file: JSON, YAML or TOML, by its suffix.

Whatever is wrong is told with file and member. A member nobody knows is an error, not a comment:
a misspelt `transport_key` would otherwise quietly generate another key.
"""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from keyferry.errors import ConfigurationError
from keyferry.exchange.config import ExchangeConfig

MAXIMUM_BYTES = 1 << 20
MAXIMUM_NAME = 100  # characters shown of a member's name
MAXIMUM_PROBLEMS = 10  # told at once

_DECODERS: Mapping[str, Callable[[bytes], Any]] = {
    ".json": msgspec.json.decode,
    ".yaml": msgspec.yaml.decode,
    ".yml": msgspec.yaml.decode,
    ".toml": msgspec.toml.decode,
}
# What the patterns of `config` mean, by member.
_FORMS: Mapping[str, str] = {
    "host": "a host name or an address, without scheme, port and path",
    "region": "a Region such as us-east-1",
    "variant_lmk_identifier": "two digits",
    "key_block_lmk_identifier": "two digits",
    "transport_key_kcv": "4 to 16 hex characters",
    "nonce": "16 to 32 hex characters, an even number",
    "shared_info": "at most 2048 hex characters, an even number",
    "key_derivation_function": "NIST_SP800 or ANSI_X963",
    "hash_algorithm": "SHA_256, SHA_384 or SHA_512",
}
_PLACE = re.compile(r"^(?P<what>.*) - at `\$(?P<path>.*)`$", re.DOTALL)


def load_config(path: Path) -> ExchangeConfig:
    """
    Read the configuration of an exchange.

    Args:
        path: a file of at most 1 MiB whose suffix says what it is.

    Raises:
        ConfigurationError: naming the file, and the member that is wrong.
    """
    decoder = _DECODERS.get(path.suffix.lower())
    if decoder is None:
        raise ConfigurationError(
            f"{path}: suffix {path.suffix or '(none)'!r} is not known",
            hint="name the file .json, .yaml, .yml or .toml",
        )
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: {(error.strerror or 'cannot be read').lower()}"
        ) from None
    if len(data) > MAXIMUM_BYTES:
        raise ConfigurationError(f"{path}: larger than {MAXIMUM_BYTES} bytes")
    return parse_config(data, decoder=decoder, name=str(path))


def parse_config(data: bytes, *, decoder: Callable[[bytes], Any], name: str) -> ExchangeConfig:
    """
    Parse and check a configuration.

    Args:
        data: the text, encoded.
        decoder: turns the text into plain values.
        name: of the file, for messages.

    Raises:
        ConfigurationError: naming `name` and the member that is wrong.
    """
    try:
        document = decoder(data)
    except RecursionError:
        raise ConfigurationError(f"{name}: nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        # The decoder's words may quote the text around the mistake; the position is enough.
        raise ConfigurationError(f"{name}: {_position(error)}") from None
    if not isinstance(document, Mapping):
        raise ConfigurationError(f"{name}: expected an object with kdh and krd")
    unknown = list(_unknown_members(document, ExchangeConfig, ""))
    if unknown:
        raise ConfigurationError(f"{name}: " + "; ".join(unknown[:MAXIMUM_PROBLEMS]))
    try:
        return msgspec.convert(document, ExchangeConfig)
    except RecursionError:
        raise ConfigurationError(f"{name}: nested too deeply") from None
    except msgspec.ValidationError as error:
        raise _translate(error, name) from None


def _position(error: Exception) -> str:
    """What a decoder says of the place, without its quotation of the text."""
    mark = getattr(error.__cause__, "problem_mark", None)
    if mark is not None:
        return f"not well-formed at line {mark.line + 1}, column {mark.column + 1}"
    if "truncated" in str(error):
        return "not well-formed: it ends too early"
    found = re.search(r"\(?(byte \d+|(?:at )?line \d+, column \d+)\)?", str(error))
    return f"not well-formed at {found[1].removeprefix('at ')}" if found else "not well-formed"


def _unknown_members(value: object, kind: Any, path: str) -> Iterator[str]:
    """Tell every member of `value` that the struct `kind` does not have, with the nearest."""
    struct = _struct_of(kind)
    if struct is None or not isinstance(value, Mapping):
        return
    known = get_type_hints(struct)
    for member, inner in value.items():
        place = f"{path}.{member}" if path else str(member)
        if member in known:
            yield from _unknown_members(inner, known[member], place)
            continue
        near = _nearest(str(member), known)
        near = f"{path}.{near}" if path else near
        yield f"{_printable(place)} is not known; the nearest is {near}"


def _nearest(member: str, known: Iterable[str]) -> str:
    """The known name most like `member`; the same letters in another order come first."""

    def likeness(name: str) -> tuple[bool, float]:
        matcher = difflib.SequenceMatcher(None, member, name)
        return sorted(name) == sorted(member), matcher.ratio()

    return max(known, key=likeness)


def _printable(text: str) -> str:
    """A name from a file, fit to be shown on a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text[:MAXIMUM_NAME])


def _struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """The struct a member may hold: itself, or the one in an optional or a union."""
    options = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    for option in options:
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _translate(error: msgspec.ValidationError, name: str) -> ConfigurationError:
    """Say a validation error in our words: file, member, what was expected, never the value."""
    found = _PLACE.match(str(error))
    what, path = (found["what"], found["path"].lstrip(".")) if found else (str(error), "")
    hint = None
    if what.startswith("Invalid enum value"):
        choices = _choices(path)
        what = f"expected one of {', '.join(choices)}" if choices else "not a known value"
    elif "matching regex" in what:
        what = f"expected {_FORMS.get(path.rsplit('.', 1)[-1], 'another form')}"
    elif what == "Expected `str`, got `int`":
        hint = 'put the digits in quotes: "02"'
    what = what[:1].lower() + what[1:]
    return ConfigurationError(f"{name}: {path or 'document'}: {what.replace('`', '')}", hint=hint)


def _choices(path: str) -> list[str]:
    """The values an enumerated member may have."""
    kind: Any = ExchangeConfig
    for member in path.split("."):
        struct = _struct_of(kind)
        if struct is None:
            return []
        kind = get_type_hints(struct).get(member)
    for option in (kind, *get_args(kind)):
        if isinstance(option, type) and issubclass(option, StrEnum):
            return [value.value for value in option]
    return []
