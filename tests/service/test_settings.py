"""Settings: the places of a Region, limits, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyferry.cli.main import run
from keyferry.errors import ConfigurationError
from keyferry.service.context import Limits
from keyferry.service.errors import ThrottledError
from keyferry.service.loopback import is_loopback
from keyferry.service.settings import (
    ServiceSettings,
    default_data_dir,
    read_limits,
)
from keyferry.service.throttle import RequestThrottle

FILE = Path("/nowhere/credentials.toml")


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        (None, "sqlite:////d/keyferry-us-east-1.sqlite3"),
        ("memory:", "memory:"),
        ("sqlite:////var/k.db", "sqlite:////var/k-us-east-1.db"),
        ("sqlite:////var/k", "sqlite:////var/k-us-east-1"),
        ("sqlite:///k.db", "sqlite:///k-us-east-1.db"),
        ("sqlite:////var.d/k", "sqlite:////var.d/k-us-east-1"),
        ("sqlite:////var/.hidden", "sqlite:////var/.hidden-us-east-1"),
        ("sqlite:////var/{region}/k.db", "sqlite:////var/us-east-1/k.db"),
        ("postgresql://u@h/db", "postgresql://u@h/db-us-east-1"),
        ("postgresql://u@h/db?sslmode=require", "postgresql://u@h/db-us-east-1?sslmode=require"),
    ],
)
def test_store_of_a_region(store: str | None, expected: str) -> None:
    """`{region}` is replaced; otherwise the Region goes before the suffix or after the name."""
    settings = ServiceSettings(credentials=FILE, data_dir=Path("/d"), store=store)
    assert settings.store_url("us-east-1") == expected


@pytest.mark.parametrize(
    ("store", "given", "expected"),
    [
        (None, None, "file:/d/master-us-east-1.key"),
        ("memory:", None, None),
        (None, "file:/m/key", "file:/m/key-us-east-1"),
        (None, "file:/m/{region}.key", "file:/m/us-east-1.key"),
        (None, "env:MASTER", "env:MASTER"),
    ],
)
def test_master_key_of_a_region(store: str | None, given: str | None, expected: str | None) -> None:
    """A file in the data folder by default; a store in memory has a fresh key."""
    settings = ServiceSettings(credentials=FILE, data_dir=Path("/d"), store=store, master_key=given)
    assert settings.master_key_uri("us-east-1") == expected


def test_default_data_folder() -> None:
    """XDG_DATA_HOME counts if it is absolute, as its specification says."""
    assert default_data_dir({"XDG_DATA_HOME": "/x"}) == Path("/x/keyferry")
    home = Path.home() / ".local/share/keyferry"
    assert default_data_dir({}) == home
    assert default_data_dir({"XDG_DATA_HOME": "relative"}) == home


def test_limits() -> None:
    """none, aws, or a file whose members are checked."""
    assert read_limits("none") == Limits()
    assert read_limits("aws").keys == 2000
    assert read_limits("aws").control_requests_per_second == 5
    assert read_limits("aws").data_requests_per_second == 500
    assert read_limits("aws").asymmetric_data_requests_per_second == 20


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", Limits()),
        ("keys = 5", Limits(keys=5)),
        (
            "aliases = 1\ncontrol_requests_per_second = 0.5",
            Limits(aliases=1, control_requests_per_second=0.5),
        ),
        (
            "data_requests_per_second = 9\nasymmetric_data_requests_per_second = 2.5",
            Limits(data_requests_per_second=9, asymmetric_data_requests_per_second=2.5),
        ),
        ("asymmetric_data_requests_per_second = 0", "must be above 0"),
        ("keys = 0", "keys must be above 0"),
        ("keys = -1", "keys must be above 0"),
        ("control_requests_per_second = nan", "must be above 0"),
        ("control_requests_per_second = inf", "must be above 0"),
        ('keys = "5"', "keys"),
        ("key = 5", "key"),
        ("keys =", "limits"),
    ],
)
def test_limits_file(tmp_path: Path, content: str, expected: Limits | str) -> None:
    """What is left out is unlimited; unknown members and impossible values are refused."""
    path = tmp_path / "limits.toml"
    path.write_text(content)
    if isinstance(expected, Limits):
        assert read_limits(str(path)) == expected
    else:
        with pytest.raises(ConfigurationError, match=expected):
            read_limits(str(path))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    """Only addresses of this machine alone are loopback."""
    assert is_loopback(host) is expected


def test_token_bucket() -> None:
    """A burst of one second's worth, then the rate; accounts and Regions apart."""
    throttle = RequestThrottle(2)
    for _ in range(2):
        throttle.check("1", "us-east-1", now=100.0)
    with pytest.raises(ThrottledError):
        throttle.check("1", "us-east-1", now=100.0)
    throttle.check("2", "us-east-1", now=100.0)
    throttle.check("1", "us-west-2", now=100.0)
    with pytest.raises(ThrottledError):
        throttle.check("1", "us-east-1", now=100.4)
    throttle.check("1", "us-east-1", now=100.5)
    with pytest.raises(ThrottledError):
        throttle.check("1", "us-east-1", now=90.0)


def test_rate_below_one_a_second_lets_one_through() -> None:
    """A rate of one in ten seconds is not a rate of none."""
    throttle = RequestThrottle(0.1)
    throttle.check("1", "r", now=0.0)
    with pytest.raises(ThrottledError):
        throttle.check("1", "r", now=9.0)
    throttle.check("1", "r", now=10.0)


def test_no_rate_is_no_limit() -> None:
    """Without limits nothing is counted."""
    throttle = RequestThrottle(None)
    for _ in range(1000):
        throttle.check("1", "r", now=0.0)


@pytest.mark.parametrize("seconds", [0.5, 86401.0, -1.0])
def test_a_canary_comes_neither_all_the_time_nor_never(seconds: float) -> None:
    """A period that measures nothing is refused; 0 is how to send none."""
    with pytest.raises(ConfigurationError, match="--canary-seconds"):
        ServiceSettings(dev=True, canary_s=seconds)
    assert ServiceSettings(dev=True, canary_s=0.0).canary_s == 0.0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--dev",), 0.0),
        (("--dev", "--canary-seconds", "2"), 2.0),
        (("--credentials", str(FILE)), 15.0),
        (("--credentials", str(FILE), "--canary-seconds", "0"), 0.0),
    ],
)
def test_how_often_a_service_sends_canaries(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], expected: float
) -> None:
    """Every 15 seconds unless told otherwise; a service that is tried out is quiet."""
    served: list[ServiceSettings] = []

    def serve(service: ServiceSettings, _: object) -> int:
        served.append(service)
        return 0

    monkeypatch.setattr("keyferry.service.server.serve", serve)
    monkeypatch.setattr("keyferry.cli.logs.configure_logs", lambda **_: None)
    assert run(["serve", *options]) == 0
    assert [service.canary_s for service in served] == [expected]
