"""One explanation, and the shape of the tables they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What one code of one system means."""

    system: str
    code: str
    meaning: str
    likely: str
    fix: str
    evidence: str  # how the meaning is known


# Code to (likely cause, fix).
Advice = Mapping[str, tuple[str, str]]
