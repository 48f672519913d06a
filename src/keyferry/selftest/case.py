"""One case of a vector file: its inputs, read as what they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from keyferry.errors import MalformedVectorError

Choice = TypeVar("Choice")

# What every case may have beside its inputs and expectations. `reason` and `note` are for people.
DESCRIPTIVE: Final = frozenset({"name", "source", "op", "expect", "reason", "note"})


@dataclass(slots=True, kw_only=True)
class Case:
    """
    The members of one case, with the tables of its file and the time of the test.

    Each reader takes the name of a member and raises MalformedVectorError, naming file and place,
    when it is missing or is not what it must be. That error ends the run: an input nobody can read
    must not count as a refusal of the cryptography.
    """

    place: str  # of this case in its file, for errors
    members: Mapping[str, Any]  # JSON
    tables: Mapping[str, Any]  # the file's other top-level members, e.g. parties; JSON
    now: datetime
    read: set[str] = field(default_factory=set)  # names of the members asked for

    @property
    def name(self) -> str:
        """The name, unique in a file."""
        return str(self.members["name"])

    def has(self, member: str) -> bool:
        """Whether the case has a member that is neither null nor absent."""
        self.read.add(member)
        return self.members.get(member) is not None

    def text(self, member: str) -> str:
        """Return a member that is text."""
        value = self._member(member)
        if not isinstance(value, str):
            raise self.refuse(member, "text")
        return value

    def number(self, member: str) -> int:
        """Return a member that is a whole number."""
        value = self._member(member)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refuse(member, "a whole number")
        return value

    def hex(self, member: str) -> bytes:
        """Return a member that is hex as the bytes it stands for."""
        return self.bytes_of(self._member(member), member)

    def optional_hex(self, member: str) -> bytes | None:
        """Return a member that is hex, or None when it is null or absent."""
        return self.hex(member) if self.has(member) else None

    def hex_list(self, member: str) -> list[bytes]:
        """Return a member that is a list of hex."""
        value = self._member(member)
        if not isinstance(value, list):
            raise self.refuse(member, "a list")
        return [self.bytes_of(item, f"{member}[{index}]") for index, item in enumerate(value)]

    def pairs(self, member: str) -> list[tuple[str, str]]:
        """Return a member that is a list of pairs of text."""
        value = self._member(member)
        if not isinstance(value, list):
            raise self.refuse(member, "a list of pairs")
        found = []
        for index, pair in enumerate(value):
            if (
                not isinstance(pair, list)
                or len(pair) != 2
                or not all(isinstance(part, str) for part in pair)
            ):
                raise self.refuse(f"{member}[{index}]", "a pair of text")
            found.append((pair[0], pair[1]))
        return found

    def choice(self, member: str, known: Mapping[str, Choice]) -> Choice:
        """Return what `known` has under the text of a member."""
        value = self.text(member)
        if value not in known:
            raise self.refuse(member, f"one of {', '.join(known)}")
        return known[value]

    def entry(self, table: str, member: str) -> Any:
        """Return the entry of a top-level table that a member names."""
        entries, name = self.tables.get(table), self.text(member)
        if not isinstance(entries, dict) or name not in entries:
            raise self.refuse(member, f"a name in the table {table!r} of the file")
        return entries[name]

    def bytes_of(self, value: Any, member: str) -> bytes:
        """Return the bytes of hex that stands anywhere in the case or a table."""
        if isinstance(value, str) and not any(character.isspace() for character in value):
            try:
                return bytes.fromhex(value)
            except ValueError:
                pass
        raise self.refuse(member, "hex")

    def refuse(self, member: str, expected: str) -> MalformedVectorError:
        """Return (not raise) the error that `member` is not `expected`, which ends the run."""
        return MalformedVectorError(f"{self.place} member {member!r}: expected {expected}")

    def unread(self, outputs: Sequence[str]) -> set[str]:
        """Return the names of members that are neither descriptive, nor read, nor `outputs`."""
        return set(self.members) - DESCRIPTIVE - self.read - set(outputs)

    def _member(self, member: str) -> Any:
        self.read.add(member)
        if member not in self.members:
            raise self.refuse(member, "it to be there")
        return self.members[member]
