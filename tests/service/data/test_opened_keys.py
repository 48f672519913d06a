"""Opened keys: kept, bounded, and gone as soon as anything about them changes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from keyferry.service.opened_keys import OpenedKeys
from keyferry.service.store.interface import Transaction
from keyferry.service.store.opening import open_store
from keyferry.service.store.records import AliasRecord, KeyRecord, KeyState
from keyferry.service.store.store import SQLStore

ACCOUNT = "111122223333"
CARD = {
    "PrimaryAccountNumber": "4123456789012345",
    "VerificationAttributes": {
        "CardVerificationValue1": {"CardExpiryDate": "8701", "ServiceCode": "101"}
    },
    "ValidationData": "561",
}


class CountingStore:
    """A store that counts what is read of it."""

    def __init__(self, store: SQLStore) -> None:
        self._store = store
        self.reads: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def read(*given: Any) -> Any:
            self.reads.append(name)
            return getattr(self._store, name)(*given)

        return read


class CountingVault:
    """A vault that counts what is opened."""

    def __init__(self, vault: Any) -> None:
        self._vault = vault
        self.opened = 0

    def open(self, sealed: Any, *, binding: bytes) -> bytes:
        self.opened += 1
        return self._vault.open(sealed, binding=binding)  # type: ignore[no-any-return]


@pytest.fixture
def counted(service: Any) -> tuple[CountingStore, CountingVault]:
    store, vault = CountingStore(service.store), CountingVault(service.store.vault)
    service.keys = OpenedKeys("us-east-1", store, vault, most=4)  # type: ignore[arg-type]
    return store, vault


async def verify(service: Any, identifier: str) -> None:
    await service.call("VerifyCardValidationData", KeyIdentifier=identifier, **CARD)


def change(store: SQLStore, arn: str, **members: Any) -> KeyRecord:
    """Change a key in the store, as the control plane does."""

    def apply(tx: Transaction) -> KeyRecord:
        record = tx.key(ACCOUNT, arn.rpartition("/")[2])
        assert record is not None
        changed = replace(record, revision=record.revision + 1, **members)
        if changed.state is KeyState.DELETE_COMPLETE:
            tx.destroy_key(changed, replacing=record.revision)
        else:
            tx.update_key(changed, replacing=record.revision)
        return changed

    return store.write_blocking(apply)


async def test_hot_key_costs_one_read(
    service: Any, tools: Any, counted: tuple[CountingStore, CountingVault]
) -> None:
    """Of the epoch; the material is opened once, for whatever name the key is called by."""
    store, vault = counted
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    alias = service.alias("alias/hot", arn)
    for identifier in (arn, alias, arn.rpartition("key/")[0] + alias):
        await verify(service, identifier)
    assert vault.opened == 1
    store.reads.clear()
    for identifier in (arn, alias):
        await verify(service, identifier)
    assert store.reads == ["key_epoch", "key_epoch"]
    assert vault.opened == 1


STOPPED: dict[str, Any] = {"enabled": False}
PENDING: dict[str, Any] = {"state": KeyState.DELETE_PENDING}
GONE: dict[str, Any] = {"state": KeyState.DELETE_COMPLETE, "sealed": None}


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (STOPPED, "is not enabled."),
        (PENDING, "is not in CREATE_COMPLETE state."),
        (GONE, "is not in CREATE_COMPLETE state."),
    ],
)
async def test_changed_key_is_refused_at_once(
    service: Any, tools: Any, members: dict[str, Any], words: str
) -> None:
    """By ARN and by alias, from the change on; one that comes back serves again."""
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    alias = service.alias("alias/a", arn)
    for identifier in (arn, alias):
        await verify(service, identifier)
    members = members | ({"deleted_at": tools.now} if members is GONE else {})
    before = change(service.store, arn, **members)
    for identifier in (arn, alias):
        if identifier is alias and members.get("sealed", 0) is None:
            with pytest.raises(tools.refused) as caught:
                await verify(service, alias)
            assert caught.value.name == "ResourceNotFoundException"
            continue
        refusal = await service.refused(
            "VerifyCardValidationData", KeyIdentifier=identifier, **CARD
        )
        assert refusal.message == f"Key {arn} {words}"
    if members.get("sealed", 0) is not None:
        assert before.sealed is not None
        change(service.store, arn, enabled=True, state=KeyState.CREATE_COMPLETE)
        await verify(service, arn)


async def test_alias_that_moves_is_followed(service: Any, tools: Any) -> None:
    """To another key, to none, and away."""
    first = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    second = service.put("C0", "TDES_2KEY", "C", "FEDCBA98765432100123456789ABCDEF")
    alias = service.alias("alias/a", first)
    await verify(service, alias)

    def point(revision: int, key_id: str | None) -> Callable[[Transaction], None]:
        record = AliasRecord(account=ACCOUNT, name=alias, key_id=key_id, revision=revision + 1)
        return lambda tx: tx.update_alias(record, replacing=revision)

    service.store.write_blocking(point(1, second.rpartition("/")[2]))
    with pytest.raises(tools.refused, match="verification failed"):
        await verify(service, alias)
    service.store.write_blocking(point(2, None))
    with pytest.raises(tools.refused) as caught:
        await verify(service, alias)
    assert caught.value.name == "ResourceNotFoundException"
    service.store.write_blocking(point(3, first.rpartition("/")[2]))
    await verify(service, alias)
    service.store.write_blocking(lambda tx: tx.delete_alias(ACCOUNT, alias))
    with pytest.raises(tools.refused) as caught:
        await verify(service, alias)
    assert caught.value.name == "ResourceNotFoundException"


async def test_other_changes_keep_handles(
    service: Any, tools: Any, counted: tuple[CountingStore, CountingVault]
) -> None:
    """With a new epoch records are read again, but what did not change is not opened again."""
    _, vault = counted
    kept = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    other = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    await verify(service, kept)
    await verify(service, other)
    assert vault.opened == 2
    change(service.store, other, enabled=True)
    await verify(service, kept)
    assert vault.opened == 2
    await verify(service, other)
    assert vault.opened == 3


async def test_new_keys_disturb_nobody(
    service: Any, tools: Any, counted: tuple[CountingStore, CountingVault]
) -> None:
    """Creating keys, aliases and tags is no change of what was read."""
    store, _ = counted
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    await verify(service, arn)
    epoch = service.store.key_epoch()
    service.alias("alias/new", service.put("C0", "TDES_2KEY", "C", tools.tdes))
    service.store.write_blocking(lambda tx: tx.put_tags(ACCOUNT, arn[-16:], [("a", "b")]))
    assert service.store.key_epoch() == epoch
    store.reads.clear()
    await verify(service, arn)
    assert store.reads == ["key_epoch"]


async def test_cache_is_bounded(
    service: Any, tools: Any, counted: tuple[CountingStore, CountingVault]
) -> None:
    """More keys than it holds all serve, and no more than twice as many are kept."""
    arns = [service.put("C0", "TDES_2KEY", "C", tools.tdes) for _ in range(20)]
    for _ in range(2):
        for arn in arns:
            await verify(service, arn)
            assert len(service.keys) <= 8


async def test_idle_keys_are_forgotten(
    service: Any, tools: Any, counted: tuple[CountingStore, CountingVault]
) -> None:
    """One that is used stays open through any number of sweeps; one that is not does not."""
    _, vault = counted
    used = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    idle = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    await verify(service, idle)
    for _ in range(5):
        await verify(service, used)
        service.keys.forget_idle()
    assert vault.opened == 2
    assert len(service.keys) == 1
    await verify(service, idle)
    assert vault.opened == 3


async def test_refusals_are_not_kept(service: Any, tools: Any) -> None:
    """A name nobody knew serves as soon as somebody makes it, and so does a detached alias."""
    with pytest.raises(tools.refused) as caught:
        await verify(service, "alias/later")
    assert caught.value.name == "ResourceNotFoundException"
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    service.alias("alias/later", arn)
    await verify(service, "alias/later")


async def test_accounts_do_not_share(service: Any, tools: Any) -> None:
    """A name of another account is not found in the cache either."""
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes, account="999988887777")
    refusals = []
    for identifier in (arn, arn[:-16] + "abcdefghijklmnop"):
        with pytest.raises(tools.refused) as caught:
            await verify(service, identifier)
        refusals.append(caught.value)
    # Whether the key exists there is not told.
    assert {refusal.name for refusal in refusals} == {"AccessDeniedException"}
    other_region = arn.replace("us-east-1", "eu-west-1").replace("999988887777", ACCOUNT)
    with pytest.raises(tools.refused) as caught:
        await verify(service, other_region)
    assert caught.value.name == "ResourceNotFoundException"


def test_opened_keys_do_not_show(service: Any, tools: Any) -> None:
    """Nothing of the material in what is printed."""
    arn = service.put("C0", "TDES_2KEY", "C", tools.tdes)
    key = service.context("x").find(arn)
    key.tdes_key()
    assert repr(key) == f"<OpenedKey: {arn}>"


# --- across processes --------------------------------------------------------------------------


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[tuple[str, str, SQLStore]]:
    url, master_key = f"sqlite:///{tmp_path}/store.sqlite3", f"file:{tmp_path}/master.key"
    store = open_store(url, region="us-east-1", master_key=master_key)
    with contextlib.closing(store):
        yield url, master_key, store


async def test_change_of_another_process_is_seen_at_once(
    service: Any, tools: Any, file_store: tuple[str, str, SQLStore], put_into: Callable[..., str]
) -> None:
    """A key another process stopped is refused by the next request, every time."""
    url, master_key, store = file_store
    arn = put_into(store, "C0", "TDES_2KEY", "C", tools.tdes)
    service.store, service.keys = store, OpenedKeys("us-east-1", store, store.vault)
    await verify(service, arn)
    program = textwrap.dedent(
        f"""
        import sys
        from dataclasses import replace
        from keyferry.service.store.opening import open_store

        store = open_store({url!r}, region="us-east-1", master_key={master_key!r})
        for line in sys.stdin:
            def change(tx):
                record = tx.key({ACCOUNT!r}, {arn.rpartition("/")[2]!r})
                enabled = line.strip() == "start"
                changed = replace(record, enabled=enabled, revision=record.revision + 1)
                tx.update_key(changed, replacing=record.revision)
            store.write_blocking(change)
            print("done", flush=True)
        """
    )
    with subprocess.Popen(  # noqa: ASYNC220 (its lines are waited for, one by one)
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        for _ in range(20):
            other.stdin.write("stop\n")
            other.stdin.flush()
            assert other.stdout.readline() == "done\n"
            await service.refused("VerifyCardValidationData", KeyIdentifier=arn, **CARD)
            other.stdin.write("start\n")
            other.stdin.flush()
            assert other.stdout.readline() == "done\n"
            await verify(service, arn)
        other.stdin.close()


def test_stopped_key_is_refused_by_every_worker(
    serve: Callable[..., Any], tools: Any, tmp_path: Path
) -> None:
    """From the answer of StopKeyUsage on no worker of the service uses the key."""
    credentials = tmp_path / "keys.toml"
    credentials.touch(0o600)
    credentials.write_text(
        '[[access_key]]\nid = "AK"\nsecret = "s"\naccount = "111122223333"\nprincipal = "p"\n'
    )
    started = serve("--workers", "2", "--credentials", str(credentials), "--regions", "us-east-1")
    options: dict[str, Any] = {
        "endpoint_url": started.url,
        "region_name": "us-east-1",
        "aws_access_key_id": "AK",
        "aws_secret_access_key": "s",
        "config": Config(retries={"total_max_attempts": 1}, max_pool_connections=1),
    }
    with contextlib.ExitStack() as stack:

        def connect(name: str) -> Any:
            return stack.enter_context(contextlib.closing(boto3.client(name, **options)))

        control = connect("payment-cryptography")
        key = control.create_key(
            Exportable=False,
            KeyAttributes={
                "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
                "KeyClass": "SYMMETRIC_KEY",
                "KeyAlgorithm": "TDES_2KEY",
                "KeyModesOfUse": {"Generate": True, "Verify": True},
            },
        )["Key"]["KeyArn"]
        # Connections spread over the workers as they come.
        clients = [connect("payment-cryptography-data") for _ in range(8)]

        def generate(client: Any) -> None:
            client.generate_card_validation_data(
                KeyIdentifier=key,
                PrimaryAccountNumber="4123456789012345",
                GenerationAttributes={"CardVerificationValue2": {"CardExpiryDate": "1228"}},
            )

        for _ in range(5):
            for client in clients:
                generate(client)
            control.stop_key_usage(KeyIdentifier=key)
            for client in clients:
                with pytest.raises(ClientError, match="is not enabled"):
                    generate(client)
            control.start_key_usage(KeyIdentifier=key)


def test_epoch_goes_with_its_change(
    file_store: tuple[str, str, SQLStore], put_into: Any, tools: Any
) -> None:
    """A change that is undone writes no epoch; one that is made does, each time another."""
    _, _, store = file_store
    arn = put_into(store, "C0", "TDES_2KEY", "C", tools.tdes)
    seen = {store.key_epoch()}

    def fails(tx: Transaction) -> None:
        record = tx.key(ACCOUNT, arn.rpartition("/")[2])
        assert record is not None
        stopped = replace(record, enabled=False, revision=record.revision + 1)
        tx.update_key(stopped, replacing=record.revision)
        raise RuntimeError("undone")

    with pytest.raises(RuntimeError, match="undone"):
        store.write_blocking(fails)
    assert {store.key_epoch()} == seen
    for days in range(5):
        moment = tools.now + timedelta(days=days)
        change(store, arn, usage_started_at=moment)
        seen.add(store.key_epoch())
    assert len(seen) == 6
