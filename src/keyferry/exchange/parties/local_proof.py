"""
Proof by use with a clear test key: this machine computes what an HSM would, with the same library
that the tools at the desk use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from keyferry.crypto.card_verification import amex_csc, cvc3, cvv, dcvv
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.digits import random_digits
from keyferry.crypto.dukpt import AESBDK, TDESBDK, AESPurpose, TDESPurpose, WorkingKeyType
from keyferry.crypto.emv import (
    derive_common_session_key,
    derive_icc_master_key,
    derive_visa_script_key,
    generate_arqc,
    script_mac,
)
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)
from keyferry.crypto.mac import HMACKey, cbc_mac, retail_mac
from keyferry.crypto.pin_block import PINBlockFormat, encrypt_pin_block
from keyferry.crypto.pin_verification import ibm3624_offset, visa_pvv
from keyferry.crypto.secret import Secret
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import ProofError
from keyferry.exchange.proof_kinds import (
    AES_KSN,
    ATC,
    DECIMALIZATION_TABLE,
    EXPIRY,
    KSN,
    MESSAGE,
    PAN,
    PIN_DIGITS,
    PSN,
    PVKI,
    SCRIPT_PIN_BLOCK,
    SERVICE_CODE,
    SESSION_DATA,
    TRACK_DATA,
    TRANSACTION_DATA,
    UNPREDICTABLE_NUMBER,
    VALIDATION_DATA,
    Proof,
    ProofKind,
    UsedKey,
    required,
)
from keyferry.keys import KeyAlgorithm, generate_material, key_check_value

_MADE: Final = frozenset(ProofKind) - {ProofKind.TRANSACTION_PIN_BLOCK}
_MAC_BYTES: Final = 8
_SCRIPT_MAC_BYTES: Final = 4  # of a payShield that verifies it beside the ARQC


class LocalProofs:
    """Computes under clear keys; whoever receives them verifies."""

    def __init__(self, clear: Callable[[str], Secret]) -> None:
        """
        Args:
            clear: returns the clear key of a handle.
        """
        self._clear = clear
        self._compute: Mapping[ProofKind, Callable[[UsedKey], str]] = {
            ProofKind.CVV: lambda key: cvv(
                self._tdes(key), pan=PAN, expiry=EXPIRY, service_code=SERVICE_CODE
            ),
            ProofKind.CSC: lambda key: amex_csc(self._tdes(key), pan=PAN, expiry=EXPIRY),
            ProofKind.CVC3: self._cvc3,
            ProofKind.DCVV: self._dcvv,
            ProofKind.MAC: self._mac,
            ProofKind.TRANSACTION_MAC: self._transaction_mac,
            ProofKind.PIN_BLOCK: lambda key: self._pin_block(key, random_digits(PIN_DIGITS)),
            ProofKind.CRYPTOGRAM: self._cryptogram,
            ProofKind.ARQC: self._arqc,
            ProofKind.SCRIPT_MAC: self._script_mac,
            ProofKind.SCRIPT_PIN_BLOCK: self._script_pin_block,
        }

    def makes(self, key: UsedKey) -> frozenset[ProofKind]:  # noqa: ARG002 (the same for all)
        return _MADE

    def checks(self, key: UsedKey) -> frozenset[ProofKind]:  # noqa: ARG002 (the same for all)
        return frozenset()

    async def make(self, kind: ProofKind, key: UsedKey, companion: UsedKey | None) -> Proof:
        """Compute something under a key; `KeyProofs` says more."""
        if kind is ProofKind.KEY_BLOCK:
            return self._key_block(key)
        if kind is ProofKind.ARQC_AND_SCRIPT_MAC:
            companion = required(companion)
            session = TDESKey(derive_visa_script_key(self._card_key(key), bytes.fromhex(ATC)))
            mac = script_mac(session, MESSAGE)[:_SCRIPT_MAC_BYTES]
            return Proof(kind=kind, value=mac.hex().upper(), beside=self._arqc(companion))
        if kind in (ProofKind.PVV, ProofKind.IBM_OFFSET):
            companion = required(companion)
            pin = random_digits(PIN_DIGITS)
            value = self._pin_value(kind, key, pin)
            return Proof(kind=kind, value=value, beside=self._pin_block(companion, pin))
        return Proof(kind=kind, value=self._compute[kind](key))

    async def check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:  # noqa: ARG002
        """Nothing is ever verified here: a clear key is never received."""
        raise ProofError(f"a clear key verifies no {proof.kind}")

    def _bytes(self, key: UsedKey) -> bytes:
        return self._clear(key.handle).reveal()

    def _tdes(self, key: UsedKey) -> TDESKey:
        return TDESKey(self._bytes(key))

    def _cipher(self, key: UsedKey) -> CipherKey:
        return CipherKey(Cipher.AES if key.is_aes else Cipher.TDES, self._bytes(key))

    def _card_key(self, key: UsedKey) -> bytes:
        return derive_icc_master_key(self._tdes(key), pan=PAN, psn=PSN)

    def _cvc3(self, key: UsedKey) -> str:
        return cvc3(
            TDESKey(self._card_key(key)),
            track=bytes.fromhex(TRACK_DATA),
            unpredictable_number=bytes.fromhex(UNPREDICTABLE_NUMBER),
            atc=bytes.fromhex(ATC),
            size=3,
        )

    def _dcvv(self, key: UsedKey) -> str:
        return dcvv(
            TDESKey(self._card_key(key)),
            pan=PAN,
            expiry=EXPIRY,
            service_code=SERVICE_CODE,
            atc=f"{int(ATC, 16):04}",
        )

    def _mac(self, key: UsedKey) -> str:
        algorithm = key.algorithms[0]
        if algorithm.is_hmac:
            return (
                HMACKey(self._bytes(key), algorithm.value.removeprefix("HMAC_"))
                .mac(MESSAGE)
                .hex()
                .upper()
            )
        if key.usage == "M6":
            mac = self._cipher(key).cmac(MESSAGE)
        elif key.usage == "M1":
            mac = cbc_mac(self._cipher(key), MESSAGE)
        else:
            mac = retail_mac(self._tdes(key), MESSAGE)
        return mac[:_MAC_BYTES].hex().upper()

    def _transaction_mac(self, key: UsedKey) -> str:
        if key.is_aes:
            working = AESBDK(self._bytes(key)).working_key(
                bytes.fromhex(AES_KSN),
                AESPurpose.MAC_GENERATION,
                WorkingKeyType[key.algorithms[0].name],
            )
            mac = CipherKey(Cipher.AES, working).cmac(MESSAGE)
        else:
            bdk = TDESBDK(self._bytes(key))
            working = bdk.working_key(bytes.fromhex(KSN), TDESPurpose.MAC_REQUEST)
            mac = retail_mac(TDESKey(working), MESSAGE)
        return mac[:_MAC_BYTES].hex().upper()

    def _pin_block(self, key: UsedKey, pin: str) -> str:
        form = PINBlockFormat.ISO_4 if key.is_aes else PINBlockFormat.ISO_0
        return encrypt_pin_block(self._cipher(key), form, pin, PAN).hex().upper()

    def _pin_value(self, kind: ProofKind, key: UsedKey, pin: str) -> str:
        if kind is ProofKind.PVV:
            return visa_pvv(self._cipher(key), pan=PAN, pvki=PVKI, pin=pin)
        return ibm3624_offset(
            self._cipher(key),
            decimalization_table=DECIMALIZATION_TABLE,
            validation_data=VALIDATION_DATA,
            pin=pin,
        )

    def _cryptogram(self, key: UsedKey) -> str:
        cipher = self._cipher(key)
        return cipher.encrypt_cbc(MESSAGE, bytes(16 if key.is_aes else 8)).hex().upper()

    def _arqc(self, key: UsedKey) -> str:
        return generate_arqc(TDESKey(self._card_key(key)), TRANSACTION_DATA).hex().upper()

    def _session(self, key: UsedKey) -> TDESKey:
        card_key = self._card_key(key)
        return TDESKey(derive_common_session_key(card_key, bytes.fromhex(SESSION_DATA)))

    def _script_mac(self, key: UsedKey) -> str:
        return script_mac(self._session(key), MESSAGE).hex().upper()

    def _script_pin_block(self, key: UsedKey) -> str:
        block = bytes.fromhex(SCRIPT_PIN_BLOCK)
        return self._session(key).encrypt_cbc(block, bytes(8)).hex().upper()

    def _key_block(self, key: UsedKey) -> Proof:
        """Wrap a key that nobody keeps."""
        throw_away = generate_material(KeyAlgorithm.TDES_2KEY)
        header = KeyBlockHeader(
            version=BlockVersion.D if key.is_aes else BlockVersion.B,
            usage="P0",
            algorithm=Algorithm.TDES,
            mode=ModeOfUse.BOTH_DIRECTIONS,
            exportability=Exportability.EXPORTABLE,
        )
        cipher = Cipher.AES if key.is_aes else Cipher.TDES
        block = KBPK(cipher, self._bytes(key)).wrap(header, throw_away)
        check_value, _ = key_check_value(KeyAlgorithm.TDES_2KEY, throw_away)
        return Proof(kind=ProofKind.KEY_BLOCK, value=block, check_value=check_value)
