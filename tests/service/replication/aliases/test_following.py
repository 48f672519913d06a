"""Between which Regions aliases and tags follow, as the command line says it."""

from __future__ import annotations

import pytest

from keyferry.errors import ConfigurationError
from keyferry.service.replication.following import Following
from keyferry.service.settings import ServiceSettings

EAST, WEST = "us-east-1", "us-west-2"


def test_pairs_by_their_source() -> None:
    """Each option has its own pairs, each pair one direction."""
    read = Following.parse(aliases=["us-east-1:us-west-2", "us-east-1:eu-west-1"], tags=[])
    assert read.aliases_from(EAST) == {WEST, "eu-west-1"}
    assert read.aliases_from(WEST) == frozenset()
    assert read.tags_from(EAST) == frozenset()
    assert Following.parse(aliases=[], tags=["us-west-2:us-east-1"]).tags_from(WEST) == {EAST}


@pytest.mark.parametrize(
    "text", ["", "us-east-1", "us-east-1:", ":us-west-2", "a:b:c", "us-east-1:us-east-1"]
)
@pytest.mark.parametrize("option", ["aliases", "tags"])
def test_what_is_no_pair(text: str, option: str) -> None:
    """The error names the option."""
    pairs = {"aliases": [], "tags": []} | {option: [text]}
    with pytest.raises(ConfigurationError, match=f"--replicate-{option}"):
        Following.parse(**pairs)  # type: ignore[arg-type]


def test_regions_that_are_not_there() -> None:
    """A source must be served here; a target may be a peer's."""
    following = Following.parse(aliases=["us-east-1:eu-west-1"], tags=[])
    with pytest.raises(ConfigurationError, match="eu-west-1 is neither served here nor a peer"):
        ServiceSettings(dev=True, following=following)
    following.check(served=(EAST, WEST), peers=frozenset({"eu-west-1"}))
    with pytest.raises(ConfigurationError, match="us-east-1 is not served here"):
        ServiceSettings(dev=True, regions=(WEST, "eu-west-1"), following=following)
