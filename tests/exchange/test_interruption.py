"""Ctrl-C in the middle of an exchange: what was made is taken back, and the exit code is 130."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path


def test_ctrl_c_takes_back_what_was_made(aws, keys, tmp_path: Path) -> None:
    """Interrupted after keys were made on both sides, neither Region has a key more."""
    before = keys("us-east-1"), keys("us-west-2")
    config = tmp_path / "config.json"
    document = {
        "kdh": {"apc": {"region": "us-west-2"}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    config.write_text(json.dumps(document))
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "keyferry", "exchange", "ecdh", "--kdh", "apc"),
            *("--config", str(config)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "make a key agreement key" in line and "us-east-1" in line:
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "keyferry: interrupted" in err
    assert "Traceback" not in err
    assert "(the key generated for this exchange) is scheduled for deletion" in err
    assert (keys("us-east-1"), keys("us-west-2")) == before
