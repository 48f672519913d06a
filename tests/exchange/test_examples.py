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
    ("name", "kdh", "krd", "method"),
    [
        ("payshield.json", "payshield", "apc", Method.TR34),
        ("payshield.json", "payshield", "apc", Method.ECDH),
        ("region-to-region.yaml", "apc", "apc", Method.ECDH),
        ("test-key.toml", "local", "apc", Method.TR34),
        ("into-payshield.json", "apc", "payshield", Method.ECDH),
    ],
)
def test_examples_can_be_planned(name: str, kdh: str, krd: str, method: Method) -> None:
    """Each file describes an exchange that is possible."""
    config = load_config(ROOT / "examples" / name)
    plan = make_plan(config, method=method, kdh=kdh, krd=krd, file=name, test_key=True)
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
