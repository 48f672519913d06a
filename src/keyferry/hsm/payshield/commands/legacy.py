"""
Key commands of older firmware: what A0, A6 and A8 do, one command for each kind of key.

Without the `;` group an answer has the key's own length without a scheme letter and a check value
of 16 characters. Layouts of a public simulator; FM's group of a real 9000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import REST, Field, Fields, Number, choice, hexadecimal
from keyferry.hsm.groups import Repeat
from keyferry.hsm.payshield.commands import tails
from keyferry.hsm.payshield.key_field import KeyField, Under

_SOURCE: Final = "thalessimulatorlibrary"
_SIMULATOR: Final = (Evidence.SIMULATOR,)


@dataclass(frozen=True, slots=True)
class LegacyKey:
    """
    What a legacy command does with its key: the type codes it may have, and its bare length.

    `flagged` are the type codes a leading flag chooses from; else the first of `types` is it.
    """

    types: tuple[str, ...]
    bare: int = 16
    flagged: bool = False

    def type_of(self, flag: str | None) -> str:
        """Return the key type code a request speaks of."""
        return self.types[int(flag)] if self.flagged and flag is not None else self.types[0]


ZPK: Final = LegacyKey(("001",))
TERMINAL: Final = LegacyKey(("002",))
ZEK_OR_ZAK: Final = LegacyKey(("00A", "008"), flagged=True)
BDK: Final = LegacyKey(("009",), bare=32)
CVK: Final = LegacyKey(("402",), bare=32)
ZMK: Final = LegacyKey(("000",), bare=32)

IMPORTS: Final = {"FA": ZPK, "BY": ZMK, "FC": TERMINAL, "FK": ZEK_OR_ZAK, "DW": BDK, "AW": CVK}
EXPORTS: Final = {"GC": ZPK, "FE": TERMINAL, "FM": ZEK_OR_ZAK, "DY": BDK, "AU": CVK}
GENERATES: Final = {"IA": ZPK, "FI": ZEK_OR_ZAK}
GENERATES_ALONE: Final = {"AS": CVK, "BI": BDK}

_FLAG: Final = choice("key_flag", "0", "1")
_ZMK_FIELD: Final = KeyField("zmk", bare=tails.zmk_bare)
_KCV: Final = hexadecimal("kcv", REST)


def _flag(key: LegacyKey) -> tuple[Field, ...]:
    return (_FLAG,) if key.flagged else ()


def _command(
    code: str,
    name: str,
    request: Fields,
    response: Fields,
    *,
    evidence: tuple[Evidence, ...] = _SIMULATOR,
    warnings: frozenset[str] = frozenset(),
) -> Command:
    return Command(
        code=code,
        response_code=code[0] + chr(ord(code[1]) + 1),
        name=name,
        request=(*request, tails.LEGACY, tails.LMK),
        response=response,
        source=_SOURCE,
        evidence=evidence,
        errors={"01": "imported key had bad parity, it was adjusted"} if warnings else {},
        warnings=warnings,
    )


def _import(code: str, name: str, evidence: tuple[Evidence, ...] = _SIMULATOR) -> Command:
    key = IMPORTS[code]
    return _command(
        code,
        name,
        (
            *_flag(key),
            _ZMK_FIELD,
            KeyField("wrapped_key", bare=key.bare, under=Under.ZMK),
            tails.ATALLA,
        ),
        (KeyField("new_key", bare=tails.bare_of("wrapped_key")), _KCV),
        warnings=frozenset({"01"}),
        evidence=evidence,
    )


def _export(code: str, name: str, evidence: tuple[Evidence, ...] = _SIMULATOR) -> Command:
    key = EXPORTS[code]
    return _command(
        code,
        name,
        (*_flag(key), _ZMK_FIELD, KeyField("key", bare=key.bare), tails.ATALLA),
        (KeyField("exported_key", bare=tails.bare_of("key"), under=Under.ZMK), _KCV),
        evidence=evidence,
    )


def _generate(code: str, name: str) -> Command:
    return _command(
        code,
        name,
        (*_flag(GENERATES[code]), _ZMK_FIELD, tails.ATALLA),
        (
            KeyField("exported_key", under=Under.ZMK),
            KeyField("new_key"),
            _KCV,
        ),
    )


def _generate_alone(code: str, name: str) -> Command:
    return _command(code, name, (), (KeyField("new_key", bare=32), _KCV))


_VECTOR: Final = (Evidence.SIMULATOR, Evidence.VECTOR)

COMMANDS: Final = (
    _command(
        "HC",
        "generate TMK, TPK or PVK",
        (KeyField("current_key"),),
        (
            KeyField("exported_key", bare=tails.bare_of("current_key"), under=Under.ZMK),
            KeyField("new_key", bare=tails.bare_of("current_key")),
        ),
    ),
    _import("FA", "import ZPK", _VECTOR),
    _export("GC", "export ZPK"),
    _generate("IA", "generate ZPK"),
    _import("BY", "import ZMK"),
    _import("FC", "import TMK, TPK or PVK"),
    _export("FE", "export TMK, TPK or PVK"),
    _import("FK", "import ZEK or ZAK"),
    _export("FM", "export ZEK or ZAK", (Evidence.FIELD_TABLE, Evidence.SIMULATOR)),
    _generate("FI", "generate ZEK or ZAK"),
    _import("DW", "import BDK", _VECTOR),
    _export("DY", "export BDK"),
    _import("AW", "import CVK pair"),
    _export("AU", "export CVK pair"),
    _generate_alone("AS", "generate CVK pair"),
    _generate_alone("BI", "generate BDK"),
    _command(
        "GG",
        "form ZMK from three components",
        (Repeat("components", (KeyField("component", bare=32),), 3),),
        (KeyField("new_key", bare=32), _KCV),
    ),
    _command(
        "GY",
        "form ZMK from components",
        (
            Number("component_count", 1, low=2, high=9, reply="03", counts="components"),
            Repeat("components", (KeyField("component", bare=32),), "component_count"),
        ),
        (KeyField("new_key", bare=32), _KCV),
    ),
)
