"""The example files work, and every member of the configuration is documented."""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

import pytest

from keyferry.exchange.config import (
    APC,
    ECDH,
    TR31,
    TR34,
    Atalla,
    AuthorityFiles,
    Futurex,
    Local,
    PayShield,
    TLSFiles,
)
from keyferry.exchange.config_file import load_config
from keyferry.exchange.parties.interface import Method
from keyferry.exchange.plan import make_plan

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "kdh", "method"),
    [
        ("payshield.json", "payshield", Method.TR34),
        ("payshield.json", "payshield", Method.ECDH),
        ("region-to-region.yaml", "apc", Method.ECDH),
        ("test-key.toml", "local", Method.TR34),
    ],
)
def test_examples_can_be_planned(name: str, kdh: str, method: Method) -> None:
    """Each file describes an exchange that is possible."""
    config = load_config(ROOT / "examples" / name)
    plan = make_plan(config, method=method, kdh=kdh, krd="apc", file=name, test_key=True)
    assert plan.method is method


@pytest.mark.parametrize(
    "struct",
    [APC, ECDH, TR31, TR34, Atalla, AuthorityFiles, Futurex, Local, PayShield, TLSFiles],
)
def test_every_member_is_documented(struct: type) -> None:
    """The reference page names every member that the file may have."""
    page = (ROOT / "docs" / "reference" / "exchange-configuration.md").read_text()
    for member in get_type_hints(struct):
        assert f"`{member}`" in page, member
