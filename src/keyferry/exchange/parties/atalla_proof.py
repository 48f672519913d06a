"""
Proof by use with an Atalla, whose keys are AKBs under a TDES master file key.

It computes card values, MACs, PIN blocks, data and issuer scripts. PIN reference values and card
cryptograms it only verifies, so there the other side computes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from keyferry.crypto.digits import random_digits
from keyferry.crypto.keyblock.akb import AKB
from keyferry.crypto.padding import Padding, pad
from keyferry.errors import HSMFrameError, ProofError
from keyferry.exchange.proof_kinds import (
    DECIMALIZATION_TABLE,
    EXPIRY,
    KSN,
    MESSAGE,
    PAN,
    PIN_DIGITS,
    PSN,
    PVKI,
    SCRIPT_PIN,
    SERVICE_CODE,
    SESSION_DATA,
    TRANSACTION_DATA,
    VALIDATION_DATA,
    Proof,
    ProofKind,
    UsedKey,
    required,
)
from keyferry.hsm.atalla import AtallaDriver
from keyferry.hsm.atalla.usages import HEADERS
from keyferry.hsm.values import Values

_PAN12: Final = PAN[-13:-1]
_ANSI: Final = "1"
_MAC_ALGORITHMS: Final = {"M0": "3", "M1": "1", "M3": "3"}
_DOUBLE: Final = "D"

_COMMON_SESSION: Final = "0"
_VISA_CVN_10: Final = "1"
_EIGHT_BYTES: Final = "3"
_CHANGE_PIN: Final = "8424000210"  # the APDU that a PIN change script opens with
_APPROVED: Final = "3030"
_DECLINED: Final = "3035"

_MADE: Final = frozenset(
    {
        ProofKind.CVV,
        ProofKind.MAC,
        ProofKind.TRANSACTION_PIN_BLOCK,
        ProofKind.PIN_BLOCK,
        ProofKind.CRYPTOGRAM,
        ProofKind.SCRIPT_MAC,
        ProofKind.SCRIPT_PIN_BLOCK,
        ProofKind.KEY_BLOCK,
    }
)
_CHECKED: Final = frozenset({ProofKind.PVV, ProofKind.IBM_OFFSET, ProofKind.ARQC})
_WRAPPING_USAGE: Final = "k"


class AtallaProofs:
    """Computes and verifies under keys of one master file key."""

    def __init__(self, driver: AtallaDriver) -> None:
        self._driver = driver
        self._make: Mapping[ProofKind, Callable[[UsedKey], Awaitable[Proof]]] = {
            ProofKind.CVV: self._make_cvv,
            ProofKind.MAC: self._make_mac,
            ProofKind.TRANSACTION_PIN_BLOCK: self._make_transaction_pin_block,
            ProofKind.PIN_BLOCK: self._make_pin_block,
            ProofKind.CRYPTOGRAM: self._make_cryptogram,
            ProofKind.SCRIPT_MAC: self._make_script_mac,
            ProofKind.SCRIPT_PIN_BLOCK: self._make_script_pin_block,
            ProofKind.KEY_BLOCK: self._make_key_block,
        }

    def makes(self, key: UsedKey) -> frozenset[ProofKind]:
        # TR-31 blocks are wrapped under keys of one usage only; a KEK of another wraps AKBs.
        if key.usage in ("K0", "K1") and AKB.parse(key.handle).header.usage != _WRAPPING_USAGE:
            return frozenset()
        return _MADE

    def checks(self, key: UsedKey) -> frozenset[ProofKind]:  # noqa: ARG002 (the same for all)
        return _CHECKED

    async def make(
        self,
        kind: ProofKind,
        key: UsedKey,
        companion: UsedKey | None,  # noqa: ARG002 (nothing made here has one)
    ) -> Proof:
        """Compute something under a key; `KeyProofs` says more."""
        return await self._make[kind](key)

    async def check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        """Verify what the other side computed; `KeyProofs` says more."""
        if proof.kind is ProofKind.ARQC:
            verdict = await self._verify_arqc(proof, key)
        else:
            companion = required(companion)
            verdict = await self._verify_pin(proof, key, companion)
        if verdict != "Y":
            raise ProofError(f"the Atalla answers {verdict}")
        return "verified"

    async def _call(self, code: str, **fields: object) -> Values:
        return await self._driver.call(code, fields)

    async def _new_key(self, usage: str) -> str:
        """Make a double-length key that nobody keeps: nothing is stored in the device."""
        header = HEADERS[usage].encode()
        return (await self._driver.generate_key(header=header, length=_DOUBLE)).key

    # --- computing ------------------------------------------------------------------------------

    async def _make_cvv(self, key: UsedKey) -> Proof:
        value = await self._driver.generate_cvv(
            key=key.handle, pan=PAN, expiry=EXPIRY, service_code=SERVICE_CODE
        )
        return Proof(kind=ProofKind.CVV, value=value)

    async def _make_mac(self, key: UsedKey) -> Proof:
        mac = await self._driver.generate_mac(
            key=key.handle, data=MESSAGE, algorithm=_MAC_ALGORITHMS[key.usage]
        )
        return Proof(kind=ProofKind.MAC, value=mac.hex().upper())

    async def _encrypt_pin(self, key: str, pin: str) -> bytes:
        return await self._driver.encrypt_pin(key=key, pin=pin, pan=PAN)

    async def _make_pin_block(self, key: UsedKey) -> Proof:
        block = await self._encrypt_pin(key.handle, random_digits(PIN_DIGITS))
        return Proof(kind=ProofKind.PIN_BLOCK, value=block.hex().upper())

    async def _make_transaction_pin_block(self, key: UsedKey) -> Proof:
        """Bring a PIN block from a key that nobody keeps under the key of a transaction."""
        kpe = await self._new_key("P0")
        answer = await self._call(
            "3E",
            format_in=_ANSI,
            format_out=_ANSI,
            kpe_in=kpe,
            kind_in="M",
            kpe_out=key.handle,
            kind_out="M",
            ksn_out=KSN,
            block=await self._encrypt_pin(kpe, random_digits(PIN_DIGITS)),
            pan12_in=_PAN12,
            pan12_out=_PAN12,
        )
        if answer.text("sanity") != "Y":
            raise HSMFrameError("3E: its own PIN block does not open", field="block")
        block = answer.raw("new_block").hex().upper()
        return Proof(kind=ProofKind.TRANSACTION_PIN_BLOCK, value=block)

    async def _make_cryptogram(self, key: UsedKey) -> Proof:
        answer = await self._call(
            "97",
            direction="E",
            cipher_mode="6",
            dek=key.handle,
            iv_kind="D",
            data_form="U",
            length=2 * len(MESSAGE),
            data=MESSAGE,
        )
        return Proof(kind=ProofKind.CRYPTOGRAM, value=answer.raw("new_data").hex().upper())

    async def _make_script_mac(self, key: UsedKey) -> Proof:
        answer = await self._call(
            "352",
            derivation=_COMMON_SESSION,
            imk_mac=key.handle,
            pan=PAN,
            psn=PSN,
            diversification=bytes.fromhex(SESSION_DATA),
            mac_length=_EIGHT_BYTES,
            data=pad(MESSAGE, Padding.METHOD_2, block_size=8),
        )
        return Proof(kind=ProofKind.SCRIPT_MAC, value=answer.text("new_mac").replace(" ", ""))

    async def _make_script_pin_block(self, key: UsedKey) -> Proof:
        """Have a new PIN put into a script, whose MAC is made with a key that nobody keeps."""
        kpe = await self._new_key("P0")
        answer = await self._call(
            "351",
            derivation=_COMMON_SESSION,
            block_type=_ANSI,
            kpe=kpe,
            imk_enc=key.handle,
            imk_mac=await self._new_key("E2"),
            new_block=await self._encrypt_pin(kpe, SCRIPT_PIN),
            application_pan=PAN,
            psn=PSN,
            diversification=bytes.fromhex(SESSION_DATA),
            application_data=bytes.fromhex(_CHANGE_PIN),
            pan12=_PAN12,
        )
        if answer.text("sanity") != "Y":
            raise HSMFrameError("351: its own PIN block does not open", field="new_block")
        block = answer.raw("encrypted_pin_block").hex().upper()
        return Proof(kind=ProofKind.SCRIPT_PIN_BLOCK, value=block)

    async def _make_key_block(self, key: UsedKey) -> Proof:
        throw_away = await self._new_key("P0")
        exported = await self._driver.export_key_tr31(kek=key.handle, key=throw_away)
        return Proof(
            kind=ProofKind.KEY_BLOCK, value=exported.block, check_value=exported.check_digits
        )

    # --- verifying ------------------------------------------------------------------------------

    async def _verify_arqc(self, proof: Proof, key: UsedKey) -> str:
        answer = await self._call(
            "350",
            derivation=_VISA_CVN_10,
            imk_ac=key.handle,
            pan=PAN,
            psn=PSN,
            arqc=bytes.fromhex(proof.value),
            data=TRANSACTION_DATA,
            arc=bytes.fromhex(_APPROVED),
            # With a code for failures the device says its verdict; without, it says nothing.
            failure_code=_DECLINED,
        )
        return answer.maybe("verdict", str) or "no verdict"

    async def _verify_pin(self, proof: Proof, key: UsedKey, pek: UsedKey) -> str:
        reference: dict[str, object]
        if proof.kind is ProofKind.PVV:
            reference = {
                "method": "3",
                "pvv": proof.value,
                "pvki": PVKI,
                "pan11": PAN[-12:-1],
            }
        else:
            reference = {
                "method": "2",
                "conversion_table": DECIMALIZATION_TABLE,
                "offset": proof.value,
                "validation_data": VALIDATION_DATA,
                "pad": "F",
                "check_length": str(PIN_DIGITS),
            }
        answer = await self._call(
            "32",
            block_type=_ANSI,
            block=bytes.fromhex(proof.beside),
            kpe=pek.handle,
            kpv=key.handle,
            pan12=_PAN12,
            **reference,
        )
        return answer.text("verdict")
