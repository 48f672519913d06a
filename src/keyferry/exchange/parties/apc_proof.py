"""Proof by use at the service: its data plane computes and verifies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from keyferry.crypto.keyblock import ModeOfUse
from keyferry.errors import ProofError, RemoteRefusedError
from keyferry.exchange.aws import AWSClient
from keyferry.exchange.parties.apc_proof_attributes import (
    card_value,
    decryption,
    mac,
    pin_format,
    pin_generation,
    pin_verification,
    transaction,
    transaction_pin,
)
from keyferry.exchange.parties.apc_throw_away import ThrowAwayKeys
from keyferry.exchange.proof_kinds import (
    MAC_ALGORITHMS,
    MESSAGE,
    PAN,
    PIN_DIGITS,
    SCRIPT_PIN_BLOCK,
    Proof,
    ProofKind,
    UsedKey,
    required,
)
from keyferry.exchange.result import same_check_value
from keyferry.keys import KeyAlgorithm, KeyUsage

_CARD_VALUES: Final = frozenset({ProofKind.CVV, ProofKind.CSC, ProofKind.CVC3, ProofKind.DCVV})
_MACS: Final = frozenset({ProofKind.MAC, ProofKind.TRANSACTION_MAC, ProofKind.SCRIPT_MAC})
_PIN_VALUES: Final = frozenset({ProofKind.PVV, ProofKind.IBM_OFFSET})
_MADE: Final = frozenset(ProofKind) - {ProofKind.TRANSACTION_PIN_BLOCK}
_CHECKED: Final = frozenset(ProofKind) - {ProofKind.ARQC_AND_SCRIPT_MAC}
# The usages for which NoRestrictions is a mode that operations accept.
_UNRESTRICTED: Final = ("B0", "D0", "P0", "E2")
_MAC_BYTES: Final = 8
_SCRIPT_MAC_BYTES: Final = 4  # of a payShield that verifies it beside the ARQC

_FAILED: Final = "VerificationFailedException"
# What opening under another key comes to: a PIN block or a key block that is none.
_UNREADABLE: Final = "ValidationException"
_OPENING: Final = ("TranslatePinData", "VerifyPinData", "ImportKey")


class APCProofs:
    """Computes and verifies in one Region of one account."""

    def __init__(self, client: Callable[[], AWSClient], *, throw_aways: ThrowAwayKeys) -> None:
        """
        Args:
            client: opens the data plane, or returns it where it is open.
            throw_aways: keys that a proof needs beside the proven one.
        """
        self._client = client
        self._throw_aways = throw_aways

    def makes(self, key: UsedKey) -> frozenset[ProofKind]:
        return _MADE if self._takes(key) else frozenset()

    def checks(self, key: UsedKey) -> frozenset[ProofKind]:
        return _CHECKED if self._takes(key) else frozenset()

    @staticmethod
    def _takes(key: UsedKey) -> bool:
        return key.mode is not ModeOfUse.NO_RESTRICTIONS or key.usage in _UNRESTRICTED

    async def make(self, kind: ProofKind, key: UsedKey, companion: UsedKey | None) -> Proof:
        """Compute something under a key; `KeyProofs` says more."""
        if kind in _CARD_VALUES:
            answer = await self._read(
                "generate_card_validation_data",
                KeyIdentifier=key.handle,
                PrimaryAccountNumber=PAN,
                GenerationAttributes=card_value(kind),
            )
            return Proof(kind=kind, value=answer["ValidationData"])
        if kind in _MACS:
            return Proof(kind=kind, value=await self._mac(kind, key))
        if kind in _PIN_VALUES:
            companion = required(companion)
            return await self._pin_value(kind, key, companion)
        if kind is ProofKind.PIN_BLOCK:
            return Proof(kind=kind, value=await self._pin_block(key))
        if kind is ProofKind.ARQC:
            return Proof(kind=kind, value=await self._arqc(key))
        if kind is ProofKind.ARQC_AND_SCRIPT_MAC:
            companion = required(companion)
            value = await self._mac(kind, key)
            return Proof(kind=kind, value=value, beside=await self._arqc(companion))
        if kind is ProofKind.KEY_BLOCK:
            throw_away = await self._throw_aways.make(
                KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY, KeyAlgorithm.TDES_2KEY
            )
            block, check_value = await self._throw_aways.wrap_under(throw_away, key.handle)
            return Proof(kind=kind, value=block, check_value=check_value)
        clear = SCRIPT_PIN_BLOCK if kind is ProofKind.SCRIPT_PIN_BLOCK else MESSAGE.hex().upper()
        answer = await self._read(
            "encrypt_data",
            KeyIdentifier=key.handle,
            PlainText=clear,
            EncryptionAttributes=decryption(kind, key),
        )
        return Proof(kind=kind, value=answer["CipherText"])

    async def check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        """Verify what the other side computed; `KeyProofs` says more."""
        try:
            return await self._check(proof, key, companion)
        except RemoteRefusedError as error:
            opening = str(error).startswith(_OPENING)
            if error.code == _FAILED or (opening and error.code == _UNREADABLE):
                raise ProofError(str(error)) from error
            raise

    async def _check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        kind = proof.kind
        if kind in _CARD_VALUES:
            await self._read(
                "verify_card_validation_data",
                KeyIdentifier=key.handle,
                PrimaryAccountNumber=PAN,
                VerificationAttributes=card_value(kind),
                ValidationData=proof.value,
            )
        elif kind in _MACS:
            await self._read(
                "verify_mac",
                KeyIdentifier=key.handle,
                MessageData=MESSAGE.hex().upper(),
                Mac=proof.value,
                VerificationAttributes=mac(kind, key),
                **_mac_size(key, len(proof.value) // 2),
            )
        elif kind in _PIN_VALUES:
            companion = required(companion)
            await self._read(
                "verify_pin_data",
                VerificationKeyIdentifier=key.handle,
                EncryptionKeyIdentifier=companion.handle,
                VerificationAttributes=pin_verification(kind, proof.value),
                EncryptedPinBlock=proof.beside,
                PrimaryAccountNumber=PAN,
                PinBlockFormat="ISO_FORMAT_0",
            )
        elif kind is ProofKind.ARQC:
            await self._read(
                "verify_auth_request_cryptogram",
                KeyIdentifier=key.handle,
                AuthRequestCryptogram=proof.value,
                **transaction(),
            )
        elif kind in (ProofKind.PIN_BLOCK, ProofKind.TRANSACTION_PIN_BLOCK):
            await self._translate(kind, proof.value, key)
            return "translated"
        elif kind is ProofKind.KEY_BLOCK:
            check_value = await self._throw_aways.unwrap_under(proof.value, key.handle)
            if not same_check_value(check_value, proof.check_value):
                raise ProofError(
                    f"the throw-away key in the key block has check value {check_value} after"
                    f" unwrapping, and had {proof.check_value} before"
                )
            return "unwrapped"
        else:
            await self._decrypt(kind, proof.value, key)
            return "decrypted"
        return "verified"

    async def _mac(self, kind: ProofKind, key: UsedKey) -> str:
        beside_arqc = kind is ProofKind.ARQC_AND_SCRIPT_MAC
        answer = await self._read(
            "generate_mac",
            KeyIdentifier=key.handle,
            MessageData=MESSAGE.hex().upper(),
            GenerationAttributes=mac(kind, key),
            **_mac_size(key, _SCRIPT_MAC_BYTES if beside_arqc else _MAC_BYTES),
        )
        return str(answer["Mac"])

    async def _arqc(self, key: UsedKey) -> str:
        answer = await self._read(
            "generate_auth_request_cryptogram", KeyIdentifier=key.handle, **transaction()
        )
        return str(answer["AuthRequestCryptogram"])

    async def _pin_value(self, kind: ProofKind, key: UsedKey, pek: UsedKey) -> Proof:
        answer = await self._read(
            "generate_pin_data",
            GenerationKeyIdentifier=key.handle,
            EncryptionKeyIdentifier=pek.handle,
            GenerationAttributes=pin_generation(kind),
            PinDataLength=PIN_DIGITS,
            PrimaryAccountNumber=PAN,
            PinBlockFormat="ISO_FORMAT_0",
        )
        name = "VerificationValue" if kind is ProofKind.PVV else "PinOffset"
        value = answer["PinData"][name]
        return Proof(kind=kind, value=value, beside=answer["EncryptedPinBlock"])

    async def _pin_block(self, key: UsedKey) -> str:
        """Have a PIN drawn, which takes a key for its PVV too, and return it under `key`."""
        pvk = await self._throw_aways.make(
            KeyUsage.TR31_V2_VISA_PIN_VERIFICATION_KEY, KeyAlgorithm.TDES_2KEY
        )
        answer = await self._read(
            "generate_pin_data",
            GenerationKeyIdentifier=pvk,
            EncryptionKeyIdentifier=key.handle,
            GenerationAttributes=pin_generation(ProofKind.PVV),
            PinDataLength=PIN_DIGITS,
            PrimaryAccountNumber=PAN,
            PinBlockFormat="ISO_FORMAT_4" if key.is_aes else "ISO_FORMAT_0",
        )
        return str(answer["EncryptedPinBlock"])

    async def _translate(self, kind: ProofKind, block: str, key: UsedKey) -> None:
        """Bring a PIN block under another key: only that shows that it opens."""
        # A transaction's PIN block has the format of its key too: 4 under AES, 0 under TDES.
        algorithm = key.algorithms[0]
        form = pin_format(aes=algorithm.is_aes)
        pek = await self._throw_aways.make(KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY, algorithm)
        transactional: Mapping[str, Any] = (
            {"IncomingDukptAttributes": transaction_pin(key)}
            if kind is ProofKind.TRANSACTION_PIN_BLOCK
            else {}
        )
        await self._read(
            "translate_pin_data",
            IncomingKeyIdentifier=key.handle,
            OutgoingKeyIdentifier=pek,
            IncomingTranslationAttributes=form,
            OutgoingTranslationAttributes=form,
            EncryptedPinBlock=block,
            **transactional,
        )

    async def _decrypt(self, kind: ProofKind, value: str, key: UsedKey) -> None:
        clear = SCRIPT_PIN_BLOCK if kind is ProofKind.SCRIPT_PIN_BLOCK else MESSAGE.hex().upper()
        answer = await self._read(
            "decrypt_data",
            KeyIdentifier=key.handle,
            CipherText=value,
            DecryptionAttributes=decryption(kind, key),
        )
        if str(answer.get("PlainText", "")).upper() != clear:
            raise ProofError("it decrypts to something else")

    async def _read(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return await self._client().read(operation, **parameters)


def _mac_size(key: UsedKey, size: int) -> dict[str, int]:
    """Say how long a MAC is; an HMAC is as long as its hash, which may be more than can be said."""
    return {} if MAC_ALGORITHMS.get(key.usage) == "HMAC" else {"MacLength": size}
