"""
Regions that other services serve: where they are, and by what they are known.

`--peer REGION=URL` names one. Over https both sides show a certificate issued under `--peer-ca` for
the host of the URL the other names, so one certificate serves both directions. Plain http is for
services on one machine, between loopback addresses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from keyferry.errors import ConfigurationError
from keyferry.service.loopback import is_loopback
from keyferry.service.region_name import is_region_name

_FORM = "use --peer REGION=https://HOST:PORT"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAddress:
    """Where one Region is served."""

    region: str
    tls: bool
    host: str  # a name or an IP address, in lower case, without brackets
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read `REGION=URL`.

        Raises:
            ConfigurationError: not of that form, not a Region's name, or a URL that is more or less
                than http(s), host and port.
        """
        region, equals, url = text.partition("=")
        if not equals:
            raise ConfigurationError(f"--peer {_shown(text)}: expected REGION=URL", hint=_FORM)
        if not is_region_name(region):
            raise ConfigurationError(f"--peer {_shown(region)}: not a Region name", hint=_FORM)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ConfigurationError(f"--peer {region}: the URL is malformed", hint=_FORM) from None
        if parts.scheme not in _PORTS:
            raise ConfigurationError(f"--peer {region}: expected an https URL", hint=_FORM)
        if not host or port == 0 or not host.isascii() or set(host) & set(" \t\r\n%"):
            raise ConfigurationError(f"--peer {region}: the URL has no usable host", hint=_FORM)
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigurationError(
                f"--peer {region}: the URL holds more than scheme, host and port",
                hint='the access key stands in the credentials file, with role = "peer"',
            )
        if parts.path not in ("", "/"):
            raise ConfigurationError(
                f"--peer {region}: a service answers at the root of its port, not at a path",
                hint=_FORM,
            )
        return cls(
            region=region,
            tls=parts.scheme == "https",
            host=host,
            port=_PORTS[parts.scheme] if port is None else port,
        )

    @property
    def netloc(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """All peers of a service, and its files for them."""

    addresses: tuple[PeerAddress, ...] = ()
    ca: Path | None = None  # certificates of the authorities that issue the peers' certificates
    cert: Path | None = None  # this service's own, with what stands between it and the authority
    key: Path | None = None

    @classmethod
    def parse(
        cls, texts: Iterable[str], *, ca: Path | None, cert: Path | None, key: Path | None
    ) -> Self:
        """Read what `--peer`, `--peer-ca`, `--peer-cert` and `--peer-key` say."""
        return cls(
            addresses=tuple(PeerAddress.parse(text) for text in texts), ca=ca, cert=cert, key=key
        )

    @property
    def regions(self) -> frozenset[str]:
        """The Regions that are served elsewhere."""
        return frozenset(address.region for address in self.addresses)

    @property
    def tls(self) -> bool:
        """Whether peers are known by certificates. `check` sees to it that it is all or none."""
        return any(address.tls for address in self.addresses)

    def check(
        self, *, served: Collection[str], tls: bool, loopback: bool, behind_proxy: bool
    ) -> None:
        """
        Refuse what cannot work or is not safe.

        Args:
            served: the Regions of this service.
            tls: whether it listens with TLS of its own.
            loopback: whether it listens on a loopback address.
            behind_proxy: whether a proxy says who its clients are.

        Raises:
            ConfigurationError: a Region that is served here, or named twice; an address that would
                carry keys in the open; a peer that could not prove who it is.
        """
        files = {"--peer-ca": self.ca, "--peer-cert": self.cert, "--peer-key": self.key}
        if not self.addresses:
            given = [option for option, path in files.items() if path is not None]
            if given:
                raise ConfigurationError(f"{given[0]} without --peer", hint=_FORM)
            return
        seen: set[str] = set()
        for address in self.addresses:
            if address.region in served:
                raise ConfigurationError(
                    f"--peer {address.region}: this service serves that Region itself",
                    hint="take it out of --regions, or leave the --peer out",
                )
            if address.region in seen:
                raise ConfigurationError(f"--peer {address.region}: the Region is named twice")
            seen.add(address.region)
            if address.tls:
                self._check_tls(address, files, tls=tls)
            else:
                _check_plain(address, tls=tls, loopback=loopback, behind_proxy=behind_proxy)

    def _check_tls(self, address: PeerAddress, files: dict[str, Path | None], *, tls: bool) -> None:
        missing = [option for option, path in files.items() if path is None]
        if missing:
            raise ConfigurationError(
                f"--peer {address.region} over https needs {', '.join(missing)}",
                hint="both sides show a certificate issued under --peer-ca",
            )
        if not tls:
            # The peer calls back; a proxy that ends TLS would keep its certificate from us.
            raise ConfigurationError(
                f"--peer {address.region} over https needs --tls-cert and --tls-key:"
                " the peer calls back, and shows its certificate here",
                hint="with a proxy in front, let it pass connections of peers through unopened",
            )


def _check_plain(address: PeerAddress, *, tls: bool, loopback: bool, behind_proxy: bool) -> None:
    if not is_loopback(address.host, option=f"--peer {address.region}:"):
        raise ConfigurationError(
            f"--peer {address.region}: plain http to {address.host} would leave this machine",
            hint="use https, with --peer-ca, --peer-cert and --peer-key",
        )
    if behind_proxy:
        raise ConfigurationError(
            f"--peer {address.region} over plain http with --behind-proxy: what comes through"
            " the proxy cannot be told from what comes from this machine",
            hint="use https, with --peer-ca, --peer-cert and --peer-key",
        )
    if tls or not loopback:
        raise ConfigurationError(
            f"--peer {address.region} over plain http: the peer calls back, and without a"
            " certificate it is known only by coming from this machine, without TLS",
            hint="use https for the peer too, or listen on a loopback address without --tls-cert",
        )


def _shown(text: str) -> str:
    """What was given, unless it may hold a password."""
    return "(not shown)" if "@" in text else repr(text)
