"""What a key may do: the nine flags of the API and the letter of a key block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

from keyferry.crypto.keyblock import ModeOfUse
from keyferry.errors import KeyAttributesError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModesOfUse:
    """
    The flags of the API's KeyModesOfUse. Any set can be made; only those with a letter are valid.

    Source: API model (KeyModesOfUse); letters X9.143-2021, 6.3.3, table 4.
    """

    encrypt: bool = False
    decrypt: bool = False
    wrap: bool = False
    unwrap: bool = False
    generate: bool = False
    sign: bool = False
    verify: bool = False
    derive_key: bool = False
    no_restrictions: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The flags that are set, in the API's spelling."""
        return tuple(_API_NAMES[f.name] for f in fields(self) if getattr(self, f.name))

    @property
    def letter(self) -> ModeOfUse:
        """
        The mode of use field of a key block header.

        Raises:
            KeyAttributesError: the flags are not exactly one of the sets a letter stands for.
        """
        try:
            return _LETTER_OF[self]
        except KeyError:
            flags = ", ".join(self.names) or "no flag"
            raise KeyAttributesError(f"KeyModesOfUse: {flags} is not a valid set") from None

    @classmethod
    def from_letter(cls, letter: ModeOfUse | str) -> Self:
        """
        The flags a letter stands for.

        Raises:
            KeyAttributesError: the letter has no flags in the API (T, Y, digits).
        """
        flags = _FLAGS.get(str(letter))
        if flags is None:
            raise KeyAttributesError(f"mode of use {letter!s} has no KeyModesOfUse")
        return cls(**dict.fromkeys(flags, True))

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Self:
        """
        The flags of these names, in the API's spelling.

        Raises:
            KeyAttributesError: a name is not one of the nine.
        """
        given = set(names)
        unknown = sorted(given - set(_API_NAMES.values()))
        if unknown:
            raise KeyAttributesError(f"KeyModesOfUse: {unknown[0]!r} is not a mode of use")
        return cls(**{field: name in given for field, name in _API_NAMES.items()})

    def allows(self, other: ModesOfUse) -> bool:
        """Whether every flag of `other` is set here; NoRestrictions allows every flag."""
        return self.no_restrictions or all(
            getattr(self, f.name) or not getattr(other, f.name) for f in fields(self)
        )

    @property
    def can_wrap(self) -> bool:
        return self.wrap or self.no_restrictions

    @property
    def can_unwrap(self) -> bool:
        return self.unwrap or self.no_restrictions


_API_NAMES = {
    "encrypt": "Encrypt",
    "decrypt": "Decrypt",
    "wrap": "Wrap",
    "unwrap": "Unwrap",
    "generate": "Generate",
    "sign": "Sign",
    "verify": "Verify",
    "derive_key": "DeriveKey",
    "no_restrictions": "NoRestrictions",
}
_FLAGS = {
    "B": ("encrypt", "decrypt", "wrap", "unwrap"),
    "C": ("generate", "verify"),
    "D": ("decrypt", "unwrap"),
    "E": ("encrypt", "wrap"),
    "G": ("generate",),
    "N": ("no_restrictions",),
    "S": ("sign",),
    "V": ("verify",),
    "X": ("derive_key",),
}
_LETTER_OF = {ModesOfUse.from_letter(letter): ModeOfUse(letter) for letter in _FLAGS}
