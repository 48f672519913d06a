"""Two service processes on one PostgreSQL, under clients that all want the same things."""

from __future__ import annotations

import collections
import json
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from keyferry.service.store.opening import open_store
from keyferry.testing.postgresql import PostgreSQLCluster

ACCOUNT = "111122223333"
REGION = "us-east-1"
CLIENTS, THINGS, CALLS = 32, 20, 25
REFUSALS = {"ConflictException", "ResourceNotFoundException", "ValidationException"}


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    file = tmp_path / "credentials.toml"
    file.write_text(
        f'[[access_key]]\nid = "AKIDPOSTGRESQL"\nsecret = "postgresql-secret"\n'
        f'account = "{ACCOUNT}"\nprincipal = "arn:aws:iam::{ACCOUNT}:user/ops"\n'
    )
    file.chmod(0o600)
    return file


def client(url: str, service: str = "payment-cryptography") -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="AKIDPOSTGRESQL",
        aws_secret_access_key="postgresql-secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


def create_key(api: Any) -> str:
    answer = api.create_key(
        Exportable=True,
        KeyAttributes={
            "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
            "KeyClass": "SYMMETRIC_KEY",
            "KeyAlgorithm": "TDES_2KEY",
            "KeyModesOfUse": {"Generate": True, "Verify": True},
        },
    )
    return str(answer["Key"]["KeyArn"])


def test_no_lost_and_no_double_effect(
    serve: Callable[..., Any],
    credentials: Path,
    postgresql: PostgreSQLCluster,
    postgresql_url: str,
    tmp_path: Path,
) -> None:
    """
    An alias is created once before it is deleted once, a deletion scheduled once before it is
    undone once, whoever asks for it where; and each of it has one record in the trail.
    """
    options = ("--regions", REGION, "--store", postgresql_url, "--credentials", str(credentials))
    try:
        services = [serve(*options), serve(*options)]
        clients = [client(services[number % 2].url) for number in range(CLIENTS)]
        arns = [create_key(clients[number % 2]) for number in range(THINGS)]
        done: collections.Counter[tuple[str, int]] = collections.Counter()
        unexpected: list[str] = []
        lock = threading.Lock()

        def work(number: int) -> None:
            api, chance = clients[number], random.Random(number)
            for _ in range(CALLS):
                thing = chance.randrange(THINGS)
                alias, arn = f"alias/thing-{thing}", arns[thing]
                name = chance.choice(["CreateAlias", "DeleteAlias", "DeleteKey", "RestoreKey"])
                calls = {
                    "CreateAlias": partial(api.create_alias, AliasName=alias),
                    "DeleteAlias": partial(api.delete_alias, AliasName=alias),
                    "DeleteKey": partial(api.delete_key, KeyIdentifier=arn),
                    "RestoreKey": partial(api.restore_key, KeyIdentifier=arn),
                }
                try:
                    calls[name]()
                except ClientError as error:
                    if error.response["Error"]["Code"] not in REFUSALS:
                        unexpected.append(f"{name}: {error}")
                else:
                    with lock:
                        done[name, thing] += 1

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(work, range(CLIENTS)))
        assert unexpected == []
        assert sum(done.values()) > CLIENTS * CALLS / 5
        there = {
            alias["AliasName"]
            for page in clients[1].get_paginator("list_aliases").paginate()
            for alias in page["Aliases"]
        }
        for thing, arn in enumerate(arns):
            left = done["CreateAlias", thing] - done["DeleteAlias", thing]
            assert left == (f"alias/thing-{thing}" in there)
            pending = clients[0].get_key(KeyIdentifier=arn)["Key"]["KeyState"] == "DELETE_PENDING"
            assert done["DeleteKey", thing] - done["RestoreKey", thing] == pending
        assert [service.end() for service in services] == [0, 0]
        key = f"file:{tmp_path}/data/keyferry/master-{REGION}.key"
        with open_store(f"{postgresql_url}-{REGION}", region=REGION, master_key=key) as store:
            bodies = [
                json.loads(record.body) for _, record in store.audit_events(ACCOUNT, limit=100_000)
            ]
        recorded = collections.Counter(
            body["eventName"] for body in bodies if "errorCode" not in body
        )
        for name in ("CreateAlias", "DeleteAlias", "DeleteKey", "RestoreKey"):
            assert recorded[name] == sum(done[name, thing] for thing in range(THINGS))
    finally:
        postgresql.drop(f"{postgresql_url.rpartition('/')[2]}-{REGION}")


def test_a_stopped_key_is_stopped_everywhere(
    serve: Callable[..., Any],
    credentials: Path,
    postgresql: PostgreSQLCluster,
    postgresql_url: str,
) -> None:
    """A key opened for use in one process is refused there once another process stopped it."""
    options = ("--regions", REGION, "--store", postgresql_url, "--credentials", str(credentials))
    try:
        services = [serve(*options), serve(*options)]
        one = client(services[0].url)
        data = client(services[1].url, "payment-cryptography-data")
        arn = create_key(one)

        def generate() -> Any:
            return data.generate_card_validation_data(
                KeyIdentifier=arn,
                PrimaryAccountNumber="4111111111111111",
                GenerationAttributes={
                    "CardVerificationValue1": {"CardExpiryDate": "1230", "ServiceCode": "101"}
                },
            )

        first = generate()["ValidationData"]
        assert generate()["ValidationData"] == first
        one.stop_key_usage(KeyIdentifier=arn)
        waited = threading.Event()
        refused = None
        for _ in range(30):
            try:
                generate()
            except ClientError as error:
                refused = error.response["Error"]["Code"]
                break
            waited.wait(0.05)
        assert refused == "ValidationException"
        # The database restarts, and the services go on without a person's help.
        postgresql.restart()
        one.start_key_usage(KeyIdentifier=arn)
        for _ in range(100):
            try:
                assert generate()["ValidationData"] == first
                break
            except ClientError:
                waited.wait(0.05)
        else:
            raise AssertionError("the key was not usable again")
    finally:
        for service in services:
            service.end()
        postgresql.drop(f"{postgresql_url.rpartition('/')[2]}-{REGION}")
