"""
A payShield as a receiver: A6 under a KEK both sides share, or under one that IG derived.

What arrives is a key under the LMK, which nobody stores but the caller, so there is nothing to take
back. TR-34 has no public import command; the plan refuses it before any call.
"""

from __future__ import annotations

from typing import NoReturn

from keyferry.crypto.keyblock import Exportability, KeyBlockHeader
from keyferry.crypto.keyblock.thales import ThalesHeader
from keyferry.errors import (
    CheckValueMismatchError,
    ConfigurationError,
    ExchangeError,
    HSMRefusedError,
)
from keyferry.exchange.authority import CertificateAuthority
from keyferry.exchange.config import PayShield
from keyferry.exchange.parties.interface import KEK, Credential, Derivation, ReceivedKey, Trust
from keyferry.exchange.parties.payshield import PayShieldParty
from keyferry.exchange.parties.payshield_keys import possible_algorithms, variant_schemes
from keyferry.exchange.result import same_check_value
from keyferry.hsm.capabilities import Device
from keyferry.hsm.payshield import ImportedKey
from keyferry.hsm.payshield.capabilities import ask_device, ask_enabled
from keyferry.hsm.payshield.key_types import exported_usage
from keyferry.keys import (
    CheckValueMethod,
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
)

KRD_NAME = "keyferry payShield KRD"
_BAD_SCHEME = "26"  # the scheme letter does not fit the key's length
_ARRIVES_BY = ("A6", "BU")
_AGREES_BY = ("FY", "IG")


class PayShieldReceiver(PayShieldParty):
    """One payShield that a key arrives at, under one of its LMKs."""

    def __init__(
        self, config: PayShield, authority: CertificateAuthority, *, label: str = "PAYSHIELD"
    ) -> None:
        super().__init__(config, authority, label=label, name=KRD_NAME)

    async def device(self) -> Device:
        """Ask the HSM what it is and whether it takes the commands of an import."""
        codes = _ARRIVES_BY if self._lmk.is_variant else (*_ARRIVES_BY, *_AGREES_BY)
        return await ask_enabled(self._driver, await ask_device(self._driver, self._lmk), codes)

    async def receiving_credential(self, algorithm: KeyAlgorithm) -> Credential:  # noqa: ARG002
        _refuse_tr34()

    async def import_tr34(
        self,
        token: bytes,  # noqa: ARG002
        *,
        own: Credential,  # noqa: ARG002
        peer: Credential,  # noqa: ARG002
        trust: Trust,  # noqa: ARG002
        nonce: bytes,  # noqa: ARG002
    ) -> ReceivedKey:
        _refuse_tr34()

    async def import_tr31(
        self, block: str, kek: KEK, *, algorithm: KeyAlgorithm | None = None
    ) -> ReceivedKey:
        return await self._import(block, kek.handle, algorithm)

    async def import_ecdh(
        self,
        block: str,
        *,
        own: Credential,
        peer: Credential,
        trust: Trust,  # noqa: ARG002 (the device holds no trust; it was checked here)
        derivation: Derivation,
    ) -> ReceivedKey:
        return await self._import(block, await self._derive(own, peer, derivation), None)

    async def _import(self, block: str, zmk: str, algorithm: KeyAlgorithm | None) -> ReceivedKey:
        header = KeyBlockHeader.parse(block)
        if self._lmk.is_variant:
            arrived, usage = await self._import_variant(block, header, zmk, algorithm)
        else:
            arrived = await self._driver.import_key_tr31(self._lmk, zmk=zmk, block=block)
            usage = _usage(exported_usage(ThalesHeader.parse(arrived.key).usage))
        # Asked for again: what counts is the key under the LMK, not what A6 said of it.
        shown = await self._driver.check_value(
            self._lmk, key=arrived.key, key_type=self._key_type(usage)
        )
        if not same_check_value(shown, arrived.check_value):
            raise CheckValueMismatchError(
                f"A6 showed check value {arrived.check_value.upper()}, BU shows {shown.upper()}"
                " for the same key",
                hint="do not use the key",
            )
        return _received(arrived, shown.upper(), usage, header, key_type=self._key_type(usage))

    async def _import_variant(
        self, block: str, header: KeyBlockHeader, zmk: str, algorithm: KeyAlgorithm | None
    ) -> tuple[ImportedKey, KeyUsage]:
        """
        Import under a variant LMK, whose keys have a type and a length, and nothing else.

        Raises:
            ExchangeError: no key type stands for the usage, or the key may not be exported, which
                a variant key cannot say.
        """
        usage = _usage(header.usage)
        key_type = self._key_type(usage)
        if key_type is None:
            raise ExchangeError(
                f"a variant LMK has no key type for {usage}", hint="use a key block LMK"
            )
        if header.exportability is Exportability.NONE:
            raise ExchangeError(
                "the key is not exportable, and a variant LMK would make it so",
                hint="use a key block LMK, which keeps the exportability",
            )
        schemes = variant_schemes(block, algorithm)
        for scheme in schemes:
            try:
                arrived = await self._driver.import_key_tr31(
                    self._lmk, zmk=zmk, block=block, key_type=key_type, scheme=scheme
                )
            except HSMRefusedError as error:
                # The block may hide the length of its key; the other scheme is then worth a try.
                if error.code != _BAD_SCHEME or scheme == schemes[-1]:
                    raise
            else:
                return arrived, usage
        raise ExchangeError(
            "the key block holds neither a double nor a triple length TDES key",
            hint="a variant LMK holds TDES keys only; use a key block LMK",
        )


def _usage(code: str) -> KeyUsage:
    usage = KeyUsage.from_code(code)
    if usage is None:
        raise ExchangeError(f"the key is of usage {code}, which the API has no name for")
    return usage


def _received(
    arrived: ImportedKey,
    check_value: str,
    usage: KeyUsage,
    header: KeyBlockHeader,
    *,
    key_type: str | None,
) -> ReceivedKey:
    """Read what the HSM made of the key, from the key under the LMK as far as it tells."""
    possible = possible_algorithms(arrived.key)
    if not possible:
        raise ExchangeError("the payShield holds a key that is neither TDES nor AES")
    notes = ["its parity was bad and was set right"] if arrived.parity_adjusted else []
    mode, exportable = header.mode, True
    if key_type is None:
        own = ThalesHeader.parse(arrived.key)
        mode, exportable = own.mode, own.exportability is not Exportability.NONE
    else:
        notes.append(
            f"under a variant LMK it is a key of type {key_type}: the LMK keeps neither its mode of"
            f" use ({header.mode.value}) nor its exportability ({header.exportability.value})"
        )
    method = CheckValueMethod.CMAC if possible[0].is_aes else CheckValueMethod.ANSI_X9_24
    return ReceivedKey(
        identifier=arrived.key,
        check_value=check_value,
        check_value_method=method.value,
        attributes=KeyAttributes(
            key_usage=usage,
            key_class=KeyClass.SYMMETRIC_KEY,
            key_algorithm=possible[0],
            modes_of_use=ModesOfUse.from_letter(mode),
        ),
        exportable=exportable,
        possible=possible if len(possible) > 1 else (),
        keeps_header=key_type is None,
        notes=tuple(notes),
    )


def _refuse_tr34() -> NoReturn:
    raise ConfigurationError(
        "no public host command of a payShield imports a TR-34 token",
        hint="use tr31 under a KEK both sides share, or ecdh with an AES key block LMK",
    )
