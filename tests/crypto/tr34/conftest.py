"""Parties and cases of the packaged tr34.json, for every test of tokens."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from keyferry.crypto.certificates import encode_pem, load_certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A certificate and, unless it is an authority, its RSA key."""

    certificate: x509.Certificate
    private_key: rsa.RSAPrivateKey | None

    @property
    def key(self) -> rsa.RSAPrivateKey:
        """The private key of a party that has one."""
        assert self.private_key is not None
        return self.private_key

    @property
    def pem(self) -> bytes:
        """The certificate as PEM."""
        return encode_pem(self.certificate)

    def write(self, folder: Path, name: str) -> tuple[str, str]:
        """Write certificate and key as PEM for openssl; return both paths."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.pem)
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return str(certificate), str(key)


@pytest.fixture(scope="session")
def now() -> datetime:
    """A time at which the parties' certificates are valid."""
    return datetime(2025, 6, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The packaged tr34.json."""
    packaged = files("keyferry.selftest") / "vectors" / "tr34.json"
    loaded: dict[str, Any] = json.loads(packaged.read_text())
    return loaded


@pytest.fixture(scope="session")
def parties(document: dict[str, Any]) -> dict[str, Party]:
    """The parties of the file by name: kdh, krd, ca_kdh and so on."""
    found = {}
    for name, members in document["parties"].items():
        key = None
        if "private_key" in members:
            loaded = load_der_private_key(bytes.fromhex(members["private_key"]), None)
            assert isinstance(loaded, rsa.RSAPrivateKey)
            key = loaded
        certificate = load_certificate(bytes.fromhex(members["certificate"]))
        found[name] = Party(certificate=certificate, private_key=key)
    return found


@pytest.fixture(scope="session")
def kdh(parties: dict[str, Party]) -> Party:
    """The sender."""
    return parties["kdh"]


@pytest.fixture(scope="session")
def krd(parties: dict[str, Party]) -> Party:
    """The receiver."""
    return parties["krd"]


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
