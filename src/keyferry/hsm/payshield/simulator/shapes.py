"""
Messages that differ only in data, read without going through the table again.

A host sends the same command under the same keys thousands of times; only PIN block, account or
message change. The first such message is decoded by its table, and where the changing fields stood
is kept. A later message of the same length whose other bytes are the same must decode the same way,
because a command names as `varying` only fields that decide nothing about others; what the changed
fields hold is still held against their alphabets. Anything else goes through the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from keyferry.errors import HSMFrameError
from keyferry.hsm.commands import Command
from keyferry.hsm.fields import Fields, Run, Text
from keyferry.hsm.groups import Group, IfMore, IfNext, When
from keyferry.hsm.payshield.simulator.lmk_store import AnyLMK
from keyferry.hsm.recording_reader import RecordingReader
from keyferry.hsm.tables import decode
from keyferry.hsm.values import Values

MOST_SHAPES: Final = 1024
_MOST_LAYOUTS: Final = 8  # of one command and length


@dataclass(frozen=True, slots=True)
class Shape:
    """What all messages of one shape have in common."""

    values: Values  # of the fields that do not change
    lmk: AnyLMK
    trailer: bytes
    memo: dict[str, object] = field(default_factory=dict)  # keys opened for such messages


@dataclass(frozen=True, slots=True)
class Varying:
    """One changing field: where it stands and what it may hold."""

    name: str
    start: int
    end: int
    alphabet: bytes | None  # None: raw bytes
    fold: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields that change stand in messages of one command and length."""

    varying: tuple[Varying, ...]
    kept: tuple[slice, ...]
    shapes: dict[tuple[bytes, str | None], Shape] = field(default_factory=dict)

    def fixed(self, body: bytes) -> bytes:
        """Return the bytes that do not change."""
        return b"".join([body[part] for part in self.kept])


class ShapeCache:
    """The shapes a device has seen; forgotten all together when there are too many."""

    __slots__ = ("_count", "_layouts")

    def __init__(self) -> None:
        self._layouts: dict[tuple[str, int], list[Layout]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, code: str, body: bytes, port_lmk: str | None) -> tuple[Shape, Values] | None:
        """Return the shape of a message and its fields, or None where the table must read it."""
        for layout in self._layouts.get((code, len(body)), ()):
            shape = layout.shapes.get((layout.fixed(body), port_lmk))
            if shape is None:
                continue
            values = Values(shape.values)
            for varying in layout.varying:
                raw = body[varying.start : varying.end]
                if varying.alphabet is None:
                    values[varying.name] = raw
                    continue
                if raw.translate(None, varying.alphabet):
                    return None
                text = raw.decode("ascii")
                values[varying.name] = text.upper() if varying.fold else text
            return shape, values
        return None

    def learn(
        self,
        command: Command,
        body: bytes,
        *,
        start: int,
        port_lmk: str | None,
        shape: Shape,
        context: dict[str, object],
    ) -> None:
        """
        Keep the shape of a message that was decoded.

        Args:
            command: whose `varying` names the fields that change.
            body: the message, header included.
            start: where its fields begin.
            port_lmk: the LMK of the port it came to.
            shape: the decoded message.
            context: settings of the device, as the table asks for them.
        """
        place = (command.code, len(body))
        layouts = self._layouts.setdefault(place, [])
        layout = _layout(command, body, start, context)
        known = next((old for old in layouts if old.kept == layout.kept), None)
        if self._count >= MOST_SHAPES or (known is None and len(layouts) >= _MOST_LAYOUTS):
            self._layouts.clear()
            self._count = 0
            layouts = self._layouts.setdefault(place, [])
            known = None
        if known is None:
            layouts.append(layout)
            known = layout
        known.shapes[known.fixed(body), port_lmk] = shape
        self._count += 1


def _layout(command: Command, body: bytes, start: int, context: dict[str, object]) -> Layout:
    if command.request is None:
        raise HSMFrameError(f"{command.title}: its layout is not public")
    recorder = RecordingReader(body[start:], origin=start)
    decode(command.request, recorder, context)
    varying = tuple(
        _varying(command.request, *taken) for taken in recorder.taken if taken[0] in command.varying
    )
    kept: list[slice] = []
    at = start
    for one in varying:
        kept.append(slice(at, one.start))
        at = one.end
    kept.append(slice(at, None))
    return Layout(varying, tuple(kept))


def _varying(fields: Fields, name: str, start: int, end: int) -> Varying:
    row = _leaf(fields, name)
    if isinstance(row, Text):
        return Varying(name, start, end, row.alphabet, row.fold)
    if isinstance(row, Run):
        return Varying(name, start, end, row.alphabet, False)
    return Varying(name, start, end, None, False)


def _leaf(fields: Fields, name: str) -> object:
    for row in fields:
        if isinstance(row, When):
            inner: Fields = (*row.fields, *row.otherwise)
        elif isinstance(row, Group | IfNext | IfMore):
            inner = row.fields
        else:
            if getattr(row, "name", None) == name:
                return row
            continue
        found = _leaf(inner, name)
        if found is not None:
            return found
    return None
