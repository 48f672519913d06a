"""A host command as data: its code, its two field tables, where they come from and how sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keyferry.hsm.fields import Fields


class Evidence(StrEnum):
    """How a layout is known, best first; each with a letter."""

    CAPTURE = "R"
    VECTOR = "V"
    FIELD_TABLE = "M"
    CLIENT = "C"
    SIMULATOR = "S"
    PARSER = "P"
    INFERRED = "I"

    @property
    def words(self) -> str:
        """What the letter means."""
        return _WORDS[self]


_WORDS = {
    Evidence.CAPTURE: "captured from a live device and published",
    Evidence.VECTOR: "published vector, recomputed",
    Evidence.FIELD_TABLE: "official field table, reproduced in public",
    Evidence.CLIENT: "sent by a public client of live devices",
    Evidence.SIMULATOR: "public simulator (independent implementation)",
    Evidence.PARSER: "citation only",
    Evidence.INFERRED: "inferred",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """
    One host command.

    `errors` are the meanings a command gives to codes of its own; they win over the general list.
    A response carries its fields after error 00 and after the codes in `warnings`.
    """

    code: str
    response_code: str
    name: str  # what it does, in words, as a refusal prints it
    request: Fields | None  # None: the layout is not public, the command is known by name only
    response: Fields = ()
    source: str
    evidence: tuple[Evidence, ...]
    errors: Mapping[str, str] = field(default_factory=dict)
    warnings: frozenset[str] = frozenset()
    # Fields of a request that decide nothing about its other fields: neither size nor condition.
    varying: frozenset[str] = frozenset()
    repeatable: bool = True  # sending it twice leaves the device as sending it once would

    @property
    def title(self) -> str:
        """Code and name, as in `A8 export key`."""
        return f"{self.code} {self.name}"
