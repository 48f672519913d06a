"""Reading vector files: the packaged ones, or a directory of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from keyferry.errors import MalformedVectorError

MAX_FILE_BYTES: Final = 16 << 20


def packaged_files() -> dict[str, dict[str, Any]]:
    """Return the vector files that come with keyferry: documents by file name."""
    folder = files("keyferry.selftest") / "vectors"
    found = (entry for entry in folder.iterdir() if entry.name.endswith(".json"))
    return _documents((entry.name, entry.read_bytes()) for entry in found)


def read_directory(directory: Path) -> dict[str, dict[str, Any]]:
    """
    Return the vector files of a directory (every `*.json`): documents by path.

    Raises:
        MalformedVectorError: no directory, no file in it, a file that cannot be read or is not
            JSON, a member twice, or a family in two files.
    """
    try:
        paths = [path for path in directory.iterdir() if path.suffix == ".json"]
        contents = [(str(path), _read(path)) for path in paths]
    except OSError as error:
        raise MalformedVectorError(
            f"{error.filename or directory}: cannot be read: {error.strerror}"
        ) from None
    if not contents:
        raise MalformedVectorError(f"{directory}: expected vector files, found no *.json")
    return _documents(contents)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise MalformedVectorError(f"{path}: expected at most {MAX_FILE_BYTES} bytes")
    return content


def _documents(contents: Iterable[tuple[str, bytes]]) -> dict[str, dict[str, Any]]:
    """Decode files in the order of their names; refuse a family that stands in two."""
    documents: dict[str, dict[str, Any]] = {}
    families: dict[str, str] = {}
    for name, content in sorted(contents):
        document = _decode(name, content)
        family = document.get("family")
        if not isinstance(family, str):
            raise MalformedVectorError(f"{name} member 'family': expected text")
        if family in families:
            raise MalformedVectorError(
                f"{name} family {family!r}: already in {families[family]}, expected one file each"
            )
        families[family] = name
        documents[name] = document
    return documents


def _decode(name: str, content: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Python keeps the last of two members, and a case would lose its expectation unseen.
        members = dict(pairs)
        if len(members) != len(pairs):
            names = [member for member, _ in pairs]
            twice = next(member for member in names if names.count(member) > 1)
            raise MalformedVectorError(
                f"{name} member {twice!r} in {_where(members)}: expected each member once"
            )
        return members

    def refuse_constant(constant: str) -> None:
        raise MalformedVectorError(f"{name}: {constant} is not JSON")

    try:
        document = json.loads(
            content.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse_constant
        )
    except json.JSONDecodeError as error:
        raise MalformedVectorError(
            f"{name} line {error.lineno} column {error.colno}: not JSON: {error.msg.lower()}"
        ) from None
    except UnicodeDecodeError as error:
        raise MalformedVectorError(f"{name} byte {error.start}: not UTF-8") from None
    except RecursionError:
        raise MalformedVectorError(f"{name}: nested too deeply") from None
    except ValueError:
        # Python's own limit on the digits of a number.
        raise MalformedVectorError(f"{name}: a number has too many digits") from None
    if not isinstance(document, dict):
        raise MalformedVectorError(f"{name}: expected an object")
    return document


def _where(members: dict[str, Any]) -> str:
    name = members.get("name")
    return f"case {name!r}" if isinstance(name, str) else "an object"
