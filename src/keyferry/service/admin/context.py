"""What an operation for administrators gets: a call, and what runs in the service as a whole."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

from keyferry.service.context import Context

if TYPE_CHECKING:
    from keyferry.service.metrics import Metrics
    from keyferry.service.replication.service import Replication


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminContext(Context):
    """One call of `KeyferryAdmin.*`, in the Region it was signed for."""

    replication: Replication
    metrics: Metrics

    @classmethod
    def of(cls, context: Context, *, replication: Replication, metrics: Metrics) -> Self:
        """The same call, with the service around it."""
        parts = {field.name: getattr(context, field.name) for field in fields(context)}
        return cls(**parts, replication=replication, metrics=metrics)
