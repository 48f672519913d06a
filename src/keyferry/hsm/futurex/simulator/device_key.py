"""A key as the device holds it for the length of one command."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import Algorithm, Exportability, KeyBlockHeader, ModeOfUse
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import KeyStrengthError
from keyferry.hsm.futurex.refusals import NOT_AUTHENTIC, USAGE_VIOLATION
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError
from keyferry.keys import KeyAlgorithm, WrappingMethod, check_strength

SIZES: Final = {Algorithm.TDES: (16, 24), Algorithm.AES: (16, 24, 32)}


@dataclass(frozen=True, kw_only=True)
class DeviceKey:
    """A clear key, where it came from, and what it may do."""

    tag: str  # the token it came in, which an error names
    material: bytes = field(repr=False)
    header: KeyBlockHeader | None = None  # None: a cryptogram, which says nothing of its key

    @property
    def is_aes(self) -> bool:
        return self.header is not None and self.header.algorithm is Algorithm.AES

    @property
    def cipher(self) -> Cipher:
        return Cipher.AES if self.is_aes else Cipher.TDES

    @property
    def algorithm(self) -> KeyAlgorithm | None:
        """None: single DES."""
        size = len(self.material)
        return KeyAlgorithm.aes_of(size) if self.is_aes else KeyAlgorithm.tdes_of(size)

    def check_value(self, digits: int) -> bytes:
        """Return the check value: TDES enciphers zeros, AES makes a CMAC of zeros (inferred)."""
        if self.is_aes:
            return cmac_kcv(Cipher.AES, self.material, size=digits // 2)
        return tdes_kcv(self.material, size=digits // 2)

    def require(self, usages: tuple[str, ...], modes: str) -> None:
        """Refuse a key block whose usage or mode forbids what is asked; mode N never does."""
        if self.header is None:
            return
        if self.header.usage not in usages or self.header.mode.value not in modes + "N":
            raise self.violation()

    def require_exportable(self) -> None:
        """Refuse a key that may not leave."""
        if self.header is not None and self.header.exportability is Exportability.NONE:
            raise self.violation()

    def require_strength(self, protected: DeviceKey) -> None:
        """Refuse to wrap a key under this one if this one is weaker."""
        if self.algorithm is None or protected.algorithm is None:
            raise self.violation()
        try:
            check_strength(protected.algorithm, method=WrappingMethod.TR31, wrapping=self.algorithm)
        except KeyStrengthError:
            raise self.violation() from None

    @cached_property
    def tdes(self) -> TDESKey:
        """The key for payment algorithms: TDES of two or three parts, else refused with 905."""
        return TDESKey(self.tdes_material())

    def tdes_material(self) -> bytes:
        """Return a TDES key of two or three parts; refused with 905 where it is none."""
        if self.is_aes or len(self.material) not in SIZES[Algorithm.TDES]:
            raise self.violation()
        return self.material

    def violation(self) -> CommandRefusedError:
        """Return the refusal for a key that may not do this."""
        return CommandRefusedError(USAGE_VIOLATION, self.tag)


def check_symmetric(key: DeviceKey) -> DeviceKey:
    """Return a key from a block if it is a TDES or AES key of a length there is."""
    header = key.header
    if header is None:
        return key
    if len(key.material) not in SIZES.get(header.algorithm, ()):
        known = header.algorithm in SIZES
        raise CommandRefusedError(NOT_AUTHENTIC if known else USAGE_VIOLATION, key.tag)
    return key


KEK_USAGES: Final = ("K0", "K1")
WRAPPING_MODES: Final = ModeOfUse.BOTH_DIRECTIONS + ModeOfUse.ENCRYPT
UNWRAPPING_MODES: Final = ModeOfUse.BOTH_DIRECTIONS + ModeOfUse.DECRYPT
