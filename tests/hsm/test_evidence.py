"""docs/evidence.md is what the command tables say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from keyferry.hsm.atalla.commands import COMMANDS as ATALLA
from keyferry.hsm.commands import Command
from keyferry.hsm.futurex.commands import COMMANDS as FUTUREX
from keyferry.hsm.payshield.commands import COMMANDS as PAYSHIELD

ROOT = Path(__file__).parent.parent.parent


def render() -> str:
    """Load the generator as the program it is, and return its text."""
    path = ROOT / "tools" / "generate_evidence.py"
    specification = importlib.util.spec_from_file_location("generate_evidence", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    text: str = module.render()
    return text


def test_the_page_is_up_to_date() -> None:
    """The checked-in page equals a fresh one; run tools/generate_evidence.py otherwise."""
    assert (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8") == render()


@pytest.mark.parametrize(
    "commands", [PAYSHIELD, FUTUREX, ATALLA], ids=["payshield", "futurex", "atalla"]
)
def test_every_command_is_on_the_page(commands: dict[str, Command]) -> None:
    """Each command stands there with its grade and whether the simulator does it."""
    page = render()
    assert all(
        f"\n| {code} | {command.response_code} | {command.name} |" in page
        for code, command in commands.items()
    )
