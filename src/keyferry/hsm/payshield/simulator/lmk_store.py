"""The LMKs a simulated device has loaded, and the old ones in key change storage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keyferry.crypto.variant_lmk import TEST_LMK
from keyferry.errors import ConfigurationError
from keyferry.hsm.payshield.lmk import LMKScheme
from keyferry.hsm.payshield.simulator.lmk import (
    TEST_VARIANT_CHECK_VALUE,
    KeyBlockDeviceLMK,
    VariantDeviceLMK,
)
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.state import LMKRecord

AnyLMK = VariantDeviceLMK | KeyBlockDeviceLMK

NOT_LOADED = "13"


def load_lmk(record: LMKRecord) -> AnyLMK:
    """Open an LMK from its record."""
    if record.scheme is LMKScheme.VARIANT:
        return VariantDeviceLMK(record.id, TEST_LMK, check_value=TEST_VARIANT_CHECK_VALUE)
    return KeyBlockDeviceLMK(record.id, record.cipher, bytes.fromhex(record.key))


class LMKStore:
    """LMKs by their two-digit identifier."""

    def __init__(self, lmks: Sequence[LMKRecord], old: Sequence[LMKRecord]) -> None:
        self._lmks = {record.id: load_lmk(record) for record in lmks}
        self._old = {record.id: load_lmk(record) for record in old}
        self.comments = {record.id: record.comment for record in lmks}
        stray = self._old.keys() - self._lmks.keys()
        if stray:
            raise ConfigurationError(f"old LMK {min(stray)}: no LMK of this id is loaded")

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._lmks

    def __iter__(self) -> Iterator[AnyLMK]:
        return iter(self._lmks[identifier] for identifier in sorted(self._lmks))

    def __len__(self) -> int:
        return len(self._lmks)

    @property
    def old_count(self) -> int:
        """How many LMKs key change storage holds."""
        return len(self._old)

    def get(self, identifier: str) -> AnyLMK:
        """Return an LMK; refused with 13 where none of this id is loaded."""
        lmk = self._lmks.get(identifier)
        if lmk is None:
            raise CommandRefusedError(NOT_LOADED)
        return lmk

    def old(self, identifier: str) -> AnyLMK:
        """Return the old LMK an LMK replaced; refused with 33 where there is none."""
        lmk = self._old.get(identifier)
        if lmk is None:
            raise CommandRefusedError("33")
        return lmk

    def erase_old(self, identifier: str) -> None:
        """Forget the old LMK of an LMK, if there is one."""
        self._old.pop(identifier, None)
