"""A clear key inside the simulated device, the same under either LMK scheme."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.components import has_odd_parity, odd_parity
from keyferry.crypto.keyblock import Algorithm, OptionalBlock
from keyferry.hsm.payshield.key_types import KEY_BLOCK_TYPE
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

ALGORITHM_BYTES: Final = {"D1": 8, "T2": 16, "T3": 24, "A1": 16, "A2": 24, "A3": 32}

# Bits of security, to hold that no key goes under a weaker one (NIST SP 800-57 part 1, table 2).
_STRENGTH: Final = {"D1": 56, "T2": 80, "T3": 112, "A1": 128, "A2": 192, "A3": 256}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKey:
    """A symmetric key with what its header, or its key type, says about it."""

    material: bytes = field(repr=False)
    algorithm: Algorithm
    usage: str
    mode: str = "N"
    key_version: str = "00"
    exportability: str = "S"
    optional_blocks: tuple[OptionalBlock, ...] = ()
    key_type: str = KEY_BLOCK_TYPE  # FFF: its header says what it is

    @property
    def code(self) -> str:
        """Algorithm and length in two characters: D1, T2, T3, A1, A2 or A3."""
        for code, size in ALGORITHM_BYTES.items():
            if code[0] == self.algorithm.value and size == len(self.material):
                return code
        raise CommandRefusedError("A7")

    @property
    def cipher(self) -> Cipher:
        """The cipher the key is for."""
        return Cipher.AES if self.algorithm is Algorithm.AES else Cipher.TDES

    @property
    def activity_key(self) -> str:
        """How authorised activities call the key."""
        return self.usage if self.key_type == KEY_BLOCK_TYPE else self.key_type.lower()

    @property
    def has_parity(self) -> bool:
        """Whether every byte has odd parity, as DES keys under a variant LMK must."""
        return has_odd_parity(self.material)

    @property
    def is_doubled(self) -> bool:
        """Whether a double or triple TDES key is single DES in disguise."""
        size = len(self.material)
        if self.algorithm is not Algorithm.TDES or size not in (16, 24):
            return False
        first, second, third = self.material[:8], self.material[8:16], self.material[16:]
        return first == second or (size == 24 and second == third)

    def check_value(self, *, size: int = 3) -> bytes:
        """Return the leftmost bytes of the check value: CMAC for AES, zero block for TDES."""
        if self.algorithm is Algorithm.AES:
            return cmac_kcv(Cipher.AES, self.material, size=size)
        return tdes_kcv(self.material, size=size)

    def check_text(self, *, characters: int = 6) -> str:
        """Return the check value in hex, upper case."""
        return self.check_value(size=characters // 2).hex().upper()

    def is_stronger_than(self, other: DeviceKey) -> bool:
        """Whether this key may not travel under `other`."""
        return _STRENGTH[self.code] > _STRENGTH[other.code]


_BY_LETTER: Final = {member.value: member for member in Algorithm}


def algorithm_of(code: str) -> Algorithm:
    """Return the algorithm of a code such as T2."""
    return _BY_LETTER[code[0]]


def generate_material(code: str, random: bytes) -> bytes:
    """Return key bytes for an algorithm code from as many random bytes: DES keys with parity."""
    return random if code[0] == "A" else odd_parity(random)


def tdes_algorithm(size: int) -> Algorithm:
    """Return the algorithm letter of a DES key of 8, 16 or 24 bytes."""
    return Algorithm.DES if size == 8 else Algorithm.TDES
