"""The public names of the room."""

from __future__ import annotations

import inspect

import keyferry.keys


def test_the_list_of_exports_is_what_the_package_holds() -> None:
    """Every public name is listed, and every listed name is there."""
    held = {
        name
        for name, value in vars(keyferry.keys).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert held == set(keyferry.keys.__all__)
    assert keyferry.keys.__all__ == sorted(keyferry.keys.__all__)
