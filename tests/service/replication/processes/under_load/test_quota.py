"""The quota of keys of a Region that has replicas of another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = "the quota of keys in us-west-2 is used up"


def test_a_quota_that_is_reached_in_the_peer(
    clients: Any,
    make_pair: Callable[..., Any],
    tools: Any,
    tmp_path: Path,
    until: Callable[..., Any],
) -> None:
    """
    What has no room is FAILED, in words, and nothing else is touched; with a larger quota and
    `regions replay` it arrives.
    """
    limits = tmp_path / "limits.toml"
    limits.write_text("keys = 8\n")
    pair = make_pair()
    west = pair.site(tools.west)
    west.options += ["--limits", str(limits)]
    pair.start()
    load = clients.load(pair, seed=8)
    load.more(60, tools.east)
    load.end()
    # Room for fewer keys than the east has, whatever else became of them.
    line = pair.line(tools.east)
    made = [
        line.call(
            "CreateKey",
            KeyAttributes=tools.cvk,
            Exportable=True,
            ReplicationRegions=[tools.west],
        ).document["Key"]["KeyArn"]
        for _ in range(9)
    ]

    def entry(arn: str) -> tuple[str, str | None]:
        key = line.call("GetKey", KeyIdentifier=arn).document["Key"]
        found = key["ReplicationStatus"][tools.west]
        return found["Status"], found.get("StatusMessage")

    until(lambda: all(entry(arn)[0] in ("FAILED", "SYNCHRONIZED") for arn in made))
    assert ("FAILED", WORDS) in {entry(arn) for arn in made}
    assert {entry(arn) for arn in made} <= {("FAILED", WORDS), ("SYNCHRONIZED", None)}

    outcome = pair.command(tools.east, "verify")
    assert outcome.code == 1
    (found,) = outcome.document["pairs"]
    assert found["pending"] == 0
    assert {item["kind"] for item in found["drift"]} == {"GIVEN_UP"}
    assert all(item["primary"].endswith(WORDS) for item in found["drift"])
    letters = pair.command(tools.east, "replay", "--list").document["dead_letters"]
    assert {letter["message"] for letter in letters} == {WORDS}
    assert len(letters) == len(found["drift"])
    # The other way there is room, and nothing to repair.
    assert pair.command(tools.west, "verify").code == 0

    limits.write_text("keys = 500\n")
    west.stop()
    pair.start()
    # A link that starts tries again what was given up; here nothing restarted but the peer.
    assert pair.command(tools.east, "replay").document["replayed"] == len(letters)
    clients.check(pair, load)
    assert {entry(arn) for arn in made} == {("SYNCHRONIZED", None)}
    line.close()
    pair.stop()
