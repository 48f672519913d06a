"""The major keys of the device, and the key table behind `BD<slot>` references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import KBPK, BlockVersion, KeyBlockHeader
from keyferry.crypto.secret import Secret
from keyferry.errors import KeyBlockAuthenticationError, KeyferryError
from keyferry.hsm.futurex.refusals import (
    INVALID,
    MAJOR_KEY_NOT_LOADED,
    NOT_AUTHENTIC,
    USAGE_VIOLATION,
)
from keyferry.hsm.futurex.simulator.device_key import DeviceKey, check_symmetric
from keyferry.hsm.futurex.simulator.mfk import MFK, is_cryptogram
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError
from keyferry.hsm.opened_keys import OpenedKeys

SLOT: Final = "BD"
# Keys shorter than three-key TDES are padded up to that length, longer ones to the cipher block.
MASKED_BYTES: Final = 24


class MajorKeys:
    """PMK and MFK, opened."""

    def __init__(self, pmk: bytes | None, mfk: bytes | None, key_table: Mapping[str, str]) -> None:
        self.pmk = KBPK(Cipher.AES, pmk) if pmk is not None else None
        self._pmk = Secret(pmk or b"")
        self._mfk = MFK(mfk) if mfk is not None else None
        self._key_table = key_table
        self._opened = OpenedKeys()

    def __repr__(self) -> str:
        return "<MajorKeys>"

    def reveal_pmk(self) -> bytes:
        """Return the PMK, for deriving a key from it."""
        return self._pmk.reveal()

    def mfk(self, tag: str) -> MFK:
        """Return the MFK; refused with 903 where none is loaded."""
        if self._mfk is None:
            raise CommandRefusedError(MAJOR_KEY_NOT_LOADED, tag)
        return self._mfk

    def dereference(self, text: str, tag: str) -> str:
        """Return the key a value holds, or the one in the key table that it names."""
        if not text.startswith(SLOT) or not text[len(SLOT) :].isdecimal():
            return text
        stored = self._key_table.get(text[len(SLOT) :])
        if stored is None:
            raise CommandRefusedError(INVALID, tag)
        return stored

    def open(self, text: str, tag: str, *, modifier: int | None = None) -> DeviceKey:
        """
        Open a symmetric key: a key block, a cryptogram, or a slot that holds either.

        Args:
            text: value of the token.
            tag: of the token, which an error names.
            modifier: under which a cryptogram is; None: only a key block serves here.

        Refused with 904 where it does not open, 905 where it is a key pair, 903 without its major
        key, 34 where it is none of the three.
        """
        text = self.dereference(text, tag)
        return self._opened.once(
            (text, tag, modifier), DeviceKey, lambda: self._open(text, tag, modifier)
        )

    def _open(self, text: str, tag: str, modifier: int | None) -> DeviceKey:
        if is_cryptogram(text):
            if modifier is None:
                raise CommandRefusedError(INVALID, tag)
            return DeviceKey(tag=tag, material=self.mfk(tag).decrypt(text, modifier))
        header, material = self.unwrap(text, tag)
        return check_symmetric(DeviceKey(tag=tag, material=material, header=header))

    def unwrap(self, block: str, tag: str) -> tuple[KeyBlockHeader, bytes]:
        """Open a key block of any kind of key under the major key its version stands for."""
        try:
            header = KeyBlockHeader.parse(block)
            unwrapped = self._kbpk(header.version, tag).unwrap(block)
        except KeyBlockAuthenticationError:
            raise CommandRefusedError(NOT_AUTHENTIC, tag) from None
        except CommandRefusedError:
            raise
        except KeyferryError:
            raise CommandRefusedError(INVALID, tag) from None
        return unwrapped.header, unwrapped.key

    def wrap(self, header: KeyBlockHeader, material: bytes, tag: str) -> str:
        """Put a key into a block under the major key its version stands for."""
        return wrap_block(self._kbpk(header.version, tag), header, material)

    def _kbpk(self, version: BlockVersion, tag: str) -> KBPK:
        if version is BlockVersion.D:
            if self.pmk is None:
                raise CommandRefusedError(MAJOR_KEY_NOT_LOADED, tag)
            return self.pmk
        if version is BlockVersion.B:
            return self.mfk(tag).kbpk
        raise CommandRefusedError(USAGE_VIOLATION, tag)


def wrap_block(kbpk: KBPK, header: KeyBlockHeader, material: bytes) -> str:
    """Put a key into a block with the lengths of this device."""
    return kbpk.wrap(replace(header, length=None), material, masked_bytes=MASKED_BYTES)
