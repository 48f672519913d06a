"""How a simulated command ends: with an answer, or refused with an error code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyferry.errors import HSMError


class CommandRefusedError(HSMError):
    """The device answers a command with an error code and no data."""

    def __init__(self, code: str) -> None:
        super().__init__(f"refused with error {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """The fields of a response, with 00 or the code of a warning."""

    values: Mapping[str, object] = field(default_factory=dict)
    code: str = "00"
