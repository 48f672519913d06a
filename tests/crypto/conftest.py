"""The second implementation on the machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest


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
