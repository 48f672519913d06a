"""Exchanges over TLS: the HSM with client certificates, the service with a CA file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from keyferry.demo.processes import Processes


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A CA, a server certificate for localhost and a client certificate, as files."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    paths = {name: str(folder / f"{name}.pem") for name in ("ca", "server", "client")}
    authority.cert_pem.write_to_path(paths["ca"])
    for name, certificate in (
        ("server", authority.issue_cert("localhost", "127.0.0.1", key_type=trustme.KeyType.RSA)),
        ("client", authority.issue_cert("client@example.org", key_type=trustme.KeyType.RSA)),
    ):
        certificate.private_key_and_cert_chain_pem.write_to_path(paths[name])
    return paths


@pytest.fixture(scope="module")
def addresses(
    pki: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """URL of a service and port of a simulator, both behind TLS."""
    server = ("--tls-cert", pki["server"], "--tls-key", pki["server"])
    with Processes(tmp_path_factory.mktemp("processes")) as started:
        service = started.start("serve", "serve", "--dev", "--port", "0", *server)
        simulator = started.start(
            *("payshield", "simulate", "payshield", "--port", "0"),
            *(*server, "--tls-client-ca", pki["ca"]),
        )
        yield service["url"], simulator["port"]


def config(addresses: tuple[str, int], hsm: dict[str, str], apc: dict[str, str]) -> dict[str, Any]:
    """A configuration with these TLS members."""
    url, port = addresses
    return {
        "kdh": {"payshield": {"host": "127.0.0.1", "port": port, "tls": hsm}},
        "krd": {
            "apc": {
                "region": "us-east-1",
                "endpoint_url": url.replace("http://", "https://"),
                "tls": apc,
            }
        },
    }


def test_an_exchange_over_tls(aws, exchange, addresses, pki) -> None:
    """Both connections are checked against the CA, the HSM's with our certificate."""
    hsm = {"ca_file": pki["ca"], "cert_file": pki["client"], "key_file": pki["client"]}
    document = config(addresses, hsm, {"ca_file": pki["ca"]})
    result = exchange("ecdh", "payshield", document).result
    assert result["key_check_value"] == result["kdh_key_check_value"]


@pytest.mark.parametrize(
    ("hsm", "said"),
    [
        ({"ca_file": "ca"}, "keyferry: error:"),  # no client certificate
        ({"cert_file": "client", "key_file": "client"}, "keyferry: error:"),  # foreign CA
        ({"ca_file": "ca", "cert_file": "client", "key_file": "client",
          "server_name": "hsm.example.org"}, "keyferry: error:"),  # another name
    ],
)  # fmt: skip
def test_an_hsm_that_does_not_trust_or_is_not_trusted(
    aws, exchange, addresses, pki, hsm: dict[str, str], said: str
) -> None:
    """Without mutual trust there is no exchange, and no traceback."""
    files = {member: pki.get(value, value) for member, value in hsm.items()}
    done = exchange("tr34", "payshield", config(addresses, files, {"ca_file": pki["ca"]}))
    assert done.code == 1
    assert said in done.err
    assert "internal error" not in done.err


def test_a_service_that_is_not_trusted(aws, exchange, addresses, pki) -> None:
    """A service whose CA is not known is not spoken to."""
    hsm = {"ca_file": pki["ca"], "cert_file": pki["client"], "key_file": pki["client"]}
    done = exchange("tr34", "payshield", config(addresses, hsm, {}))
    assert done.code == 1
    assert "keyferry: error: ListKeys: TLS with https://127.0.0.1:" in done.err
    assert "krd.apc.tls.ca_file" in done.err


@pytest.mark.parametrize("member", ["cert_file", "key_file", "server_name"])
def test_members_aws_has_no_use_for(aws, exchange, addresses, pki, member: str) -> None:
    """What would silently do nothing is refused."""
    done = exchange("tr34", "payshield", config(addresses, {}, {member: pki["client"]}))
    assert done.code == 2
    assert f"krd.apc.tls.{member}" in done.err


def test_tls_files_that_are_missing(aws, exchange, addresses, tmp_path: Path) -> None:
    """A missing CA file is a configuration error on either side."""
    missing = {"ca_file": str(tmp_path / "none.pem")}
    assert exchange("tr34", "payshield", config(addresses, missing, {})).code == 2
    done = exchange("tr34", "payshield", config(addresses, {}, missing))
    assert done.code == 2, done.err
