"""The generated pages say what the program says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parent.parent / "tools" / "generate_reference.py"


def test_reference_pages_are_those_of_the_program() -> None:
    """A changed option or operation without its page is noticed."""
    # In a process of its own: click remembers the help option of the first context it met.
    done = subprocess.run(
        [sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
