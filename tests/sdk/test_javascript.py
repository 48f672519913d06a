"""The AWS SDK for JavaScript does the same, with only the endpoint changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "js"
REQUIRED = bool(os.environ.get("KEYFERRY_REQUIRE_ALL_CLIENTS"))
MISSING = not shutil.which("node") or not (FOLDER / "node_modules").is_dir()


@pytest.mark.skipif(
    MISSING and not REQUIRED,
    reason="the AWS SDK for JavaScript is not installed: run `npm ci --prefix tests/sdk/js`",
)
def test_the_javascript_sdk_takes_a_key_through_its_life(
    client_environment: dict[str, str],
) -> None:
    """What the SDK decodes is what the API describes, typed errors included."""
    done = subprocess.run(
        ["node", "check.mjs"],
        cwd=FOLDER,
        env=client_environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert "not in CREATE_COMPLETE state." in answer.pop("secondDelete")
    assert answer == {
        "aliasTarget": True,
        "importedKcv": "08D7B4",
        "exportedKcv": "08D7B4",
        "reimportedKcv": "08D7B4",
        "blockVersion": "D",
        "created": True,
        "listed": True,
        "missingAlias": "ResourceNotFoundException",
        "pendingState": "DELETE_PENDING",
        "restoredEnabled": False,
        "startedEnabled": True,
        "tags": [{"Key": "owner", "Value": "payments"}],
    }
