"""AWS endpoints as a client: what is retried, what is not, and refusals in words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import moto
import pytest

from keyferry.errors import ConfigurationError, ExchangeError, RemoteRefusedError
from keyferry.exchange.aws import AWSClient, Endpoint

KEY = {"Key": {"KeyArn": "arn:key"}}
MATERIAL = {"Tr31KeyBlock": {"WrappingKeyIdentifier": "alias/kek", "WrappedKeyBlock": "D" * 56}}


class Fake:
    """An endpoint that gives the answers it was told, one a request; then the last again."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = [(200, KEY)]
        self.calls: list[str] = []
        self.tokens: list[str] = []
        self.raw = b""
        self.release = threading.Event()
        self.arrived = threading.Event()
        self.release.set()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                fake.calls.append(self.headers.get("X-Amz-Target", "").rsplit(".", 1)[-1])
                fake.tokens.append(self.headers.get("X-Amz-Security-Token", ""))
                fake.arrived.set()
                fake.release.wait(20)
                status, body = fake.answers.pop(0) if len(fake.answers) > 1 else fake.answers[0]
                data = fake.raw or json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(data)))
                with contextlib.suppress(OSError):  # the client may have given up
                    self.end_headers()
                    self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials in the environment, and nothing else of AWS."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "no-such-file"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")


@pytest.fixture
def fake(credentials: None) -> Iterator[Fake]:
    """A running fake endpoint."""
    endpoint = Fake()
    yield endpoint
    endpoint.close()


@pytest.fixture
def client(fake: Fake) -> Iterator[Callable[..., AWSClient]]:
    """Make clients of the fake."""
    made: list[AWSClient] = []

    def make(**endpoint: Any) -> AWSClient:
        described = {"region": "us-east-1", "endpoint_url": fake.url, **endpoint}
        made.append(
            AWSClient("payment-cryptography", Endpoint(**described), place="c.json: krd.apc")
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


def refusal(code: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    """An error answer."""
    return status, {"__type": code, "Message": "in words"}


async def test_a_read_is_retried(fake: Fake, client) -> None:
    """A call that changes nothing is asked again when the endpoint fails."""
    fake.answers = [refusal("InternalServerException", 500), (200, KEY)]
    assert (await client().read("get_key", KeyIdentifier="alias/x"))["Key"] == KEY["Key"]
    assert fake.calls == ["GetKey", "GetKey"]


async def test_a_write_is_not_retried_when_its_outcome_is_unknown(fake: Fake, client) -> None:
    """An internal error may have created the key, so it is not asked again."""
    fake.answers = [refusal("InternalServerException", 500), (200, KEY)]
    with pytest.raises(RemoteRefusedError, match="ImportKey refused with InternalServerException"):
        await client().write("import_key", KeyMaterial=MATERIAL)
    assert fake.calls == ["ImportKey"]


async def test_a_throttled_write_is_asked_again(fake: Fake, client) -> None:
    """A throttled call did nothing, so it is asked again."""
    fake.answers = [refusal("ThrottlingException"), (200, KEY)]
    made: list[dict[str, Any]] = []
    await client().write("import_key", made=made.append, KeyMaterial=MATERIAL)
    assert fake.calls == ["ImportKey", "ImportKey"]
    assert [answer["Key"] for answer in made] == [KEY["Key"]]


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AccessDeniedException", "permission"),
        ("UnrecognizedClientException", "access key"),
        ("ResourceNotFoundException", "key ARN or alias"),
        ("ValidationException", None),
    ],
)
async def test_refusals(fake: Fake, client, code: str, hint: str | None) -> None:
    """A refusal names operation, code and reason; known codes come with a hint."""
    fake.answers = [refusal(code)]
    with pytest.raises(RemoteRefusedError, match=f"GetKey refused with {code}: in words") as caught:
        await client().read("get_key", KeyIdentifier="alias/x")
    assert (hint in (caught.value.hint or "")) if hint else caught.value.hint is None


async def test_no_answer_in_time(fake: Fake, client) -> None:
    """A write without an answer says that its outcome is unknown, and what to look at."""
    fake.release.clear()
    with pytest.raises(ExchangeError, match="whether it acted is unknown") as caught:
        await client(timeout_s=0.2).write("import_key", KeyMaterial=MATERIAL)
    fake.release.set()
    assert "newest keys" in (caught.value.hint or "")


async def test_an_endpoint_that_is_not_there(credentials: None) -> None:
    """The URL that cannot be reached is told."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    endpoint = Endpoint(region="us-east-1", endpoint_url=url)
    client = AWSClient("payment-cryptography", endpoint, place="c.json: krd.apc")
    with pytest.raises(ExchangeError, match=f"CreateKey: {url}/? cannot be reached"):
        await client.write(
            "create_key",
            KeyAttributes={
                "KeyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
                "KeyClass": "SYMMETRIC_KEY",
                "KeyAlgorithm": "AES_128",
                "KeyModesOfUse": {"Encrypt": True},
            },
            Exportable=True,
        )
    client.close()


async def test_a_cancelled_write_is_seen_through(fake: Fake, client) -> None:
    """What a cancelled call created is still noted, so that it can be taken back."""
    fake.release.clear()
    made: list[dict[str, Any]] = []
    task = asyncio.create_task(client().write("import_key", made=made.append, KeyMaterial=MATERIAL))
    await asyncio.to_thread(fake.arrived.wait, 20)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, fake.release.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [answer["Key"] for answer in made] == [KEY["Key"]]


@pytest.mark.parametrize(
    ("endpoint", "said", "hint"),
    [
        ({}, "c.json.region is missing", "AWS_REGION"),
        ({"region": "us-east-1", "profile": "nobody"}, "nobody", None),
    ],
)
def test_what_the_client_lacks(
    credentials: None, endpoint: dict[str, str], said: str, hint: str | None
) -> None:
    """A missing Region or profile is a configuration error that names the member."""
    with pytest.raises(ConfigurationError) as caught:
        AWSClient("payment-cryptography", Endpoint(**endpoint), place="c.json")
    assert said in str(caught.value)
    assert hint is None or hint in (caught.value.hint or "")


async def test_missing_credentials(fake: Fake, client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the hint says how to set them."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="no AWS credentials found") as caught:
        await client().read("get_key", KeyIdentifier="alias/x")
    assert "AWS_ACCESS_KEY_ID" in (caught.value.hint or "")
    assert fake.calls == []


async def test_a_role_is_assumed_first(fake: Fake, client) -> None:
    """With assume_role the calls are signed with the role's temporary credentials."""
    with moto.mock_aws():
        assumed = client(assume_role="arn:aws:iam::111122223333:role/Exchange")
    await assumed.read("get_key", KeyIdentifier="alias/x")
    assert fake.calls == ["GetKey"]
    assert fake.tokens[0]


async def test_a_role_that_cannot_be_assumed(fake: Fake, client, monkeypatch) -> None:
    """An STS that answers nonsense is told by the operation."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", fake.url)
    fake.answers = [refusal("AccessDenied", 403)]
    with pytest.raises(ExchangeError, match="AssumeRole: the answer is not one of the service"):
        client(assume_role="arn:aws:iam::111122223333:role/Exchange")


async def test_an_answer_of_something_else(fake: Fake, client) -> None:
    """A page instead of JSON: its text is not repeated, its outcome unknown."""
    fake.raw = b"<html>login</html>"
    with pytest.raises(ExchangeError, match="ImportKey: the answer is not one") as caught:
        await client().write("import_key", KeyMaterial=MATERIAL)
    assert "login" not in str(caught.value)
