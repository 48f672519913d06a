"""Known answers as test parameters, and keys that take time to make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import keyferry.selftest

_VECTORS = Path(keyferry.selftest.__file__).parent / "vectors"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that names a family of known answers and the ops wanted of it."""
    config.addinivalue_line("markers", "vectors(family, *ops): run once for each known answer")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each case of the family named by the marker to the argument `vector`."""
    marker = metafunc.definition.get_closest_marker("vectors")
    if marker is None or "vector" not in metafunc.fixturenames:
        return
    family, *ops = marker.args
    document = json.loads((_VECTORS / f"{family}.json").read_text())
    unknown = set(ops) - set(document["ops"])
    assert not unknown, f"{family}.json has no op {unknown}"
    cases = [case for case in document["cases"] if case["op"] in ops]
    metafunc.parametrize("vector", cases, ids=[case["name"] for case in cases])


@pytest.fixture(scope="session")
def private_keys_of_vectors() -> dict[str, Any]:
    """The table of private keys in rsa-wrap.json: PKCS#8 as hex, by name."""
    return json.loads((_VECTORS / "rsa-wrap.json").read_text())["private_keys"]


@pytest.fixture(scope="session")
def rsa_2048() -> rsa.RSAPrivateKey:
    """An RSA key of 2048 bits."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
