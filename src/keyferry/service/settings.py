"""
How a service is set up: what `keyferry serve` takes, checked before anything is opened.

`ServiceSettings` says what the service is (Regions, stores, keys, limits), `ListenerSettings` where
it listens. Both refuse what cannot work or is not safe with ConfigurationError.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from keyferry.errors import ConfigurationError
from keyferry.service.context import Limits
from keyferry.service.loopback import is_loopback
from keyferry.service.region_name import is_region_name
from keyferry.service.replication.following import NOTHING_FOLLOWS, Following
from keyferry.service.replication.peers.settings import PeerSettings
from keyferry.service.rules import STRICT, Rules

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8600
CANARY_S = 15.0
DEFAULT_REGIONS = ("us-east-1", "us-west-2")

# Quotas of an account in a Region as the real service sets them (AWS Payment Cryptography User
# Guide, "Quotas"); all of them are adjustable there too.
AWS_LIMITS = Limits(
    keys=2000,
    aliases=2000,
    control_requests_per_second=5,
    data_requests_per_second=500,
    asymmetric_data_requests_per_second=20,
)

_LIMITS_BYTES = 1 << 16


def default_data_dir(environ: dict[str, str] | None = None) -> Path:
    """`$XDG_DATA_HOME/keyferry`, or its default place under the home directory."""
    given = (os.environ if environ is None else environ).get("XDG_DATA_HOME", "")
    base = Path(given) if given.startswith("/") else Path.home() / ".local" / "share"
    return base / "keyferry"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What the service is. `store` and `master_key` may hold `{region}`."""

    regions: tuple[str, ...] = DEFAULT_REGIONS
    data_dir: Path = field(default_factory=default_data_dir)
    store: str | None = None
    master_key: str | None = None
    credentials: Path | None = None
    dev: bool = False
    limits: Limits = field(default_factory=Limits)
    rules: Rules = STRICT
    audit_data_events: bool = False  # write every call of the data plane to the trail
    peers: PeerSettings = field(default_factory=PeerSettings)  # Regions served elsewhere
    following: Following = NOTHING_FOLLOWS  # where aliases and tags follow their keys
    canary_s: float = 0.0  # seconds between two canaries of a pair of Regions; 0 is none

    def __post_init__(self) -> None:
        if not self.regions:
            raise ConfigurationError("--regions: expected at least one Region")
        for region in self.regions:
            if not is_region_name(region):
                raise ConfigurationError(f"--regions: {region!r} is not a Region name")
        if len(set(self.regions)) != len(self.regions):
            raise ConfigurationError("--regions: a Region is named twice")
        if self.canary_s and not 1 <= self.canary_s <= 86400:
            # One that comes before the last has arrived measures nothing.
            raise ConfigurationError(
                f"--canary-seconds {self.canary_s:g}: expected 1 to 86400, or 0 for none"
            )
        self.following.check(served=self.regions, peers=self.peers.regions)
        if self.dev and self.credentials is not None:
            raise ConfigurationError("--dev has its own access key: leave --credentials out")
        if self.dev and self.store not in (None, "memory:"):
            raise ConfigurationError("--dev keeps its keys in memory: leave --store out")
        if not self.dev and self.credentials is None:
            raise ConfigurationError(
                "no access keys: nobody could sign a request",
                hint="give --credentials FILE, or --dev to try the service on this machine",
            )

    def store_url(self, region: str) -> str:
        """The store of one Region: in memory with --dev, in the data directory otherwise."""
        if self.store is None and self.dev:
            return "memory:"
        return region_store(self.store, region, data_dir=self.data_dir)

    def master_key_uri(self, region: str) -> str | None:
        """The master key of one Region; None is a fresh one in memory, for a store in memory."""
        if self.master_key is None and self.store_url(region) == "memory:":
            return None
        return region_master_key(self.master_key, region, data_dir=self.data_dir)

    @property
    def in_memory(self) -> bool:
        """Whether a store lives in this process alone."""
        return self.store_url(self.regions[0]) == "memory:"


def region_store(store: str | None, region: str, *, data_dir: Path) -> str:
    """The URL of a Region's store, given what `--store` says or its default."""
    if store is None:
        return f"sqlite:///{data_dir}/keyferry-{region}.sqlite3"
    return _of_region(store, region)


def region_master_key(master_key: str | None, region: str, *, data_dir: Path) -> str:
    """The URI of a Region's master key, given what `--master-key` says or its default."""
    if master_key is None:
        return f"file:{data_dir}/master-{region}.key"
    return _of_region(master_key, region)


def _of_region(place: str, region: str) -> str:
    """
    The place of one Region: `{region}` replaced; without it, `-REGION` before a file's suffix or
    after a database's name. A variable of the environment has no suffix: it is the same for all.
    """
    if "{region}" in place:
        return place.replace("{region}", region)
    scheme, _, rest = place.partition(":")
    if scheme in ("memory", "env"):
        return place
    if scheme in ("sqlite", "file"):
        folder, slash, name = rest.rpartition("/")
        stem, dot, suffix = name.rpartition(".")
        name = f"{stem}-{region}{dot}{suffix}" if stem else f"{name}-{region}"
        return f"{scheme}:{folder}{slash}{name}"
    url, question, query = place.partition("?")
    if scheme == "postgresql" and not url.rpartition("//")[2].partition("/")[2]:
        # The Region would become part of the host's name.
        raise ConfigurationError(
            "--store postgresql: the URL names no database",
            hint="use postgresql://USER@HOST:PORT/DATABASE",
        )
    return f"{url}-{region}{question}{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Where the service listens, and how it is reached."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    behind_proxy: bool = False
    workers: int = 1
    ready_file: Path | None = None

    def check(self, service: ServiceSettings) -> None:
        """Refuse a combination that cannot work or would put a service in the open."""
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"--port {self.port}: expected 0 to 65535")
        if self.workers < 1:
            raise ConfigurationError(f"--workers {self.workers}: expected at least 1")
        if self.workers > 1 and service.in_memory:
            raise ConfigurationError(
                f"--workers {self.workers}: a store in memory belongs to one worker",
                hint="use a sqlite: or postgresql: store, or --workers 1",
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigurationError("--tls-cert and --tls-key go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ConfigurationError("--tls-client-ca needs --tls-cert and --tls-key")
        if not is_loopback(self.host):
            if service.dev:
                raise ConfigurationError(
                    f"--dev on {self.host}: everyone knows its access key",
                    hint="--dev listens on a loopback address only",
                )
            if self.tls_cert is None and not self.behind_proxy:
                raise ConfigurationError(
                    f"--host {self.host} without TLS would carry signed requests in the clear",
                    hint="give --tls-cert and --tls-key, or --behind-proxy if a proxy ends TLS",
                )
        service.peers.check(
            served=service.regions,
            tls=self.tls_cert is not None,
            loopback=is_loopback(self.host),
            behind_proxy=self.behind_proxy,
        )


class _LimitsFile(msgspec.Struct, forbid_unknown_fields=True):
    keys: int | None = None
    aliases: int | None = None
    control_requests_per_second: float | None = None
    data_requests_per_second: float | None = None
    asymmetric_data_requests_per_second: float | None = None


def read_limits(given: str) -> Limits:
    """
    What `--limits` says: `none`, `aws`, or a TOML file with any of `keys`, `aliases`,
    `control_requests_per_second`, `data_requests_per_second` and
    `asymmetric_data_requests_per_second`; what is left out is unlimited.
    """
    if given == "none":
        return Limits()
    if given == "aws":
        return AWS_LIMITS
    try:
        with Path(given).open("rb") as file:
            content = file.read(_LIMITS_BYTES + 1)
        if len(content) > _LIMITS_BYTES:
            raise ConfigurationError(f"limits file {given} is larger than 64 KiB")
        limits = msgspec.toml.decode(content, type=_LimitsFile)
    except OSError as error:
        raise ConfigurationError(
            f"--limits {given}: {error.strerror}", hint="expected none, aws or a TOML file"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"limits file {given}: {error}") from None
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        # A rate of zero, infinity or not-a-number would be no rate.
        if value is not None and not 0 < value < 1e9:
            raise ConfigurationError(f"limits file {given}: {name} must be above 0")
    return Limits(
        keys=limits.keys,
        aliases=limits.aliases,
        control_requests_per_second=limits.control_requests_per_second,
        data_requests_per_second=limits.data_requests_per_second,
        asymmetric_data_requests_per_second=limits.asymmetric_data_requests_per_second,
    )
