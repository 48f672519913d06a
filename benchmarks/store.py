"""The store against bare SQLite: one durable write, group commit, listing; and all over HTTP."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import socket
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from benchmarks import goals
from benchmarks.interleaved import measure
from benchmarks.load.replay import Server, prepared, replay
from benchmarks.load.requests import AES_PEK, create_requests
from benchmarks.load.signed import ACCOUNT, REGION, call, running_service, signed
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse
from keyferry.service.store.interface import Transaction
from keyferry.service.store.opening import open_store
from keyferry.service.store.records import AuditRecord, KeyOrigin, KeyRecord
from keyferry.service.store.store import SQLStore
from keyferry.service.vault.binding import key_binding
from keyferry.service.vault.master_key import LocalMasterKey

CLIENTS = 64
ROUNDS = 5
TURNS = 4
LISTED_KEYS = 100_000
AUDIT_BYTES = 1200  # of a CreateKey record

_numbers = itertools.count()
_ATTRIBUTES = KeyAttributes(
    key_usage=KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
    key_class=KeyClass.SYMMETRIC_KEY,
    key_algorithm=KeyAlgorithm.AES_256,
    modes_of_use=ModesOfUse.from_letter("B"),
)


def run() -> str:
    """Return the section of the results."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        return "\n\n".join(
            ["## Store", _one_write(folder), _group_commit(folder), _listing(folder), _over_http()]
        )


# --- the store itself --------------------------------------------------------------------------


@contextmanager
def _store(folder: Path) -> Iterator[SQLStore]:
    url = f"sqlite:///{folder}/{next(_numbers)}.sqlite3"
    with open_store(url, region=REGION, master_key=LocalMasterKey(bytes(32))) as store:
        yield store


def _bare_commit(folder: Path) -> Callable[[], None]:
    """One durable commit of bare SQLite: a row of 1,000 bytes, WAL, synchronous FULL."""
    connection = sqlite3.connect(folder / f"bare{next(_numbers)}.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB)")

    def commit() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO rows (body) VALUES (?)", (bytes(1000),))
        connection.execute("COMMIT")

    return commit


def _record(store: SQLStore) -> KeyRecord:
    record = KeyRecord(
        account=ACCOUNT,
        key_id=f"{next(_numbers):016d}",
        attributes=_ATTRIBUTES,
        exportability=Exportability.SENSITIVE,
        origin=KeyOrigin.EXTERNAL,
        check_value="0A0B0C",
        check_value_algorithm="CMAC",
        created_at=datetime.now(UTC),
    )
    sealed = store.vault.seal(bytes(32), binding=key_binding(REGION, record))
    return replace(record, sealed=sealed)


def _change(store: SQLStore) -> Callable[[Any], None]:
    """What CreateKey writes: a sealed key and its audit record."""
    record = _record(store)
    audit = AuditRecord(
        event_id=record.key_id,
        account=ACCOUNT,
        event_time=record.created_at,
        event_name="CreateKey",
        body=bytes(AUDIT_BYTES),
    )

    def change(tx: Any) -> None:
        tx.insert_key(record)
        tx.append_audit(audit)

    return change


def _one_write(folder: Path) -> str:
    with _store(folder) as store, asyncio.Runner() as runner:
        loop = runner.get_loop()
        measured = measure(
            {
                "bare": _bare_commit(folder),
                "write": lambda: loop.run_until_complete(store.write(_change(store))),
            }
        )
    return (
        "One sealed key and its audit record, written durably by one client, against one bare"
        f" SQLite commit: {measured.microseconds('write'):.0f} µs against"
        f" {measured.microseconds('bare'):.0f} µs,"
        f" {1 / measured.ratio('bare', 'write'):.2f} ×."
    )


def _group_commit(folder: Path) -> str:
    rates: dict[int, list[float]] = {256: [], 1: []}
    for _ in range(ROUNDS):
        for max_batch, measured in rates.items():
            with _store(folder) as store:
                store._committer._max_batch = max_batch
                measured.append(asyncio.run(_write_by_many(store)))
    grouped, alone = (statistics.median(rates[size]) for size in (256, 1))
    return (
        f"{CLIENTS} concurrent writers on the store: {grouped:,.0f} keys/s with group commit,"
        f" {alone:,.0f} with one transaction each, {_ratio(rates[256], rates[1]):.1f} ×."
    )


async def _write_by_many(store: SQLStore, each: int = 20) -> float:
    changes = [[_change(store) for _ in range(each)] for _ in range(CLIENTS)]

    async def writer(own: list[Callable[[Any], None]]) -> None:
        for change in own:
            await store.write(change)

    start = time.perf_counter()
    await asyncio.gather(*(writer(own) for own in changes))
    return CLIENTS * each / (time.perf_counter() - start)


def _listing(folder: Path) -> str:
    with _store(folder) as few, _store(folder) as many:
        _fill(few, 100)
        _fill(many, LISTED_KEYS)
        middle = many.keys(ACCOUNT, limit=LISTED_KEYS // 2)[-1][0]
        measured = measure(
            {
                "few": lambda: few.keys(ACCOUNT, limit=100),
                "many": lambda: many.keys(ACCOUNT, after=middle, limit=100),
            }
        )
    goals.check(
        f"a page of 100 keys of {LISTED_KEYS:,} against one of 100",
        1 / measured.ratio("few", "many"),
        at_most=2,
    )
    return (
        f"A page of 100 keys out of {LISTED_KEYS:,}: {measured.microseconds('many'):.0f} µs; out"
        f" of 100: {measured.microseconds('few'):.0f} µs,"
        f" {1 / measured.ratio('few', 'many'):.2f} ×."
    )


def _fill(store: SQLStore, count: int) -> None:
    for start in range(0, count, 1000):
        records = [_record(store) for _ in range(min(1000, count - start))]
        store.write_blocking(partial(_insert, records))


def _insert(records: list[KeyRecord], transaction: Transaction) -> None:
    for record in records:
        transaction.insert_key(record)


# --- the whole service -------------------------------------------------------------------------


def _over_http() -> str:
    """Signed calls of a service process, by a client process of its own core."""
    alone: dict[str, list[float]] = {"bare": [], "call": [], "cpu": []}
    paired: dict[str, list[float]] = {"bare": [], "call": []}
    rates: dict[int, list[float]] = {256: [], 1: []}
    with tempfile.TemporaryDirectory() as made:
        bare = _bare_commit(Path(made))
        for _ in range(ROUNDS):
            for max_batch, measured in rates.items():
                with running_service(max_batch=max_batch) as server:
                    measured.append(_import_rate(server))
                    if max_batch > 1:
                        _one_by_one(server, bare, alone)
                        _in_turns(server, bare, paired)
    turn, turn_commit = (statistics.median(paired[name]) for name in ("call", "bare"))
    create, cpu, commit = (statistics.median(alone[name]) for name in ("call", "cpu", "bare"))
    grouped, single = (statistics.median(rates[size]) for size in (256, 1))
    goals.check(
        "a signed CreateKey over HTTP against a bare SQLite commit",
        _ratio(alone["call"], alone["bare"]),
        at_most=3,
        reason=f"{cpu:.0f} µs of Python and SQLite after each flush, in caches gone cold meanwhile"
        " (a bare commit in a loop keeps them warm)",
    )
    goals.check(
        f"{CLIENTS} clients of ImportKey, group commit against one transaction each",
        _ratio(rates[256], rates[1]),
        at_least=1.8,
    )
    return (
        "A signed CreateKey over HTTP on SQLite, by one client, against one bare SQLite commit:"
        f" {create:.0f} µs against {commit:.0f} µs, {_ratio(alone['call'], alone['bare']):.2f} ×;"
        f" {cpu:.0f} µs of it are CPU time of the service. Those are loops of the one and of the"
        " other; a single commit after each call, when the caches are as cold for both, takes"
        f" {turn_commit:.0f} µs, and the call then takes {turn:.0f} µs,"
        f" {_ratio(paired['call'], paired['bare']):.2f} ×.\n\n"
        f"{CLIENTS} concurrent clients of ImportKey (TR-31 version D) over HTTP:"
        f" {grouped:,.0f} keys/s with group commit, {single:,.0f} with one transaction each,"
        f" {_ratio(rates[256], rates[1]):.2f} ×."
    )


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """The median over the rounds, in each of which both were measured."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def _one_by_one(
    server: Server, bare: Callable[[], None], times_us: dict[str, list[float]], calls: int = 200
) -> None:
    """Time CreateKey and bare commits in turns, each alone."""
    with prepared(create_requests(server.url, calls)) as requests:
        replay(server, requests, count=calls, connections=1)
        for _ in range(TURNS):
            start = time.perf_counter()
            for _ in range(calls):
                bare()
            times_us["bare"].append((time.perf_counter() - start) / calls * 1e6)
            created = replay(server, requests, count=calls, connections=1)
            times_us["call"].append(created.seconds / calls * 1e6)
            times_us["cpu"].append(created.cpu_us)


def _in_turns(
    server: Server, bare: Callable[[], None], times_us: dict[str, list[float]], calls: int = 300
) -> None:
    """Time one CreateKey and one bare commit in turns."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in create_requests(server.url, calls):
            start = time.perf_counter()
            connection.sendall(request)
            # The service writes head and body of an answer at once.
            answer = connection.recv(1 << 16)
            between = time.perf_counter()
            bare()
            times_us["bare"].append((time.perf_counter() - between) * 1e6)
            times_us["call"].append((between - start) * 1e6)
            if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"}"):
                raise RuntimeError(f"CreateKey refused: {answer[:300].decode()}")


def _import_rate(server: Server, count: int = 3000) -> float:
    """Keys a second that so many clients import under one KBPK."""
    kbpk, arn = _import_kbpk(server.url)
    header = KeyBlockHeader(
        version=BlockVersion.D,
        usage="P0",
        algorithm=Algorithm.AES,
        mode=ModeOfUse.BOTH_DIRECTIONS,
        exportability=Exportability.EXPORTABLE,
    )
    requests = [
        signed(
            server.url,
            "ImportKey",
            {
                "KeyMaterial": {
                    "Tr31KeyBlock": {
                        "WrappingKeyIdentifier": arn,
                        "WrappedKeyBlock": kbpk.wrap(header, os.urandom(16)),
                    }
                }
            },
        )
        for _ in range(count)
    ]
    with prepared(requests) as file:
        replay(server, file, count=count // 5, connections=CLIENTS)
        return replay(server, file, count=count, connections=CLIENTS).rate


def _import_kbpk(url: str) -> tuple[KBPK, str]:
    """Bring an AES-128 KBPK into the service by RSA, and return it with its ARN."""
    parameters = call(
        url,
        "GetParametersForImport",
        {"KeyMaterialType": "KEY_CRYPTOGRAM", "WrappingKeyAlgorithm": "RSA_4096"},
    )
    certificate = x509.load_pem_x509_certificate(
        base64.b64decode(parameters["WrappingKeyCertificate"])
    )
    public_key = certificate.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    clear = os.urandom(16)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    answer = call(
        url,
        "ImportKey",
        {
            "KeyMaterial": {
                "KeyCryptogram": {
                    "KeyAttributes": AES_PEK
                    | {
                        "KeyUsage": "TR31_K1_KEY_BLOCK_PROTECTION_KEY",
                        "KeyAlgorithm": "AES_128",
                    },
                    "Exportable": False,
                    "WrappedKeyCryptogram": public_key.encrypt(clear, oaep).hex().upper(),
                    "ImportToken": parameters["ImportToken"],
                    "WrappingSpec": "RSA_OAEP_SHA_256",
                }
            }
        },
    )
    return KBPK(Cipher.AES, clear), answer["Key"]["KeyArn"]
