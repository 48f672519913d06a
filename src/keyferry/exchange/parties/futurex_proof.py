"""
Proof by use with a Futurex: card values, PINs, and keys under KEKs.

The commands for MACs, data, DUKPT and EMV are public by name only, so keys of those usages are not
proven here.
"""

from __future__ import annotations

from typing import Final

from keyferry.crypto.digits import random_digits
from keyferry.errors import HSMRefusedError, PINBlockError, ProofError, VerificationError
from keyferry.exchange.proof_kinds import (
    EXPIRY,
    PAN,
    PIN_DIGITS,
    PVKI,
    SERVICE_CODE,
    Proof,
    ProofKind,
    UsedKey,
    required,
)
from keyferry.exchange.result import same_check_value
from keyferry.hsm.futurex import FuturexDriver
from keyferry.keys import KeyAlgorithm

_USED: Final = frozenset({ProofKind.CVV, ProofKind.PIN_BLOCK, ProofKind.PVV, ProofKind.KEY_BLOCK})


class FuturexProofs:
    """Computes and verifies under keys of the PMK."""

    def __init__(self, driver: FuturexDriver) -> None:
        self._driver = driver

    def makes(self, key: UsedKey) -> frozenset[ProofKind]:
        # The public PIN commands know ISO format 0 only, which AES keys do not encrypt.
        return frozenset() if key.usage == "P0" and not key.is_tdes else _USED

    def checks(self, key: UsedKey) -> frozenset[ProofKind]:
        return self.makes(key)

    async def make(self, kind: ProofKind, key: UsedKey, companion: UsedKey | None) -> Proof:
        """Compute something under a key; `KeyProofs` says more."""
        if kind is ProofKind.CVV:
            made = await self._driver.generate_card_values(
                cvk=key.handle, pan=PAN, expiry=EXPIRY, service_code=SERVICE_CODE
            )
            return Proof(kind=kind, value=made.cvv)
        if kind is ProofKind.PIN_BLOCK:
            block = await self._driver.encrypt_pin(
                pek=key.handle, pin=random_digits(PIN_DIGITS), pan=PAN
            )
            return Proof(kind=kind, value=block.hex().upper())
        if kind is ProofKind.PVV:
            companion = required(companion)
            drawn = await self._driver.generate_pin(
                pek=companion.handle, pvk=key.handle, pvki=PVKI, pan=PAN, size=PIN_DIGITS
            )
            return Proof(kind=kind, value=drawn.pvv, beside=drawn.pin_block.hex().upper())
        throw_away, check_value = await self._throw_away()
        exported = await self._driver.export_key_tr31(kek=key.handle, key=throw_away)
        return Proof(kind=kind, value=exported.block, check_value=check_value)

    async def check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        """Verify what the other side computed; `KeyProofs` says more."""
        try:
            return await self._check(proof, key, companion)
        except (PINBlockError, VerificationError) as error:
            raise ProofError(str(error)) from error
        except HSMRefusedError as error:
            # The numbers of its refusals are not public: a block made under the same key unwraps.
            if proof.kind is ProofKind.KEY_BLOCK:
                raise ProofError(str(error)) from error
            raise

    async def _check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        if proof.kind is ProofKind.CVV:
            await self._driver.verify_cvv(
                cvk=key.handle,
                pan=PAN,
                expiry=EXPIRY,
                service_code=SERVICE_CODE,
                cvv=proof.value,
            )
            return "verified"
        if proof.kind is ProofKind.PVV:
            companion = required(companion)
            await self._driver.verify_pin(
                pek=companion.handle,
                pvk=key.handle,
                pvki=PVKI,
                pin_block=bytes.fromhex(proof.beside),
                pan=PAN,
                pvv=proof.value,
            )
            return "verified"
        if proof.kind is ProofKind.PIN_BLOCK:
            outgoing, _ = await self._throw_away()
            await self._driver.translate_pin(
                incoming=key.handle,
                outgoing=outgoing,
                pin_block=bytes.fromhex(proof.value),
                pan=PAN,
            )
            return "translated"
        arrived = await self._driver.import_key_tr31(kek=key.handle, block=proof.value)
        if not same_check_value(arrived.check_value, proof.check_value):
            raise ProofError(
                f"the throw-away key in the key block has check value {arrived.check_value} after"
                f" unwrapping, and had {proof.check_value} before"
            )
        return "unwrapped"

    async def _throw_away(self) -> tuple[str, str]:
        """Make a PIN key that nobody keeps: nothing is stored in the device."""
        made = await self._driver.generate_key(
            usage="P0", algorithm=KeyAlgorithm.TDES_2KEY, mode="B", exportability="E"
        )
        return made.key, made.check_value
