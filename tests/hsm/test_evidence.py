"""docs/evidence.md is what the command tables say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from keyferry.hsm.payshield.commands import COMMANDS

ROOT = Path(__file__).parent.parent.parent


def render() -> str:
    """Load the generator as the program it is, and return its text."""
    path = ROOT / "tools" / "generate_evidence.py"
    specification = importlib.util.spec_from_file_location("generate_evidence", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    text: str = module.render()
    return text


def test_the_page_is_up_to_date() -> None:
    """The checked-in page equals a fresh one; run tools/generate_evidence.py otherwise."""
    assert (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8") == render()


def test_every_command_is_on_the_page() -> None:
    """Each command stands there with its grade and whether the simulator does it."""
    page = render()
    assert all(
        f"\n| {code} | {command.response_code} |" in page for code, command in COMMANDS.items()
    )
