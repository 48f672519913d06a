"""
What a key is for in a data command, and keys opened for use.

Under a variant LMK a role is a list of key types, under a key block LMK a list of usages and the
modes that allow the operation. A key that was opened once stays open: commands name the same few
keys again and again, and opening costs more than using.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.tdes_key import TDESKey
from keyferry.hsm.payshield.key_types import BDK_TYPE_CODES, BDK_USAGES, KEY_BLOCK_TYPE
from keyferry.hsm.payshield.simulator.call import FIRST_KEY, SCHEMES_DIFFER, Call
from keyferry.hsm.payshield.simulator.device_key import DeviceKey
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

INVALID_TYPE: Final = "28"
KEY_LENGTH: Final = "27"
USAGE: Final = "A6"
ALGORITHM: Final = "A7"
MODE: Final = "A8"

ENCRYPT: Final = "BEN"
DECRYPT: Final = "BDN"
GENERATE: Final = "CGN"
VERIFY: Final = "CVN"
DERIVE: Final = "XN"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeyRole:
    """Which keys serve an operation."""

    name: str
    types: tuple[str, ...]  # of a variant LMK; the first where the command does not say one
    usages: tuple[str, ...]
    modes: str

    def for_(self, modes: str) -> KeyRole:
        """Return the role of the same keys in another operation."""
        return KeyRole(self.name, self.types, self.usages, modes)


ZPK: Final = KeyRole("ZPK", ("001",), ("P0", "72"), DECRYPT)
TPK: Final = KeyRole("TPK", ("002",), ("P0", "71"), DECRYPT)
SEPARATE_TPK: Final = KeyRole("TPK", ("70D",), ("P0", "71"), DECRYPT)
PVK_IBM: Final = KeyRole("IBM PVK", ("002",), ("V0", "V1"), VERIFY)
PVK_VISA: Final = KeyRole("Visa PVK", ("002",), ("V0", "V2"), VERIFY)
CVK: Final = KeyRole("CVK", ("402",), ("C0", "11", "12", "13"), VERIFY)
MAC: Final = KeyRole("MAC key", ("003", "008"), ("M0", "M1", "M3", "M6"), GENERATE)
TAK: Final = KeyRole("TAK", ("003",), ("D0", "21"), ENCRYPT)
DATA: Final = KeyRole("DEK", ("00A", "00B", "30B"), ("D0", "21", "22", "23"), ENCRYPT)
MK_AC: Final = KeyRole("MK-AC", ("109",), ("E0",), DERIVE)
MK_SMI: Final = KeyRole("MK-SMI", ("209",), ("E2",), DERIVE)
BDK_TYPES: Final = tuple(BDK_TYPE_CODES.values())
ANY_BDK: Final = KeyRole(
    "BDK", BDK_TYPES, tuple(usage for usages in BDK_USAGES.values() for usage in usages), DERIVE
)


def bdk(key_type: str) -> KeyRole:
    """Return the role of a BDK of one type, e.g. 609."""
    number = next(number for number, code in BDK_TYPE_CODES.items() if code == key_type)
    # TR-31 knows one usage for all types, and keys that came that way keep it.
    return KeyRole(f"BDK {number}", (key_type,), (*BDK_USAGES[number], "B0"), DERIVE)


def pin_key_role(call: Call, *, terminal: bool) -> KeyRole:
    """Return the role of a TPK or a ZPK; type 002 may be split by a setting."""
    if not terminal:
        return ZPK
    return SEPARATE_TPK if call.settings.separate_type_002 else TPK


def open_role(
    call: Call,
    name: str,
    role: KeyRole,
    *,
    key_type: str | None = None,
    parity_code: str = FIRST_KEY,
) -> DeviceKey:
    """
    Open a key of the request that is to serve a role.

    Args:
        call: the command in progress.
        name: of the key field.
        role: what it serves.
        key_type: as the request says it; by default the role's first.
        parity_code: 10 or 11, by which key of the command it is.

    Raises:
        CommandRefusedError: 28, the type does not serve; A6, A8, the header does not; A1 where
            type and LMK do not belong together; 10, 11, A4 where it does not open.
    """
    if call.is_variant:
        chosen = role.types[0] if key_type is None else key_type
        if chosen == KEY_BLOCK_TYPE:
            raise CommandRefusedError(SCHEMES_DIFFER)
        if chosen not in role.types:
            raise CommandRefusedError(INVALID_TYPE)
        return call.open(name, chosen, parity_code=parity_code)
    if key_type not in (None, KEY_BLOCK_TYPE):
        raise CommandRefusedError(SCHEMES_DIFFER)
    key = call.open(name, KEY_BLOCK_TYPE, parity_code=parity_code)
    if key.usage not in role.usages:
        raise CommandRefusedError(USAGE)
    if key.mode not in role.modes:
        raise CommandRefusedError(MODE)
    return key


def ready(
    call: Call,
    name: str,
    role: KeyRole,
    make: Callable[[DeviceKey], T],
    kind: type[T],
    *,
    key_type: str | None = None,
    parity_code: str = FIRST_KEY,
) -> T:
    """
    Return a key of the request opened for a role and turned into what its algorithm takes.

    Args: those of `open_role`, and how the opened key is made and of which class it is.
    """
    memo = call.memo
    if memo is not None:
        known = memo.get(name)
        if isinstance(known, kind):
            return known
    field = call.key(name)
    kept = call.device.opened_keys
    # Type, role and LMK belong to the name: the same characters may be refused as another type.
    place = (field.scheme, field.body, call.lmk.identifier, role, key_type, kind)
    if field.is_reference:
        # What is stored may be replaced, so nothing about it is kept.
        return make(open_role(call, name, role, key_type=key_type, parity_code=parity_code))
    found = kept.get(place, kind)
    if found is None:
        found = make(open_role(call, name, role, key_type=key_type, parity_code=parity_code))
        kept.put(place, found)
    if memo is not None:
        memo[name] = found
    return found


def cipher_key(key: DeviceKey) -> CipherKey:
    """Open a key of any length for its cipher."""
    return CipherKey(key.cipher, key.material)


def double_key(key: DeviceKey) -> TDESKey:
    """Open a key for algorithms that need two halves; refused with 27 where there are none."""
    if key.cipher is not Cipher.TDES:
        raise CommandRefusedError(ALGORITHM)
    if len(key.material) not in (16, 24):
        raise CommandRefusedError(KEY_LENGTH)
    return TDESKey(key.material)
