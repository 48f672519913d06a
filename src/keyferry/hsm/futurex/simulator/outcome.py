"""How a simulated command ends: with an answer, with a status letter, or with an error frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keyferry.errors import HSMError


class CommandRefusedError(HSMError):
    """The device answers with an error frame."""

    def __init__(self, number: str, tag: str) -> None:
        super().__init__(f"refused with error {number} for token {tag}")
        self.number = number
        self.tag = tag


class Status(StrEnum):
    """The letter of token BB."""

    YES = "Y"
    NO = "N"
    SANITY = "S"  # the PIN block does not open
    WEAK = "W"


@dataclass(frozen=True, slots=True)
class Answer:
    """The tokens of an answer, and its status letter where the command has one."""

    values: Mapping[str, object] = field(default_factory=dict)
    status: Status | None = None
