"""What the modules of `crypto` say they export is there; a package exports nothing else."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

import keyferry.crypto

MODULES = [
    module.name
    for module in pkgutil.walk_packages(keyferry.crypto.__path__, keyferry.crypto.__name__ + ".")
]


def is_public(module: ModuleType, name: str) -> bool:
    """Tell whether a package offers a name: not private, and no submodule that importing left."""
    return not (name.startswith("_") or isinstance(getattr(module, name), ModuleType))


@pytest.mark.parametrize("name", MODULES)
def test_exported_names_exist(name: str) -> None:
    """Every name in `__all__` is there, once."""
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", ())
    assert len(set(exported)) == len(exported)
    for item in exported:
        assert hasattr(module, item), f"{name} has no {item}"


def test_the_key_block_package_exports_what_it_imports() -> None:
    """The list and the module agree."""
    package = importlib.import_module("keyferry.crypto.keyblock")
    offered = {name for name in vars(package) if is_public(package, name)}
    assert offered == set(package.__all__)
