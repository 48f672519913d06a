"""One broken input, what lies beside it, and the cause that must be named."""

from __future__ import annotations

from typing import Any

Case = dict[str, Any]
NOW = "2026-06-01T12:00:00+00:00"


def case(name: str, cause: str | None, data: str | bytes, suffix: str = "", **at_hand: Any) -> Case:
    """
    Describe a case.

    Args:
        name: what was done to a good input.
        cause: id of the cause, None for a good input.
        data: the input; bytes are written as hex.
        suffix: of the file it would be in.
        at_hand: what lies beside it; certificates and keys by the names of the file's tables.
    """
    form = {"text": data} if isinstance(data, str) else {"hex": data.hex().upper()}
    extra = {"suffix": suffix} if suffix else {}
    return {"name": name, "cause": cause, **form, **extra, "at_hand": {"now": NOW, **at_hand}}
