"""One command in progress, and the register of what the simulator does for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

from keyferry.hsm.commands import Command
from keyferry.hsm.futurex.simulator.device_key import DeviceKey
from keyferry.hsm.futurex.simulator.major_keys import MajorKeys
from keyferry.hsm.futurex.simulator.outcome import Answer
from keyferry.hsm.futurex.simulator.settings import Settings
from keyferry.hsm.values import Values

if TYPE_CHECKING:
    from keyferry.hsm.futurex.simulator.device import Device

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One decoded request with the device that answers it."""

    device: Device
    command: Command
    values: Values

    @property
    def settings(self) -> Settings:
        """The device's settings."""
        return self.device.settings

    @property
    def keys(self) -> MajorKeys:
        """The device's major keys."""
        return self.device.keys

    @property
    def now(self) -> datetime:
        """The device's clock."""
        return self.device.now()

    def open(self, name: str, tag: str, *, modifier: int | None = None) -> DeviceKey:
        """Open a symmetric key of the request; see `MajorKeys.open`."""
        return self.keys.open(self.values.text(name), tag, modifier=modifier)

    def check_value(self, key: DeviceKey) -> bytes:
        """Return a check value of the length the device shows."""
        return key.check_value(self.settings.check_digits)

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
