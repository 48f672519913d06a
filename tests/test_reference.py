"""The generated pages say what the program says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def _tool(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["cli.md", "coverage.md"])
def test_reference_pages_are_those_of_the_program(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed option or operation without its page is noticed."""
    monkeypatch.setenv("COLUMNS", "100")
    written = (ROOT / "docs" / "reference" / page).read_text()
    assert written == _tool("generate_reference").pages()[page], (
        "run `python tools/generate_reference.py`"
    )
