"""`--peer` and its files: what is read, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keyferry.errors import ConfigurationError
from keyferry.service.replication.peers.settings import PeerAddress, PeerSettings

FILE = Path("/nowhere/file.pem")
FILES: dict[str, Any] = {"ca": FILE, "cert": FILE, "key": FILE}
NO_FILES: dict[str, Any] = {"ca": None, "cert": None, "key": None}


@pytest.mark.parametrize(
    ("url", "tls", "host", "port", "netloc"),
    [
        ("https://b.example:8600", True, "b.example", 8600, "b.example:8600"),
        ("https://B.Example:8600/", True, "b.example", 8600, "b.example:8600"),
        ("https://b.example", True, "b.example", 443, "b.example:443"),
        ("http://127.0.0.1:8601", False, "127.0.0.1", 8601, "127.0.0.1:8601"),
        ("http://[::1]:8601", False, "::1", 8601, "[::1]:8601"),
    ],
)
def test_an_address(url: str, tls: bool, host: str, port: int, netloc: str) -> None:
    """Scheme, host and port are read; a name is in lower case, a port may be left out."""
    address = PeerAddress.parse(f"us-west-2={url}")
    assert (address.tls, address.host, address.port) == (tls, host, port)
    assert address.netloc == netloc


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("us-west-2", "expected REGION=URL"),
        ("", "expected REGION=URL"),
        ("west=https://b", "not a Region name"),
        ("us-west-2=b.example:8600", "https URL"),
        ("us-west-2=ftp://b.example", "https URL"),
        ("us-west-2=", "https URL"),
        ("us-west-2=https://", "no usable host"),
        ("us-west-2=https://b:0", "no usable host"),
        ("us-west-2=https://b:99999", "malformed"),
        ("us-west-2=https://b:x", "malformed"),
        ("us-west-2=https://[::1", "malformed"),
        ("us-west-2=https://bücher.example", "no usable host"),
        ("us-west-2=https://[fe80::1%25eth0]:1", "no usable host"),
        ("us-west-2=https://b/path", "not at a path"),
        ("us-west-2=https://b?x=1", "more than scheme"),
        ("us-west-2=https://b#x", "more than scheme"),
    ],
)
def test_what_is_no_address(text: str, words: str) -> None:
    """Each refusal names the part that is wrong and shows the form."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        PeerAddress.parse(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["us-west-2=https://me:s3cret@b", "me:s3cret@b", "me:s3cret@b=https://b"]
)
def test_a_password_is_not_repeated(text: str) -> None:
    """A URL with a password is refused without showing it."""
    with pytest.raises(ConfigurationError) as caught:
        PeerAddress.parse(text)
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


def check(*texts: str, files: dict[str, Any] = NO_FILES, **listener: Any) -> None:
    usual: dict[str, Any] = {"served": ("us-east-1",), "tls": False, "loopback": True}
    usual["behind_proxy"] = False
    PeerSettings.parse(texts, **files).check(**(usual | listener))


def test_what_works() -> None:
    """No peers; peers on this machine; peers over TLS; a proxy in front of TLS of our own."""
    check()
    check("us-west-2=http://127.0.0.1:1", "eu-west-1=http://[::1]:1")
    check("us-west-2=http://localhost:1")
    check("us-west-2=https://b", files=FILES, tls=True, loopback=False)
    check("us-west-2=https://b", files=FILES, tls=True, loopback=False, behind_proxy=True)


@pytest.mark.parametrize(
    ("texts", "options", "words"),
    [
        (("us-east-1=http://127.0.0.1:1",), {}, "serves that Region itself"),
        (("us-west-2=http://127.0.0.1:1",) * 2, {}, "named twice"),
        (("us-west-2=http://192.0.2.1",), {}, "leave this machine"),
        (("us-west-2=http://unresolvable.invalid",), {}, "does not resolve"),
        (("us-west-2=http://127.0.0.1:1",), {"tls": True}, "without TLS"),
        (("us-west-2=http://127.0.0.1:1",), {"loopback": False, "tls": True}, "without TLS"),
        (("us-west-2=http://127.0.0.1:1",), {"behind_proxy": True}, "--behind-proxy"),
        (("us-west-2=https://b",), {"tls": True}, "--peer-ca, --peer-cert, --peer-key"),
        (("us-west-2=https://b",), {"files": FILES | {"key": None}, "tls": True}, "--peer-key"),
        (("us-west-2=https://b",), {"files": FILES}, "--tls-cert and --tls-key"),
        ((), {"files": FILES}, "--peer-ca without --peer"),
        ((), {"files": NO_FILES | {"key": FILE}}, "--peer-key without --peer"),
    ],
)
def test_what_cannot_work_or_is_not_safe(
    texts: tuple[str, ...], options: dict[str, Any], words: str
) -> None:
    """Each combination is refused before anything listens."""
    with pytest.raises(ConfigurationError, match=words):
        check(*texts, **options)


def test_regions() -> None:
    """The Regions of peers, for what may be replicated where."""
    settings = PeerSettings.parse(["us-west-2=https://b", "eu-west-1=https://c"], **FILES)
    assert settings.regions == {"us-west-2", "eu-west-1"}
    assert settings.tls
