"""Who signed a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The owner of an access key."""

    access_key_id: str
    account: str  # 12 digits
    arn: str  # arn:aws:iam::<account>:user/<name>
    name: str
