"""
The fixtures. pytest loads this module in every run, so it imports nothing heavy.

The service and the simulators start when a test first asks for one, and live in a thread beside the
tests; each test gets an account of its own, so keys of one never show in another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from keyferry.testing.account import Account
    from keyferry.testing.key_loader import KeyLoader
    from keyferry.testing.loop_thread import LoopThread
    from keyferry.testing.server import KeyferryServer
    from keyferry.testing.simulator import PayShieldSimulator

_REGIONS = "keyferry_regions"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the ini file say which Regions the service has."""
    parser.addini(
        _REGIONS,
        "Regions of the keyferry service; clients are of the first",
        type="args",
        default=["us-east-1", "us-west-2"],
    )


@pytest.fixture(scope="session")
def _keyferry_loop() -> Iterator[LoopThread]:
    from keyferry.testing.loop_thread import LoopThread

    loop = LoopThread()
    loop.start()
    yield loop
    loop.stop()


@pytest.fixture(scope="session")
def keyferry_server(
    _keyferry_loop: LoopThread, pytestconfig: pytest.Config
) -> Iterator[KeyferryServer]:
    """The service on a free port of this machine, one for the whole run; `url` says where."""
    from keyferry.testing.server import KeyferryServer

    server = KeyferryServer(_keyferry_loop, regions=pytestconfig.getini(_REGIONS))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def keyferry_account(keyferry_server: KeyferryServer) -> Account:
    """An empty account, for this test alone."""
    return keyferry_server.new_account()


@pytest.fixture
def payment_cryptography(keyferry_account: Account) -> Any:
    """A boto3 client of the control plane."""
    return keyferry_account.client("payment-cryptography")


@pytest.fixture
def payment_cryptography_data(keyferry_account: Account) -> Any:
    """A boto3 client of the data plane."""
    return keyferry_account.client("payment-cryptography-data")


@pytest.fixture
def load_key(payment_cryptography: Any) -> KeyLoader:
    """Imports a key of known value: `load_key("0123…", usage=…, algorithm=…)` gives its ARN."""
    from keyferry.testing.key_loader import KeyLoader

    return KeyLoader(payment_cryptography)


@pytest.fixture
def keyferry_environment(keyferry_account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Lead every AWS client that is made during the test to the service, by the environment."""
    import boto3

    from keyferry.testing.account import FOREIGN_VARIABLES

    for name in FOREIGN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in keyferry_account.environment().items():
        monkeypatch.setenv(name, value)
    # boto3 keeps the credentials of the first client that was made without a session.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return keyferry_account


@pytest.fixture
def payshield_simulator(_keyferry_loop: LoopThread) -> Iterator[PayShieldSimulator]:
    """A fresh simulated payShield on a free port of this machine; `host` and `port` say where."""
    from keyferry.testing.simulator import PayShieldSimulator

    simulator = PayShieldSimulator(_keyferry_loop)
    simulator.start()
    yield simulator
    simulator.stop()
