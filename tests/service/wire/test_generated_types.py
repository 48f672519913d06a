"""The checked-in wire types are what the installed API models give."""

from __future__ import annotations

import importlib.util
import sys
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from keyferry.service.wire import control_types, data_types
from keyferry.service.wire.shapes import Structure

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_wire", ROOT / "tools/generate_wire.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_checked_in_files_match_the_model(generator: ModuleType) -> None:
    """A new botocore shows as a difference here: run tools/generate_wire.py and read the diff."""
    for path, source in generator.generate().items():
        assert path.read_text(encoding="utf-8") == source, path.name


def test_generation_is_deterministic(generator: ModuleType) -> None:
    """Two runs write the same text."""
    first = generator.Model("payment-cryptography").source()
    assert generator.Model("payment-cryptography").source() == first


@pytest.mark.parametrize("module", [control_types, data_types])
def test_every_structure_has_a_type_with_the_models_member_names(module: Any) -> None:
    """The wire name of each struct field is a member of the shape of the same name."""
    structures = {n: s for n, s in module.SHAPES.items() if isinstance(s, Structure)}
    assert len(structures) > 80
    for name, shape in structures.items():
        struct = getattr(module, name)
        assert struct.__struct_encode_fields__ == tuple(shape.members), name
        required = {
            wire
            for field, wire in zip(
                msgspec.structs.fields(struct), struct.__struct_encode_fields__, strict=True
            )
            if field.required
        }
        assert required == set(shape.required), name


def test_all_operations_of_both_planes_are_there() -> None:
    """The API model of the control plane has 32 operations, that of the data plane 15."""
    assert len(control_types.OPERATIONS) == 32
    assert len(data_types.OPERATIONS) == 15
    assert data_types.OPERATIONS["DecryptData"].in_uri == ("KeyIdentifier",)


def test_absent_members_are_left_out_and_flags_are_whole() -> None:
    """Optional members vanish when None; the modes of use always carry all nine flags."""
    alias = control_types.Alias(alias_name="alias/x")
    assert msgspec.json.encode(alias) == b'{"AliasName":"alias/x"}'
    modes = msgspec.to_builtins(control_types.KeyModesOfUse(encrypt=True))
    assert modes.pop("Encrypt") is True
    assert len(modes) == 8
    assert not any(modes.values())


def test_sensitive_members_name_fields_of_their_structures() -> None:
    """Every entry of the redaction table names existing Python members."""
    for module in (control_types, data_types):
        for name, members in module.SENSITIVE_MEMBERS.items():
            assert members <= set(getattr(module, name).__struct_fields__)
    assert control_types.SENSITIVE_MEMBERS["WrappedKey"] == {"key_material"}


def test_timestamps_are_datetimes() -> None:
    """A timestamp member is a datetime in Python."""
    fields = {f.name: f.type for f in msgspec.structs.fields(control_types.Key)}
    assert fields["create_timestamp"] is datetime
    assert sys.modules[control_types.Key.__module__] is control_types
