"""Proof by use with a payShield: the command that computes or verifies under each kind of key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from keyferry.crypto.keyblock.thales import ThalesHeader
from keyferry.errors import HSMRefusedError, ProofError
from keyferry.exchange.proof_kinds import (
    ATC,
    DECIMALIZATION_TABLE,
    EXPIRY,
    KSN,
    KSN_DESCRIPTOR,
    MESSAGE,
    PAN,
    PIN_DIGITS,
    PSN,
    PVKI,
    SERVICE_CODE,
    TRANSACTION_DATA,
    VALIDATION_PATTERN,
    Proof,
    ProofKind,
    UsedKey,
    required,
)
from keyferry.exchange.result import same_check_value
from keyferry.hsm.payshield import LMKSelection, PayShieldDriver, TR31Attributes
from keyferry.hsm.payshield.key_types import key_type_for
from keyferry.hsm.payshield.request_values import key_type_of
from keyferry.hsm.values import Values

_ACCOUNT: Final = PAN[-13:-1]
_TEXT: Final = "2"
_HEX: Final = "1"
_WHOLE: Final = "0"
_CBC: Final = "01"
_ISO_0, _ISO_4 = "01", "48"
_LONGEST_PIN: Final = "12"
_THROW_AWAY: Final = "P0"

# MAC usages: the algorithm of M6. The ISO 9797-1 MACs of the API are TDES only.
_MACS: Final = {"M0": "3", "M1": "1", "M3": "3", "M6": "6"}

# KQ: verify an ARQC, alone or with the MAC of a script, the way of Visa.
_ARQC, _ARQC_AND_MAC = "0", "3"
_VISA: Final = "0"

# How a command says that a value is another, a PIN block is none, a key block is not authentic.
_MISMATCH: Final = "01"
_BAD_PIN_BLOCK: Final = ("20", "24")
_FAILURES: Final = {
    ProofKind.PIN_BLOCK: _BAD_PIN_BLOCK,
    ProofKind.PVV: (_MISMATCH, *_BAD_PIN_BLOCK),
    ProofKind.IBM_OFFSET: (_MISMATCH, *_BAD_PIN_BLOCK),
    ProofKind.KEY_BLOCK: ("A4",),
}

_MADE: Final = frozenset(
    {
        ProofKind.CVV,
        ProofKind.MAC,
        ProofKind.TRANSACTION_MAC,
        ProofKind.PIN_BLOCK,
        ProofKind.PVV,
        ProofKind.IBM_OFFSET,
        ProofKind.CRYPTOGRAM,
        ProofKind.KEY_BLOCK,
    }
)
_CHECKED: Final = _MADE | {ProofKind.ARQC, ProofKind.ARQC_AND_SCRIPT_MAC}

# GW by the usage of a BDK under a key block LMK: how it generates a whole MAC, and verifies one.
# The BDKs of type 4 have no such mode.
_TRANSACTION_MODES: Final = {"B0": ("4", "1"), "41": ("D", "A"), "42": ("J", "G")}
# A terminal's PIN key opens PIN blocks in other commands than a zone's.
_ZONE_KEYS: Final = ("P0", "72")


class PayShieldProofs:
    """Computes and verifies under keys of one LMK."""

    def __init__(self, driver: PayShieldDriver, lmk: LMKSelection) -> None:
        self._driver = driver
        self._lmk = lmk
        self._make: Mapping[ProofKind, Callable[[UsedKey, UsedKey | None], Awaitable[Proof]]] = {
            ProofKind.CVV: self._make_cvv,
            ProofKind.MAC: self._make_mac,
            ProofKind.TRANSACTION_MAC: self._make_transaction_mac,
            ProofKind.PIN_BLOCK: self._make_pin_block,
            ProofKind.PVV: self._make_pin_value,
            ProofKind.IBM_OFFSET: self._make_pin_value,
            ProofKind.CRYPTOGRAM: self._make_cryptogram,
            ProofKind.KEY_BLOCK: self._make_key_block,
        }

    def makes(self, key: UsedKey) -> frozenset[ProofKind]:
        return _MADE if self._serves(key) else frozenset()

    def checks(self, key: UsedKey) -> frozenset[ProofKind]:
        return _CHECKED if self._serves(key) else frozenset()

    def _serves(self, key: UsedKey) -> bool:
        """Whether the commands take the key, as far as its usage and length go."""
        own = key.usage
        if self._lmk.is_variant:
            if key_type_for(own) is None:
                return False
        else:
            own = ThalesHeader.parse(key.handle).usage
        if key.usage == "B0":
            # How the device wants the serial number of an AES BDK described is not public.
            return key.is_double and own in _TRANSACTION_MODES
        if key.usage == "P0":
            return own in _ZONE_KEYS
        if key.usage[0] == "M":
            return key.usage == "M6" or (key.usage in _MACS and key.is_tdes)
        return True

    async def make(self, kind: ProofKind, key: UsedKey, companion: UsedKey | None) -> Proof:
        """Compute something under a key; `KeyProofs` says more."""
        return await self._make[kind](key, companion)

    async def check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        """Verify what the other side computed; `KeyProofs` says more."""
        try:
            return await self._check(proof, key, companion)
        except HSMRefusedError as error:
            if error.code in _FAILURES.get(proof.kind, (_MISMATCH,)):
                raise ProofError(str(error)) from error
            raise

    async def _check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        match proof.kind:
            case ProofKind.CVV:
                await self._call("CY", cvv=proof.value, **self._card(key))
            case ProofKind.MAC:
                await self._call("M8", mac=proof.value[:16], **self._mac(key))
            case ProofKind.TRANSACTION_MAC:
                await self._call("GW", mac=proof.value, **self._transaction(key, verifies=True))
            case ProofKind.PVV | ProofKind.IBM_OFFSET:
                await self._check_pin(proof, key, companion)
            case ProofKind.ARQC:
                await self._call("KQ", mode=_ARQC, arqc=_raw(proof.value), **_card_of(key))
            case ProofKind.ARQC_AND_SCRIPT_MAC:
                companion = required(companion)
                await self._call(
                    "KQ",
                    mode=_ARQC_AND_MAC,
                    mk_smi=key.handle,
                    arqc=_raw(proof.beside),
                    discretionary_mac=_raw(proof.value),
                    discretionary=MESSAGE,
                    **_card_of(companion),
                )
            case ProofKind.PIN_BLOCK:
                form = self._pin_form(key)
                await self._call("JE", zpk=key.handle, block=proof.value, **form)
                return "opened"
            case ProofKind.KEY_BLOCK:
                await self._unwrap(proof, key)
                return "unwrapped"
            case _:
                await self._decrypt(proof, key)
                return "decrypted"
        return "verified"

    async def _call(self, code: str, **fields: object) -> Values:
        return (await self._driver.call(code, fields, lmk=self._lmk)).values

    def _key_type(self, usage: str) -> str:
        variant = self._lmk.is_variant
        return key_type_of(self._lmk, key_type_for(usage) if variant else None)

    # --- the fields that a command and its opposite share ---------------------------------------

    def _card(self, key: UsedKey) -> dict[str, object]:
        return {
            "cvk": key.handle,
            "pan": PAN,
            "expiry": EXPIRY,
            "service_code": SERVICE_CODE,
        }

    def _mac(self, key: UsedKey) -> dict[str, object]:
        return {
            "mode": _WHOLE,
            "input_format": _TEXT,
            "size": "1",
            "algorithm": _MACS[key.usage],
            "padding": "1",
            "key_type": self._key_type(key.usage),
            "key": key.handle,
            "message": MESSAGE,
        }

    def _transaction(self, key: UsedKey, *, verifies: bool) -> dict[str, object]:
        own = "B0" if self._lmk.is_variant else ThalesHeader.parse(key.handle).usage
        return {
            "mode": _TRANSACTION_MODES[own][verifies],
            "method": "1",
            "bdk": key.handle,
            "ksn_descriptor": KSN_DESCRIPTOR,
            "ksn": KSN,
            "message": MESSAGE,
        }

    def _data(self, key: UsedKey) -> dict[str, object]:
        return {
            "mode": _CBC,
            "key_type": self._key_type(key.usage),
            "key": key.handle,
            "iv": "00" * (16 if key.is_aes else 8),
        }

    @staticmethod
    def _pin_form(key: UsedKey) -> dict[str, object]:
        if key.is_aes:
            return {"format": _ISO_4, "pan": PAN}
        return {"format": _ISO_0, "account": _ACCOUNT}

    @staticmethod
    def _offset() -> dict[str, object]:
        return {
            "check_length": PIN_DIGITS,
            "account": _ACCOUNT,
            "table": DECIMALIZATION_TABLE,
            "validation": VALIDATION_PATTERN,
        }

    # --- computing ------------------------------------------------------------------------------

    async def _make_cvv(self, key: UsedKey, _: UsedKey | None) -> Proof:
        answer = await self._call("CW", **self._card(key))
        return Proof(kind=ProofKind.CVV, value=answer.text("new_cvv"))

    async def _make_mac(self, key: UsedKey, _: UsedKey | None) -> Proof:
        answer = await self._call("M6", **self._mac(key))
        return Proof(kind=ProofKind.MAC, value=answer.text("new_mac"))

    async def _make_transaction_mac(self, key: UsedKey, _: UsedKey | None) -> Proof:
        answer = await self._call("GW", **self._transaction(key, verifies=False))
        return Proof(kind=ProofKind.TRANSACTION_MAC, value=answer.text("new_mac"))

    async def _random_pin(self) -> str:
        """Have a PIN drawn; it is known under the LMK only."""
        return (await self._call("JA", account=PAN, pin_length=f"{PIN_DIGITS:02}")).text("pin")

    async def _seal_pin(self, key: UsedKey, pin: str) -> str:
        return (await self._call("JG", zpk=key.handle, pin=pin, **self._pin_form(key))).text(
            "block"
        )

    async def _make_pin_block(self, key: UsedKey, _: UsedKey | None) -> Proof:
        block = await self._seal_pin(key, await self._random_pin())
        return Proof(kind=ProofKind.PIN_BLOCK, value=block)

    async def _make_pin_value(self, key: UsedKey, companion: UsedKey | None) -> Proof:
        companion = required(companion)
        pin = await self._random_pin()
        block = await self._seal_pin(companion, pin)
        if key.usage == "V2":
            answer = await self._call("DG", pvk=key.handle, pin=pin, account=_ACCOUNT, pvki=PVKI)
            return Proof(kind=ProofKind.PVV, value=answer.text("new_pvv"), beside=block)
        answer = await self._call("DE", pvk=key.handle, pin=pin, **self._offset())
        # Twelve characters, of which the PIN has as many digits as it is long.
        offset = answer.text("new_offset")[:PIN_DIGITS]
        return Proof(kind=ProofKind.IBM_OFFSET, value=offset, beside=block)

    async def _make_cryptogram(self, key: UsedKey, _: UsedKey | None) -> Proof:
        answer = await self._call(
            "M0", input_format=_TEXT, output_format=_HEX, message=MESSAGE, **self._data(key)
        )
        return Proof(kind=ProofKind.CRYPTOGRAM, value=answer.raw("output").decode("ascii"))

    async def _make_key_block(self, key: UsedKey, _: UsedKey | None) -> Proof:
        made = await self._driver.generate_key(
            self._lmk, usage=_THROW_AWAY, algorithm="T2", mode="B", exportability="E"
        )
        variant = self._lmk.is_variant
        exported = await self._driver.export_key_tr31(
            self._lmk,
            zmk=key.handle,
            key=made.key,
            version="D" if key.is_aes else "B",
            key_type=key_type_for(_THROW_AWAY) if variant else None,
            attributes=TR31Attributes(usage=_THROW_AWAY, mode="B") if variant else None,
        )
        return Proof(
            kind=ProofKind.KEY_BLOCK, value=exported.block, check_value=made.check_value.upper()
        )

    # --- verifying ------------------------------------------------------------------------------

    async def _check_pin(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> None:
        companion = required(companion)
        fields: dict[str, object] = {
            "zpk": companion.handle,
            "pvk": key.handle,
            "block": proof.beside,
            "format": _ISO_0,
        }
        if proof.kind is ProofKind.PVV:
            await self._call("EC", account=_ACCOUNT, pvki=PVKI, pvv=proof.value, **fields)
            return
        offset = proof.value.ljust(12, "F")
        longest = int(_LONGEST_PIN)
        await self._call("EA", max_pin_length=longest, offset=offset, **self._offset(), **fields)

    async def _decrypt(self, proof: Proof, key: UsedKey) -> None:
        answer = await self._call(
            "M2",
            input_format=_HEX,
            # As text the device refuses what does not print, and so what was decrypted wrongly.
            output_format=_HEX,
            message=proof.value.encode("ascii"),
            **self._data(key),
        )
        if answer.raw("output").upper() != MESSAGE.hex().upper().encode("ascii"):
            raise ProofError("it decrypts to something else")

    async def _unwrap(self, proof: Proof, key: UsedKey) -> None:
        arrived = await self._driver.import_key_tr31(
            self._lmk,
            zmk=key.handle,
            block=proof.value,
            key_type=key_type_for(_THROW_AWAY) if self._lmk.is_variant else None,
        )
        if not same_check_value(arrived.check_value, proof.check_value):
            raise ProofError(
                f"the throw-away key in the key block has check value {arrived.check_value} after"
                f" unwrapping, and had {proof.check_value} before"
            )


def _raw(text: str) -> bytes:
    return bytes.fromhex(text)


def _card_of(mk_ac: UsedKey) -> dict[str, object]:
    """The transaction of a card, whose cryptogram is made under the card's own key."""
    return {
        "scheme": _VISA,
        "mk_ac": mk_ac.handle,
        # The rightmost sixteen digits of account and sequence number.
        "pan_psn": bytes.fromhex((PAN + PSN)[-16:]),
        "atc": bytes.fromhex(ATC),
        "unpredictable_number": bytes(4),
        "data": TRANSACTION_DATA,
    }
