"""What an export gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

from keyferry.service.store.records import KeyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """A wrapped key. `helpers` must still be usable when it leaves."""

    text: str = field(repr=False)  # key block, or upper-case hex
    material_format: str  # API: WrappedKeyMaterialFormat
    wrapping_key: KeyRecord  # shown as WrappingKeyArn
    helpers: tuple[KeyRecord, ...]
