"""The form of a Region's name."""

from __future__ import annotations

import re

_REGION = re.compile(r"[a-z]{2}-[a-z]{1,16}-[0-9]+")  # as inside an ARN of the API


def is_region_name(text: str) -> bool:
    """Whether `text` could be the name of a Region."""
    return _REGION.fullmatch(text) is not None
