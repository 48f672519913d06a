"""
Request types that decode and check in one pass.

The walk of `constraints.py` tells every broken constraint, and takes twice as long as everything
else on the way of a data-plane request. The types made here hold the same constraints, so that the
decoder itself refuses what breaks one; only then is the request walked, for the words. What the
decoder accepts the walk accepts too: a test holds the two against each other.

Each type is a subclass of the generated one, under its name, with the annotations narrowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from keyferry.service.wire.shapes import Flag, ListOf, Number, Shape, Structure, Text

_INTEGER_MIN, _INTEGER_MAX = -(2**31), 2**31 - 1
# Pairs of hex digits: the model's pattern, and one for the same texts, but the empty one, that is
# five times as fast on a message of 4 KB: runs of one set of characters are counted at once.
_HEX_BYTES = "(?:[0-9a-fA-F][0-9a-fA-F])+"
_LONG_HEX_BYTES = "(?:[0-9a-fA-F]{64})*+(?:[0-9a-fA-F]{2})*+"
_LONG = 512


class StrictTypes:
    """The strict request types of one API model; a type is made when it is first asked for."""

    def __init__(self, generated: ModuleType) -> None:
        """`generated` is a module of types with its SHAPES, as tools/generate_wire.py writes it."""
        self._generated = generated
        self._shapes: Mapping[str, Shape] = generated.SHAPES
        self._made: dict[str, Any] = {}

    def of(self, shape_name: str) -> Any:
        """The type of a shape: a Struct for a structure, an annotation for what it is made of."""
        made = self._made.get(shape_name)
        if made is None:
            made = self._made[shape_name] = self._make(shape_name)
        return made

    def _make(self, name: str) -> Any:
        match self._shapes[name]:
            case Text() as shape:
                return _text(shape)
            case Number() as shape:
                low = _INTEGER_MIN if shape.minimum is None else shape.minimum
                high = _INTEGER_MAX if shape.maximum is None else shape.maximum
                return Annotated[int, Meta(ge=low, le=high)]
            case Flag():
                return bool
            case ListOf() as shape:
                bounds = Meta(min_length=shape.minimum, max_length=shape.maximum)
                return Annotated[list[self.of(shape.member)], bounds]  # type: ignore[misc]
            case Structure() as shape:
                return self._structure(name, shape)
            case shape:
                raise ValueError(f"{name}: no strict type for {type(shape).__name__}")

    def _structure(self, name: str, shape: Structure) -> type[msgspec.Struct]:
        generated: type[msgspec.Struct] = getattr(self._generated, name)
        fields: list[Any] = []
        for member in msgspec.structs.fields(generated):
            kind = self.of(shape.members[member.encode_name])
            if member.encode_name in shape.required:
                fields.append((member.name, kind, msgspec.field(name=member.encode_name)))
            else:
                default = msgspec.field(default=None, name=member.encode_name)
                fields.append((member.name, kind | None, default))
        namespace = {}
        if shape.union:
            namespace["__post_init__"] = _exactly_one_of(len(fields))
        return msgspec.defstruct(
            name,
            fields,
            bases=(generated,),
            namespace=namespace,
            kw_only=True,
            frozen=True,
            omit_defaults=True,
        )


def _text(shape: Text) -> Any:
    if shape.enum:
        return Literal[shape.enum]
    pattern = shape.pattern
    if pattern == _HEX_BYTES and shape.minimum and (shape.maximum or 0) > _LONG:
        pattern = _LONG_HEX_BYTES
    if pattern is not None:
        # The decoder searches; anchors make it a match of the whole, and ASCII as the walk has it.
        pattern = rf"(?a:\A(?:{pattern})\Z)"
    return Annotated[str, Meta(min_length=shape.minimum, max_length=shape.maximum, pattern=pattern)]


def _exactly_one_of(count: int) -> Any:
    values = msgspec.structs.astuple

    def check(self: msgspec.Struct) -> None:
        if values(self).count(None) != count - 1:
            raise ValueError("exactly one member is expected")

    return check
