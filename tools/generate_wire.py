"""
Write the wire types of the service from the API models that botocore carries.

Run `python tools/generate_wire.py` after botocore changed, read the diff, commit it. A test
regenerates and compares. One `msgspec.Struct` per structure of the model, under the model's name,
with snake_case members; the constraints go beside them as data (`SHAPES`).
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.loaders
import msgspec

WIRE = Path(__file__).parent.parent / "src" / "keyferry" / "service" / "wire"
SERVICES = {
    "payment-cryptography": "control_types.py",
    "payment-cryptography-data": "data_types.py",
}

# Where the service's own guides contradict its model, and what we follow.
OVERRIDES: dict[str, dict[str, dict[str, Any]]] = {
    "payment-cryptography": {
        "TagValue": {"min": 0},  # the user guide allows an empty tag value, the model does not
    },
    "payment-cryptography-data": {},
}

# What the tables are written with: classes of wire/shapes.py, sorted as an import wants them.
VOCABULARY = (
    "Flag",
    "ListOf",
    "MapOf",
    "Number",
    "OperationShape",
    "Shape",
    "Structure",
    "Text",
    "Timestamp",
)

PYTHON_TYPES = {
    "string": "str",
    "integer": "int",
    "boolean": "bool",
    "timestamp": "datetime",
}


def snake_case(name: str) -> str:
    """The Python name of a member: `KeyCheckValueAlgorithm` is `key_check_value_algorithm`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Model:
    """One service model, and how its shapes are written down."""

    def __init__(self, service: str) -> None:
        loaded = botocore.loaders.Loader().load_service_model(service, "service-2")
        self.service = service
        self.title: str = loaded["metadata"]["serviceFullName"]
        self.version: str = loaded["metadata"]["apiVersion"]
        self.operations: dict[str, Any] = loaded["operations"]
        shapes: dict[str, Any] = loaded["shapes"]
        for name, changes in OVERRIDES[service].items():
            shapes[name] = {**shapes[name], **changes}
        # Exceptions are written by wire/errors.py; their shapes are no types of ours.
        self.shapes = {
            name: shape for name, shape in sorted(shapes.items()) if not shape.get("exception")
        }

    def python_type(self, shape_name: str) -> str:
        shape = self.shapes[shape_name]
        match shape["type"]:
            case "structure":
                return shape_name
            case "list":
                return f"list[{self.python_type(shape['member']['shape'])}]"
            case "map":
                key = self.python_type(shape["key"]["shape"])
                return f"dict[{key}, {self.python_type(shape['value']['shape'])}]"
            case plain:
                return PYTHON_TYPES[plain]

    def is_sensitive(self, shape_name: str) -> bool:
        """Whether the shape, or what a list or map of it holds, is marked sensitive."""
        shape = self.shapes[shape_name]
        if shape.get("sensitive"):
            return True
        inner = [shape[part]["shape"] for part in ("member", "key", "value") if part in shape]
        return any(self.is_sensitive(name) for name in inner)

    def structures(self) -> dict[str, Any]:
        return {name: shape for name, shape in self.shapes.items() if shape["type"] == "structure"}

    def struct_source(self, name: str, shape: dict[str, Any]) -> str:
        members = shape["members"]
        primitive = {
            member
            for member, reference in members.items()
            if self.shapes[reference["shape"]]["type"] == "boolean"
            and not self.shapes[reference["shape"]].get("box")
            and member not in shape.get("required", ())
        }
        if primitive and primitive != set(members):
            raise ValueError(f"{name} mixes primitive flags with other members")
        # A structure of primitive flags is always sent whole, false included.
        options = ["kw_only=True", "frozen=True", 'rename="pascal"']
        if not primitive:
            options.insert(2, "omit_defaults=True")
        lines = [f"class {name}(Struct, {', '.join(options)}):"]
        for member, reference in members.items():
            python_name = snake_case(member)
            kind = self.python_type(reference["shape"])
            default = ""
            if member in primitive:
                default = " = False"
            elif member not in shape.get("required", ()):
                kind, default = f"{kind} | None", " = None"
            if pascal(python_name) != member:
                value = "" if not default else f"default={default.removeprefix(' = ')}, "
                default = f' = field({value}name="{member}")'
            lines.append(f"    {python_name}: {kind}{default}")
        if not members:
            lines.append("    pass")
        return "\n".join(lines)

    def shape_source(self, shape: dict[str, Any]) -> str:
        def arguments(**values: Any) -> str:
            return ", ".join(f"{name}={value!r}" for name, value in values.items() if value)

        bounds: dict[str, Any] = {}
        if "min" in shape and shape["min"] > 0:
            bounds["minimum"] = shape["min"]
        if "max" in shape:
            bounds["maximum"] = shape["max"]
        match shape["type"]:
            case "string":
                text = arguments(
                    **bounds,
                    pattern=shape.get("pattern"),
                    enum=tuple(shape.get("enum", ())),
                    sensitive=shape.get("sensitive"),
                )
                return f"Text({text})"
            case "integer":
                limits = {
                    name: shape[key]
                    for key, name in (("min", "minimum"), ("max", "maximum"))
                    if key in shape
                }
                return f"Number({', '.join(f'{name}={value!r}' for name, value in limits.items())})"
            case "boolean":
                return "Flag()"
            case "timestamp":
                return "Timestamp()"
            case "list":
                return f"ListOf({arguments(member=shape['member']['shape'], **bounds)})"
            case "map":
                key, value = shape["key"]["shape"], shape["value"]["shape"]
                return f"MapOf({arguments(key=key, value=value, **bounds)})"
            case "structure":
                members = {
                    member: reference["shape"] for member, reference in shape["members"].items()
                }
                required = arguments(
                    required=tuple(shape.get("required", ())), union=shape.get("union")
                )
                return f"Structure(members={members!r}, {required})"
            case other:
                raise ValueError(f"shape type {other} is not known")

    def operation_source(self, operation: dict[str, Any]) -> str:
        source = f"input={operation['input']['shape']}, output={operation['output']['shape']}"
        errors = sorted(error["shape"] for error in operation["errors"])
        source += f", errors=frozenset({errors!r})"
        http = operation["http"]
        if http["method"] != "POST":
            source += f", method={http['method']!r}"
        if http["requestUri"] != "/":
            source += f", uri={http['requestUri']!r}"
        in_uri = tuple(
            member
            for member, reference in self.shapes[operation["input"]["shape"]]["members"].items()
            if reference.get("location") == "uri"
        )
        if in_uri:
            source += f", in_uri={in_uri!r}"
        return f"OperationShape({source})"

    def source(self) -> str:
        structs = [self.struct_source(name, shape) for name, shape in self.structures().items()]
        shapes = [f"{name!r}: {self.shape_source(shape)}," for name, shape in self.shapes.items()]
        sensitive = {}
        for name, shape in self.structures().items():
            marked = sorted(
                snake_case(member)
                for member, reference in shape["members"].items()
                if self.is_sensitive(reference["shape"])
            )
            if marked:
                sensitive[name] = f"{name!r}: frozenset({marked!r}),"
        operations = [
            f"{name!r}: {self.operation_source(operation)},"
            for name, operation in sorted(self.operations.items())
        ]
        body = "\n\n\n".join(structs)
        tables = "\n\n".join(
            [
                "# What the model says about each shape; constraints.py enforces it.",
                "SHAPES: dict[str, Shape] = {" + "\n".join(shapes) + "}",
                "# Members that never appear in a log, an error or an audit record, by structure.",
                "SENSITIVE_MEMBERS: dict[str, frozenset[str]] = {"
                + "\n".join(sensitive.values())
                + "}",
                "OPERATIONS: dict[str, OperationShape] = {" + "\n".join(operations) + "}",
            ]
        )
        names = [name for name in VOCABULARY if re.search(rf"\b{name}\b", tables)]
        imports = ["from __future__ import annotations", ""]
        if "datetime" in body:
            imports += ["from datetime import datetime", ""]
        struct_names = "Struct, field" if " = field(" in body else "Struct"
        imports += [
            f"from msgspec import {struct_names}",
            "",
            f"from keyferry.service.wire.shapes import ({', '.join(names)},)",
        ]
        head = (
            f'"""\nTypes of the {self.title} API, {self.version}.\n\n'
            "Generated by tools/generate_wire.py from botocore's service model; do not edit.\n"
            '"""\n'
        )
        return f"{head}\n" + "\n".join(imports) + f"\n\n\n{body}\n\n\n{tables}\n"


def pascal(python_name: str) -> str:
    """The wire name msgspec gives a member of this name under `rename="pascal"`."""
    probe = msgspec.defstruct("Probe", [(python_name, int)], rename="pascal")
    return probe.__struct_encode_fields__[0]


def formatted(source: str) -> str:
    ruff = Path(sys.executable).parent / "ruff"
    done = subprocess.run(
        [
            str(ruff),
            "format",
            "--stdin-filename",
            "src/keyferry/service/wire/control_types.py",
            "-",
        ],
        input=source,
        capture_output=True,
        text=True,
        check=True,
        cwd=WIRE.parents[3],
    )
    return done.stdout


def generate() -> dict[Path, str]:
    """Every generated file and what it must hold."""
    return {
        WIRE / file_name: formatted(Model(service).source())
        for service, file_name in SERVICES.items()
    }


def main() -> None:
    for path, source in generate().items():
        path.write_text(source, encoding="utf-8")
        print(f"{path}: {source.count(chr(10))} lines")


if __name__ == "__main__":
    main()
