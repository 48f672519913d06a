"""One command in progress: what a handler sees of the device, and the rules handlers share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.keyblock.akb import AKB, AKBHeader
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import (
    KeyBlockAuthenticationError,
    MalformedKeyBlockError,
    UnsupportedKeyBlockError,
)
from keyferry.hsm.atalla.rows import rows_of
from keyferry.hsm.atalla.rsa_public import decode_public_key
from keyferry.hsm.atalla.simulator.outcome import CommandRefusedError
from keyferry.hsm.commands import Command
from keyferry.hsm.values import Values

if TYPE_CHECKING:
    from keyferry.hsm.atalla.simulator.device import Device

T = TypeVar("T")

LENGTH: Final = "01"
VALUE: Final = "03"
USAGE: Final = "06"
EXECUTION: Final = "08"
KEY_LENGTH: Final = "10"
HEADER: Final = "73"
MFK_NAME: Final = "MFK1"


@dataclass(frozen=True)
class OpenedKey:
    """A clear key inside the device."""

    header: AKBHeader
    material: bytes = field(repr=False)

    @cached_property
    def tdes(self) -> TDESKey:
        """The key for algorithms that want double or triple length."""
        return TDESKey(self.material)

    @cached_property
    def cipher(self) -> CipherKey:
        """The key for its cipher, of any length."""
        return CipherKey(Cipher.TDES, self.material)


@dataclass(frozen=True, slots=True)
class Call:
    """One decoded request with the device that answers it."""

    device: Device
    command: Command
    values: Values

    def number_of(self, name: str) -> str:
        """Return the two digits by which an error answer names a field."""
        for number, row in enumerate(rows_of(self.command.request or (), self.values), start=1):
            if name in row.names():
                return f"{number:02d}"
        return "00"

    # --- keys -------------------------------------------------------------------------------

    def key(
        self, name: str, usages: str, *, modes: str = "N", algorithms: str | None = None
    ) -> OpenedKey:
        """
        Open a symmetric key of the request.

        Refused with 03 where it is no AKB, 73 where its usage or algorithm is none of these, 06
        where its mode forbids the operation, 08 where the MAC does not verify.

        Args:
            name: of the field.
            usages: letters of byte 1 that serve.
            modes: letters of byte 3 that allow the operation.
            algorithms: letters of byte 2 that serve; None: all but RSA.
        """
        text = self.values.text(name)
        # What the key is for belongs to the place: elsewhere the same AKB may be refused.
        return self.device.opened_keys.once(
            (text, usages, modes, algorithms),
            OpenedKey,
            lambda: self._open_key(name, text, usages, modes, algorithms),
        )

    def _open_key(
        self, name: str, text: str, usages: str, modes: str, algorithms: str | None
    ) -> OpenedKey:
        header = self._parse(name, text).header
        wrong = header.algorithm == "R" or (
            algorithms is not None and header.algorithm not in algorithms
        )
        if header.usage not in usages or wrong:
            raise CommandRefusedError(HEADER, name)
        if header.mode not in modes:
            raise CommandRefusedError(USAGE, name)
        opened = self._open(name, lambda: self.device.mfk.unwrap(text))
        return OpenedKey(opened.header, opened.key)

    def long_key(self, name: str, usages: str, *, modes: str = "N") -> OpenedKey:
        """Open a symmetric key that must have double or triple length; else refused with 10."""
        key = self.key(name, usages, modes=modes)
        if len(key.material) < 16:
            raise CommandRefusedError(KEY_LENGTH, name)
        return key

    def public_key(self, name: str, usages: str) -> rsa.RSAPublicKey:
        """Return the RSA public key of an AKB that the device vouches for."""
        text = self.values.text(name)
        header = self._parse(name, text).header
        if header.algorithm != "R" or header.usage not in usages:
            raise CommandRefusedError(HEADER, name)
        akb = self._open(name, lambda: self.device.mfk.authenticate(text))
        try:
            return decode_public_key(akb.key_field)
        except MalformedKeyBlockError as error:
            raise CommandRefusedError(VALUE, name) from error

    def private_key(self, name: str, usages: str) -> tuple[AKBHeader, rsa.RSAPrivateKey]:
        """Open the RSA private key of an AKB; refused with 06 where it may only verify."""
        text = self.values.text(name)
        header = self._parse(name, text).header
        if header.algorithm != "R" or header.usage not in usages:
            raise CommandRefusedError(HEADER, name)
        if header.mode not in "GN":
            raise CommandRefusedError(USAGE, name)
        opened = self._open(name, lambda: self.device.mfk.unwrap_bytes(text))
        try:
            # We sealed this key ourselves; validating it again costs a hundred milliseconds.
            key = load_der_private_key(opened.key, None, unsafe_skip_rsa_key_validation=True)
        except ValueError as error:
            raise CommandRefusedError(VALUE, name) from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise CommandRefusedError(VALUE, name)
        return header, key

    def header(self, name: str) -> AKBHeader:
        """Return an AKB header that the request names for a new key; 03 where it is none."""
        try:
            header = AKBHeader.parse(self.values.text(name))
        except MalformedKeyBlockError as error:
            raise CommandRefusedError(VALUE, name) from error
        if header.version != "1":
            raise CommandRefusedError(VALUE, name)
        return header

    def wrap(self, header: AKBHeader, material: bytes) -> str:
        """Wrap a key under the MFK."""
        return self.device.mfk.wrap(header, material)

    def check_digits(self, material: bytes) -> str:
        """Return the check digits of a key, as many as the device is set to show."""
        return tdes_kcv(material, size=3).hex().upper()[: self.device.settings.check_digits]

    def check_may_leave(self, key: OpenedKey, name: str) -> None:
        """Refuse with 06 a key whose header or option E1 keeps it inside."""
        if key.header.exportability == "N":
            raise CommandRefusedError(USAGE, name)
        if key.header.usage not in self.device.settings.e1:
            raise CommandRefusedError(USAGE, name)

    def check_e2(self) -> None:
        """Refuse with 0607 what needs option E2 while it is off."""
        if not self.device.settings.e2:
            raise CommandRefusedError(USAGE, at="07")

    async def offload(self, work: Callable[[], T]) -> T:
        """Do slow work beside the event loop; `work` may touch nothing of the device."""
        return await self.device.offload(work)

    def _parse(self, name: str, text: str) -> AKB:
        try:
            return AKB.parse(text)
        except MalformedKeyBlockError as error:
            raise CommandRefusedError(VALUE, name) from error

    def _open(self, name: str, opening: Callable[[], T]) -> T:
        try:
            return opening()
        except (KeyBlockAuthenticationError, UnsupportedKeyBlockError) as error:
            raise CommandRefusedError(EXECUTION, name) from error
        except MalformedKeyBlockError as error:
            raise CommandRefusedError(VALUE, name) from error


Result = Mapping[str, object]
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
