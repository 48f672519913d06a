"""`keyferry serve` twice: aliases, tags and keys that were there before, on their way between."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config

from keyferry.cli.main import run

EAST, WEST = "us-east-1", "us-west-2"
CVK = {
    "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
    "KeyClass": "SYMMETRIC_KEY",
    "KeyAlgorithm": "TDES_2KEY",
    "KeyModesOfUse": {"Generate": True, "Verify": True},
}
Serve = Callable[..., Any]


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def client(url: str, region: str) -> Any:
    return boto3.client(
        "payment-cryptography",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def until(condition: Callable[[], bool]) -> None:
    """Ask until it holds; a client's round trip is the pause."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline


def alias_target(west: Any, name: str) -> str | None:
    try:
        return str(west.get_alias(AliasName=name)["Alias"].get("KeyArn"))
    except west.exceptions.ResourceNotFoundException:
        return None


def test_backfill_and_what_follows(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Only the sending service has the options. Keys from before are brought with their tags, their
    aliases come after them, and later changes follow.
    """
    ports = {EAST: free_port(), WEST: free_port()}
    urls = {region: f"http://127.0.0.1:{port}" for region, port in ports.items()}
    pair = f"{EAST}:{WEST}"
    follow = ("--replicate-aliases", pair, "--replicate-tags", pair)
    peer = ("--peer", f"{WEST}={urls[WEST]}")
    first = serve("--dev", "--regions", EAST, *peer, *follow, port=ports[EAST])
    second = serve("--dev", "--regions", WEST, "--peer", f"{EAST}={urls[EAST]}", port=ports[WEST])
    east, west = client(urls[EAST], EAST), client(urls[WEST], WEST)
    tags = [{"Key": "owner", "Value": "issuing"}]
    arns = [
        east.create_key(KeyAttributes=CVK, Exportable=True, Tags=tags)["Key"]["KeyArn"]
        for _ in range(3)
    ]
    there = [arn.replace(EAST, WEST) for arn in arns]
    east.create_alias(AliasName="alias/cvk", KeyArn=arns[0])

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setattr("keyferry.cli.logs.configure_logs", lambda **_: None)
    command = ["regions", "backfill", "--endpoint-url", urls[EAST], "--region", EAST]
    command += ["--to", WEST, "--output", "json"]
    assert run([*command, "--plan"]) == 0
    (planned,) = json.loads(capsys.readouterr().out)["accounts"]
    assert (planned["added"], planned["quota"]["used"]) == (3, 0)
    assert run(command) == 0
    assert json.loads(capsys.readouterr().out)["complete"]

    until(lambda: alias_target(west, "alias/cvk") == there[0])
    for arn in there:
        assert west.list_tags_for_resource(ResourceArn=arn)["Tags"] == tags
    east.update_alias(AliasName="alias/cvk", KeyArn=arns[1])
    east.untag_resource(ResourceArn=arns[2], TagKeys=["owner"])
    until(lambda: alias_target(west, "alias/cvk") == there[1])
    until(lambda: west.list_tags_for_resource(ResourceArn=there[2])["Tags"] == [])
    east.delete_alias(AliasName="alias/cvk")
    until(lambda: alias_target(west, "alias/cvk") is None)
    assert [first.end(), second.end()] == [0, 0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--replicate-aliases", "us-east-1"), "--replicate-aliases 'us-east-1': expected two"),
        (("--replicate-tags", "us-east-1:us-east-1"), "the two Regions are the same"),
        (("--replicate-tags", "eu-west-1:us-east-1"), "eu-west-1 is not served here"),
        (("--replicate-aliases", "us-east-1:eu-west-1"), "neither served here nor a peer"),
    ],
)
def test_pairs_that_cannot_work(
    options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Serve does not start: exit code 2, and the words say which pair and why."""
    assert run(["serve", "--dev", "--port", "0", *options]) == 2
    assert words in capsys.readouterr().err
