"""What follows keys to other Regions beside what the API replicates: their aliases and tags."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

from keyferry.errors import ConfigurationError

Pair = tuple[str, str]  # from a Region, to a Region


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """
    Ordered pairs of Regions. Only the sending side has to know them: what a peer sends is applied.
    """

    aliases: frozenset[Pair] = frozenset()
    tags: frozenset[Pair] = frozenset()

    @classmethod
    def parse(cls, *, aliases: Sequence[str], tags: Sequence[str]) -> Self:
        """
        Read the pairs as the command line gives them, `us-east-1:us-west-2` each.

        Raises:
            ConfigurationError: one is no pair of two Regions.
        """
        return cls(
            aliases=_pairs("--replicate-aliases", aliases), tags=_pairs("--replicate-tags", tags)
        )

    def check(self, *, served: Collection[str], peers: Collection[str]) -> None:
        """
        Refuse pairs this service cannot send along.

        Args:
            served: the Regions of this service.
            peers: Regions of others that it knows the way to.

        Raises:
            ConfigurationError: a pair begins at a Region that is not served here, or ends at one
                that is neither served nor a peer.
        """
        for option, pairs in (
            ("--replicate-aliases", self.aliases),
            ("--replicate-tags", self.tags),
        ):
            for source, target in sorted(pairs):
                if source not in served:
                    raise ConfigurationError(
                        f"{option} {source}:{target}: {source} is not served here",
                        hint="the option belongs to the service that serves the first Region",
                    )
                if target not in served and target not in peers:
                    raise ConfigurationError(
                        f"{option} {source}:{target}: {target} is neither served here nor a peer",
                        hint=f"add it to --regions, or give --peer {target}=URL",
                    )

    def aliases_from(self, region: str) -> frozenset[str]:
        """The Regions aliases of `region` follow their keys to."""
        return frozenset(target for source, target in self.aliases if source == region)

    def tags_from(self, region: str) -> frozenset[str]:
        """The Regions tags of keys of `region` follow to."""
        return frozenset(target for source, target in self.tags if source == region)


NOTHING_FOLLOWS = Following()


def _pairs(option: str, given: Sequence[str]) -> frozenset[Pair]:
    pairs = set()
    for text in given:
        source, colon, target = text.partition(":")
        if not (colon and source and target) or ":" in target:
            raise ConfigurationError(f"{option} {text!r}: expected two Regions, SRC:DST")
        if source == target:
            raise ConfigurationError(f"{option} {text}: the two Regions are the same")
        pairs.add((source, target))
    return frozenset(pairs)
