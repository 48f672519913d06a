"""The example application passes its own tests, run as its reader would run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples" / "card_service"


def test_the_example_passes_its_tests() -> None:
    """In its own folder, with its own settings; every test of it runs."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    tests = (FOLDER / "tests" / "test_card_service.py").read_text()
    count = len(re.findall("^def test_", tests, re.MULTILINE))
    assert re.search(rf"^{count} passed in", done.stdout, re.MULTILINE), done.stdout
