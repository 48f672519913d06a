"""What the stores say of each pair of Regions when somebody looks at `/metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True, kw_only=True)
class PairState:
    """One ordered pair of Regions."""

    region: str
    peer: str
    waiting: int  # rows of the outbox
    held: int
    drift: int | None  # of the last verification; None if there was none


_FAMILIES = (
    ("waiting", "keyferry_replication_backlog", "Changes that wait to be told to a peer."),
    ("held", "keyferry_replication_held", "Changes that were given up until somebody asks again."),
    ("drift", "keyferry_drift_items", "Differences the last verification of a pair left."),
)


class PairGauges(Collector):
    """
    Gauges that are read from the stores and not kept: every worker reads the same, so that there is
    nothing to add up.
    """

    def __init__(self) -> None:
        self.pairs: Sequence[PairState] = ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for member, name, text in _FAMILIES:
            family = GaugeMetricFamily(name, text, labels=("region", "peer"))
            for pair in self.pairs:
                value = getattr(pair, member)
                if value is not None:
                    family.add_metric((pair.region, pair.peer), value)
            yield family
