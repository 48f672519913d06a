"""`KeyferryAdmin.ListEvents` and `keyferry events tail`, over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Protocol

import pytest

from keyferry.cli.admin_client import AdminClient
from keyferry.errors import ConfigurationError, ExchangeError, RemoteRefusedError

CREATE = {
    "KeyAttributes": {
        "KeyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
        "KeyClass": "SYMMETRIC_KEY",
        "KeyAlgorithm": "AES_128",
        "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
    },
    "Exportable": True,
}


class RunningService(Protocol):
    url: str

    def client(self, region: str = "us-east-1", **options: Any) -> Any: ...


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The development access key, the AWS way, and nothing of the machine's own settings."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def admin(running_service: RunningService, credentials: None) -> Any:
    client = AdminClient(endpoint_url=running_service.url, region="us-east-1")
    yield client
    client.close()


def tail(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "keyferry", "events", "tail", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_write_is_in_the_trail_at_once(running_service: RunningService, admin: Any) -> None:
    """When CreateKey answers, its record can be read; positions lead from page to page."""
    start = admin.call("ListEvents", {"MaxResults": 1})["Position"]
    arns = [running_service.client().create_key(**CREATE)["Key"]["KeyArn"] for _ in range(3)]
    seen: list[dict[str, Any]] = []
    position = start
    while True:
        page = admin.call("ListEvents", {"After": position, "MaxResults": 2})
        if not page["Events"]:
            assert page["Position"] == position
            break
        assert page["Position"] > position
        position = page["Position"]
        seen += page["Events"]
    created = [event for event in seen if event["eventName"] == "CreateKey"]
    assert [event["responseElements"]["key"]["keyArn"] for event in created] == arns
    assert created[0]["userIdentity"]["accountId"] == "111122223333"
    newest = admin.call("ListEvents", {"MaxResults": len(seen)})
    assert newest["Events"] == seen


def test_other_region_other_trail(
    running_service: RunningService, admin: Any, credentials: None
) -> None:
    """A Region shows its own events only."""
    arn = running_service.client("us-west-2").create_key(**CREATE)["Key"]["KeyArn"]
    west = AdminClient(endpoint_url=running_service.url, region="us-west-2")
    assert arn in json.dumps(west.call("ListEvents", {"MaxResults": 10}))
    assert arn not in json.dumps(admin.call("ListEvents", {"MaxResults": 1000}))
    west.close()


@pytest.mark.parametrize(
    "parameters", [{"After": -1}, {"MaxResults": 0}, {"MaxResults": 1001}, {"After": "x"}]
)
def test_malformed_requests_are_refused(admin: Any, parameters: dict[str, Any]) -> None:
    """With an error of the API, and the connection stays usable."""
    with pytest.raises(RemoteRefusedError):
        admin.call("ListEvents", parameters)
    assert admin.call("ListEvents", {})["Position"] >= 0


def test_unknown_operation_and_wrong_secret(
    running_service: RunningService, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refusals carry the service's code."""
    with pytest.raises(RemoteRefusedError, match="UnknownOperationException"):
        admin.call("Nothing", {})
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    client = AdminClient(endpoint_url=running_service.url, region="us-east-1")
    with pytest.raises(RemoteRefusedError, match="InvalidSignatureException"):
        client.call("ListEvents", {})
    client.close()


def test_settings_that_cannot_work(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Region, AWS itself as endpoint, no credentials: configuration errors before any call."""
    with pytest.raises(ConfigurationError, match="no Region"):
        AdminClient(endpoint_url="http://127.0.0.1:1", region=None)
    with pytest.raises(ConfigurationError, match="no endpoint given"):
        AdminClient(endpoint_url=None, region="us-east-1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="no credentials"):
        AdminClient(endpoint_url="http://127.0.0.1:1", region="us-east-1")


def test_nobody_listens(credentials: None) -> None:
    """A service that is not there is told as such."""
    client = AdminClient(endpoint_url="http://127.0.0.1:1", region="us-east-1")
    with pytest.raises(ExchangeError, match="no answer from http://127"):
        client.call("ListEvents", {})


class TestTail:
    def test_json_is_one_document(self, running_service: RunningService, credentials: None) -> None:
        """The newest events and a position, and nothing else on standard output."""
        arn = running_service.client().create_key(**CREATE)["Key"]["KeyArn"]
        done = tail(
            *("--endpoint-url", running_service.url, "--region", "us-east-1"),
            *("--limit", "3", "--output", "json"),
        )
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert arn in json.dumps(document["events"])
        assert len(document["events"]) <= 3
        assert document["position"] > 0

    def test_table_has_a_line_an_event(
        self, running_service: RunningService, credentials: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When, who, what, how it ended, on which key; endpoint and Region from the environment."""
        arn = running_service.client().create_key(**CREATE)["Key"]["KeyArn"]
        monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY", running_service.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        done = tail("--limit", "50")
        assert done.returncode == 0, done.stderr
        (line,) = [line for line in done.stdout.splitlines() if line.endswith(arn)]
        assert line.split()[2:4] == ["CreateKey", "ok"]

    def test_follow_shows_new_events(
        self, running_service: RunningService, credentials: None
    ) -> None:
        """An event made while it follows appears on a line of its own."""
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "keyferry", "events", "tail", "--follow"),
                *("--endpoint-url", running_service.url, "--region", "us-west-2"),
                *("--limit", "1", "--output", "json"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        client = running_service.client("us-west-2")
        first = client.create_key(**CREATE)["Key"]["KeyArn"]
        line = process.stdout.readline()
        while first not in line:
            line = process.stdout.readline()
        second = client.create_key(**CREATE)["Key"]["KeyArn"]
        event = json.loads(process.stdout.readline())
        assert event["responseElements"]["key"]["keyArn"] == second
        process.kill()
        process.communicate()

    def test_usage_errors(self, running_service: RunningService, credentials: None) -> None:
        """Exit code 2 for what the settings alone show, 1 for a refusal."""
        assert tail("--endpoint-url", running_service.url).returncode == 2
        assert tail("--limit", "0").returncode == 2
        refused = tail("--endpoint-url", running_service.url, "--region", "eu-west-1")
        assert refused.returncode == 1
        assert "UnrecognizedClientException" in refused.stderr
