"""
The service and the HSM simulators inside the tests of an application.

A pytest plugin (`keyferry.testing.plugin`, found through its entry point) hands out clients of a
service that runs in the test process. Nothing is imported before a fixture asks for it, because
pytest loads the plugin in every run.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if find_spec("pytest") is None:
    raise ImportError(
        "keyferry.testing is a plugin of pytest, which is not installed: pip install pytest"
    )

if TYPE_CHECKING:
    from keyferry.testing.account import Account
    from keyferry.testing.key_loader import KeyLoader
    from keyferry.testing.server import KeyferryServer
    from keyferry.testing.simulator import PayShieldSimulator

__all__ = ["Account", "KeyLoader", "KeyferryServer", "PayShieldSimulator"]

_PLACES = {
    "Account": "account",
    "KeyLoader": "key_loader",
    "KeyferryServer": "server",
    "PayShieldSimulator": "simulator",
}


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{place}"), name)
