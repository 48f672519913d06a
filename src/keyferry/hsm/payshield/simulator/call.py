"""
One command in progress: what a handler sees of the device, and the rules every handler shares.

Order of checks (inferred): frame, enabled, syntax, LMK, authorisation, keys in order of
appearance, operation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from keyferry.hsm.commands import Command
from keyferry.hsm.payshield.key_field import Under, WireKey
from keyferry.hsm.payshield.key_types import KEY_BLOCK_TYPE, KEY_TYPES
from keyferry.hsm.payshield.lmk import LMKScheme
from keyferry.hsm.payshield.simulator.device_key import DeviceKey
from keyferry.hsm.payshield.simulator.lmk import KeyBlockDeviceLMK, VariantDeviceLMK
from keyferry.hsm.payshield.simulator.lmk_store import AnyLMK
from keyferry.hsm.payshield.simulator.outcome import Answer, CommandRefusedError
from keyferry.hsm.payshield.simulator.private_key import RSAPrivate
from keyferry.hsm.payshield.simulator.settings import Settings
from keyferry.hsm.values import Values

if TYPE_CHECKING:
    from keyferry.hsm.payshield.simulator.device import Device

T = TypeVar("T")

NOT_PERMITTED: Final = "17"
SCHEMES_DIFFER: Final = "A1"
SYNTAX: Final = "15"
FIRST_KEY: Final = "10"
SECOND_KEY: Final = "11"


@dataclass(frozen=True, slots=True)
class Call:
    """One decoded request with the device that answers it and the LMK it works under."""

    device: Device
    command: Command
    values: Values
    lmk: AnyLMK
    # Keys opened for earlier messages of the same shape; None where the message has no shape.
    memo: dict[str, object] | None = None

    @property
    def settings(self) -> Settings:
        """The device's security settings."""
        return self.device.settings

    @property
    def is_variant(self) -> bool:
        """Whether the LMK in force is a variant LMK."""
        return self.lmk.scheme is LMKScheme.VARIANT

    @property
    def variant_lmk(self) -> VariantDeviceLMK:
        """The LMK in force where only a variant LMK serves; else refused with A1."""
        if not isinstance(self.lmk, VariantDeviceLMK):
            raise CommandRefusedError(SCHEMES_DIFFER)
        return self.lmk

    def require_variant(self) -> None:
        """Refuse with A1 unless the LMK in force is a variant LMK."""
        if not self.is_variant:
            raise CommandRefusedError(SCHEMES_DIFFER)

    @property
    def key_block_lmk(self) -> KeyBlockDeviceLMK:
        """The LMK in force where only a key block LMK serves; else refused with A1."""
        if not isinstance(self.lmk, KeyBlockDeviceLMK):
            raise CommandRefusedError(SCHEMES_DIFFER)
        return self.lmk

    def key(self, name: str) -> WireKey:
        """Return a key field of the request."""
        return self.values.typed(name, WireKey)

    def key_type(self, name: str = "key_type") -> str:
        """
        Return the key type of the request, which must fit the LMK in force.

        Refused with A1 where FFF meets a variant LMK or a type meets a key block LMK, with 28
        where there is no such type.
        """
        code = self.values.text(name)
        if (code == KEY_BLOCK_TYPE) is self.is_variant:
            raise CommandRefusedError(SCHEMES_DIFFER)
        if self.is_variant and code not in KEY_TYPES:
            raise CommandRefusedError("28")
        return code

    def authorise(self, activity: str, key: str) -> None:
        """Refuse with 17 unless officers have authorised an activity on a key."""
        if not self.device.is_authorised(activity, key):
            raise CommandRefusedError(NOT_PERMITTED)

    def open(self, name: str, key_type: str, *, parity_code: str = FIRST_KEY) -> DeviceKey:
        """Open a key field under the LMK in force; user storage references are followed."""
        field = self.device.dereference(self.key(name))
        return self.lmk.open(field, key_type, parity_code=parity_code)

    def open_rsa(self, name: str = "private_key") -> RSAPrivate:
        """Open the private key of the request: the one that follows, or a loaded one."""
        field = self.values.maybe(name, WireKey)
        if field is None:
            field = self.device.loaded_private_key(self.values.text("private_flag"))
        return self.lmk.open_rsa(self.device.dereference(field))

    def seal(self, key: DeviceKey, tag: str) -> WireKey:
        """Wrap a key under the LMK in force."""
        return self.lmk.seal(key, tag)

    async def offload(self, work: Callable[[], T]) -> T:
        """Do slow work beside the event loop; `work` may touch nothing of the device."""
        return await self.device.offload(work)


Result = Answer | Mapping[str, object]
Handler = Callable[[Call], Result] | Callable[[Call], Awaitable[Result]]

HANDLERS: Final[dict[str, Handler]] = {}
H = TypeVar("H", bound=Handler)


def handles(*codes: str) -> Callable[[H], H]:
    """Register what the simulator does for one or several commands."""

    def register(handler: H) -> H:
        for code in codes:
            if code in HANDLERS:
                raise ValueError(f"{code} is handled twice")
            HANDLERS[code] = handler
        return handler

    return register


def keys_under(values: Values, under: Under) -> list[WireKey]:
    """Return the key fields of a request that are wrapped under a kind of key, in order."""
    found: list[WireKey] = []
    for value in values.values():
        if isinstance(value, WireKey):
            found.append(value)
        elif isinstance(value, tuple):
            found += [key for row in value for key in row.values() if isinstance(key, WireKey)]
    return [key for key in found if key.under is under]
