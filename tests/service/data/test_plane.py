"""Around the operations: identifiers, rates, counters, the log and the trail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from keyferry.service.authz.access_keys import development_keys
from keyferry.service.context import Limits
from keyferry.service.dispatch import Dispatcher
from keyferry.service.operation import DATA, Operation
from keyferry.service.region import open_regions
from keyferry.service.settings import ServiceSettings
from keyferry.service.wire.http import HTTPRequest, HTTPResponse, joined_headers

ACCOUNT = "111122223333"
PLAIN = b"1234".hex() * 4
REDACTED = "*** Sensitive Data Redacted ***"
CARD = {
    "PrimaryAccountNumber": "4123456789012345",
    "VerificationAttributes": {
        "CardVerificationValue1": {"CardExpiryDate": "8701", "ServiceCode": "101"}
    },
    "ValidationData": "561",
}
Serve = Callable[..., Dispatcher]


class Service:
    """A dispatcher, without a server around it."""

    def __init__(self, put: Callable[..., str], **options: Any) -> None:
        self.regions = open_regions(ServiceSettings(dev=True, regions=("us-east-1",)))
        self.region = self.regions["us-east-1"]
        self.dispatcher = Dispatcher(self.regions, development_keys(), **options)
        self._put = put

    def put(self, *given: Any, **members: Any) -> str:
        return self._put(self.region.store, *given, **members)

    async def call(self, path: str, members: Any = None, *, secret: str = "test") -> HTTPResponse:
        body = json.dumps(members or {}).encode()
        request = AWSRequest(
            method="POST",
            url=f"http://127.0.0.1:8600{path}",
            data=body,
            headers={"User-Agent": "tester/1", "Host": "127.0.0.1:8600"},
        )
        credentials = Credentials("test", secret)
        SigV4Auth(credentials, "payment-cryptography", "us-east-1").add_auth(request)
        headers = [
            (name.lower().encode(), value if isinstance(value, bytes) else str(value).encode())
            for name, value in request.prepare().headers.items()
        ]
        return await self.dispatcher.handle(
            HTTPRequest(
                method="POST",
                path=path.encode(),
                query=b"",
                headers=joined_headers(headers),
                body=body,
                client="192.0.2.9",
            )
        )

    async def events(self) -> list[dict[str, Any]]:
        await self.region.audit.flush()
        found = self.region.store.audit_events(ACCOUNT, limit=100)
        return [json.loads(record.body) for _, record in found]


@pytest.fixture
async def make(put_into: Callable[..., str], quiet_log: None) -> Any:
    made: list[Service] = []

    def one(**options: Any) -> Service:
        made.append(Service(put_into, **options))
        return made[-1]

    yield one
    for service in made:
        for region in service.regions.values():
            await region.close()
        service.dispatcher.close()


# --- identifiers -------------------------------------------------------------------------------


def encoded(identifier: str) -> str:
    return identifier.replace(":", "%3A").replace("/", "%2F")


async def test_every_form_of_identifier(make: Any, tools: Any) -> None:
    """ARN, alias and alias ARN, with colons encoded or bare; answers name the ARN."""
    service = make()
    arn = service.put("D0", "AES_128", "B", tools.aes)
    from keyferry.service.store.records import AliasRecord

    alias = AliasRecord(account=ACCOUNT, name="alias/my/key_1-x", key_id=arn.rpartition("/")[2])
    await service.region.store.write(lambda tx: tx.insert_alias(alias))
    alias_arn = arn.rpartition("key/")[0] + alias.name
    members = {"PlainText": PLAIN, "EncryptionAttributes": {"Symmetric": {"Mode": "ECB"}}}
    for part in (
        encoded(arn),
        arn.replace("/", "%2F"),
        encoded(arn).lower().replace("%3a", "%3A"),
        encoded(alias.name),
        encoded(alias_arn),
    ):
        response = await service.call(f"/keys/{part}/encrypt", members)
        assert response.status == 200, part
        assert json.loads(response.body)["KeyArn"] == arn
    response = await service.call(f"/keys/{encoded('alias/none')}/encrypt", members)
    assert (response.status, json.loads(response.body)) == (404, {"ResourceId": "alias/none"})
    foreign = arn.replace(ACCOUNT, "999988887777")
    response = await service.call(f"/keys/{encoded(foreign)}/encrypt", members)
    assert response.status == 403
    assert (
        "not authorized to perform: payment-cryptography:EncryptData"
        in json.loads(response.body)["Message"]
    )


@pytest.mark.parametrize("part", ["%61lias%2Fa", "alias%252Fa", "key", "%", "%zz", "alias%2Fa%20b"])
async def test_segments_that_are_no_identifier(make: Any, part: str) -> None:
    """They are decoded once, and then held against the API's pattern."""
    service = make()
    members = {"PlainText": PLAIN, "EncryptionAttributes": {"Symmetric": {"Mode": "ECB"}}}
    response = await service.call(f"/keys/{part}/encrypt", members)
    # Encoded letters are letters: that one names an alias nobody made.
    assert response.status == (404 if part.startswith("%61") else 400)


async def test_unknown_paths_and_methods(make: Any) -> None:
    """Nothing is there."""
    service = make()
    for path in ("/keys", "/mac/generate/x", "/keys/a/b/encrypt"):
        assert (await service.call(path)).status == 404


# --- authentication and rates ------------------------------------------------------------------


async def test_signature_comes_first(make: Any) -> None:
    """Before the shape, and before anything is known of the key."""
    service = make()
    response = await service.call("/mac/generate", {"KeyIdentifier": 7}, secret="other")
    assert response.status == 403
    assert response.error_type == b"InvalidSignatureException"


async def test_rates(make: Any, tools: Any) -> None:
    """The plane has a rate, and keys that are pairs have a lower one within it."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    limits = Limits(data_requests_per_second=1e-6, asymmetric_data_requests_per_second=None)
    service = make(limits=limits)
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    statuses = [
        (await service.call("/cardvalidationdata/verify", {"KeyIdentifier": arn, **CARD})).status
        for _ in range(2)
    ]
    assert statuses == [200, 429]
    service = make(limits=Limits(asymmetric_data_requests_per_second=1e-6))
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    pair = service.put("D1", "RSA_2048", "B", rsa.generate_private_key(65537, 2048))
    rsa_call = {
        "PlainText": PLAIN,
        "EncryptionAttributes": {"Asymmetric": {"PaddingType": "OAEP_SHA256"}},
    }
    path = f"/keys/{encoded(pair)}/encrypt"
    assert (await service.call(path, rsa_call)).status == 200
    response = await service.call(path, rsa_call)
    assert (response.status, response.error_type) == (429, b"ThrottlingException")
    response = await service.call("/cardvalidationdata/verify", {"KeyIdentifier": arn, **CARD})
    assert response.status == 200


async def test_a_call_counts_once(make: Any, tools: Any) -> None:
    """However many of its keys are asymmetric."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    service = make(limits=Limits(asymmetric_data_requests_per_second=1e-6))
    private_key = rsa.generate_private_key(65537, 2048)
    pair = service.put("D1", "RSA_2048", "B", private_key)
    oaep = {"Asymmetric": {"PaddingType": "OAEP_SHA1"}}
    from keyferry.crypto.rsa_data import RSAPadding, rsa_encrypt

    text = rsa_encrypt(private_key.public_key(), b"data", RSAPadding.OAEP_SHA1)
    response = await service.call(
        f"/keys/{encoded(pair)}/reencrypt",
        {
            "OutgoingKeyIdentifier": pair,
            "CipherText": text.hex(),
            "IncomingEncryptionAttributes": oaep,
            "OutgoingEncryptionAttributes": oaep,
        },
    )
    assert response.status == 200


# --- what is written about a call --------------------------------------------------------------


async def test_calls_are_counted_and_not_written(make: Any, tools: Any) -> None:
    """Unless the trail is asked for, the store is not touched."""
    service = make()
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    for value in ("561", "562"):
        members = {"KeyIdentifier": arn, **CARD, "ValidationData": value}
        await service.call("/cardvalidationdata/verify", members)
    assert await service.events() == []
    text = service.dispatcher.metrics.text().decode()
    for code in ("OK", "VerificationFailedException"):
        assert (
            f'keyferry_requests_total{{code="{code}",operation="VerifyCardValidationData",'
            f'region="us-east-1"}} 1.0' in text
        )


async def test_trail_of_data_events(make: Any, tools: Any) -> None:
    """Each call once, redacted, in category Data; refusals with their error."""
    service = make(audit_data_events=True)
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    aes = service.put("D0", "AES_128", "B", tools.aes)
    await service.call("/cardvalidationdata/verify", {"KeyIdentifier": arn, **CARD})
    await service.call(
        "/cardvalidationdata/verify", {"KeyIdentifier": arn, **CARD, "ValidationData": "562"}
    )
    await service.call(
        f"/keys/{encoded(aes)}/encrypt",
        {"PlainText": PLAIN, "EncryptionAttributes": {"Symmetric": {"Mode": "ECB"}}},
    )
    await service.call("/mac/generate", {"KeyIdentifier": arn, "MessageData": "zz"})
    await service.call("/mac/generate", {"KeyIdentifier": arn}, secret="other")
    events = await service.events()
    assert [(event["eventName"], event.get("errorCode")) for event in events] == [
        ("VerifyCardValidationData", None),
        ("VerifyCardValidationData", "VerificationFailedException"),
        ("EncryptData", None),
        ("GenerateMac", "ValidationException"),
    ]
    first = events[0]
    assert (first["eventCategory"], first["managementEvent"], first["readOnly"]) == (
        *("Data", False),
        True,
    )
    assert first["requestParameters"] == {
        "keyIdentifier": arn,
        "primaryAccountNumber": REDACTED,
        "verificationAttributes": {
            "cardVerificationValue1": {"cardExpiryDate": REDACTED, "serviceCode": REDACTED}
        },
        "validationData": REDACTED,
    }
    assert first["responseElements"] is None
    assert first["sourceIPAddress"] == "192.0.2.9"
    assert first["userAgent"] == "tester/1"
    assert first["recipientAccountId"] == ACCOUNT
    assert events[2]["requestParameters"]["keyIdentifier"] == aes
    assert events[2]["requestParameters"]["plainText"] == REDACTED
    written = json.dumps(events)
    for secret in (CARD["PrimaryAccountNumber"], PLAIN, "8701", "561", "562"):
        assert f'"{secret}"' not in written


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """What the service logs, at level info."""
    import logging

    with structlog.testing.capture_logs() as captured:
        yield captured
    logging.getLogger().setLevel(logging.WARNING)


async def test_faults_keep_their_words(
    make: Any, tools: Any, events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong inside is an internal error; the log says where."""

    async def fails(_context: Any, _request: Any) -> Any:
        raise ValueError("key 0123456789ABCDEF")

    broken = Operation("GenerateMac", fails, read_only=True)
    monkeypatch.setattr(DATA, "get", lambda _: broken)
    service = make()
    response = await service.call(
        "/mac/generate",
        {
            "KeyIdentifier": "alias/a",
            "MessageData": "00",
            "GenerationAttributes": {"Algorithm": "CMAC"},
        },
    )
    assert (response.status, response.error_type) == (500, b"InternalServerException")
    assert b"0123" not in response.body
    failures = [event for event in events if event["event"] == "request_failed"]
    assert failures[0]["error"] == "ValueError"
    assert "0123456789ABCDEF" not in json.dumps(events)


async def test_clock_is_read_once(make: Any, tools: Any) -> None:
    """The operation and the signature see the same moment."""
    readings: list[datetime] = []

    def clock() -> datetime:
        readings.append(datetime.now(UTC))
        return readings[-1]

    service = make(clock=clock)
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    await service.call("/cardvalidationdata/verify", {"KeyIdentifier": arn, **CARD})
    assert len(readings) == 1


async def test_request_ids_are_uuids_and_differ(make: Any, tools: Any) -> None:
    """Of version 4, as clients may expect."""
    import uuid

    service = make()
    seen = set()
    for _ in range(50):
        response = await service.call("/mac/generate")
        assert uuid.UUID(response.request_id).version == 4
        seen.add(response.request_id)
    assert len(seen) == 50
