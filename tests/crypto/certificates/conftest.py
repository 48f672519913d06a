"""Keys and authorities of every family, made once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keyferry.crypto.certificates import create_root


@pytest.fixture(scope="session")
def now() -> datetime:
    """The time of every test."""
    return datetime(2025, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    """An authority's RSA key."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def leaf_key() -> rsa.RSAPrivateKey:
    """A leaf's RSA key."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def p521_key() -> ec.EllipticCurvePrivateKey:
    """An authority's EC key."""
    return ec.generate_private_key(ec.SECP521R1())


@pytest.fixture(scope="session")
def validity(now: datetime) -> dict[str, Any]:
    """A year around now."""
    return {"not_before": now - timedelta(days=180), "not_after": now + timedelta(days=180)}


@pytest.fixture(scope="session")
def root(rsa_key: rsa.RSAPrivateKey, validity: dict[str, Any]) -> Any:
    """An RSA authority."""
    return create_root(rsa_key, common_name="Root", organization="Test", **validity)


@pytest.fixture(scope="session")
def ec_root(p521_key: ec.EllipticCurvePrivateKey, validity: dict[str, Any]) -> Any:
    """An EC authority."""
    return create_root(p521_key, common_name="EC Root", **validity)


@pytest.fixture(scope="session")
def openssl() -> str:
    """The system's openssl 3. A machine without it skips, CI must have it."""
    program = shutil.which("openssl")
    version = ""
    if program is not None:
        told = subprocess.run([program, "version"], capture_output=True, text=True, check=True)
        version = told.stdout.strip()
    found = re.match(r"OpenSSL (\d+)", version)  # LibreSSL has no OAEP options
    if program is None or found is None or int(found[1]) < 3:
        reason = f"needs OpenSSL 3 or later, found {version or 'none'}"
        assert "KEYFERRY_REQUIRE_ALL_CLIENTS" not in os.environ, reason
        pytest.skip(reason)
    return program
