"""Which local master key a command speaks of, and how keys are written under it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LMKScheme(StrEnum):
    """How an LMK wraps keys; the letters of the JK response."""

    VARIANT = "V"
    KEY_BLOCK = "K"


@dataclass(frozen=True, slots=True, kw_only=True)
class LMKSelection:
    """
    The LMK a caller works under.

    Without an identifier the device decides: by the key block given, the port, or its default.
    """

    scheme: LMKScheme
    identifier: str | None = None  # two digits

    @property
    def is_variant(self) -> bool:
        """Whether keys are written as `U` and `T` fields, typed by a key type code."""
        return self.scheme is LMKScheme.VARIANT
