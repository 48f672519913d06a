"""Proof by use with a payShield: the command that computes something under each kind of key."""

from __future__ import annotations

from typing import Final

from keyferry.exchange.parties.interface import TransportKey
from keyferry.exchange.parties.payshield_keys import possible_algorithms
from keyferry.exchange.proof import (
    EXPIRY,
    KSN,
    KSN_DESCRIPTOR,
    MESSAGE,
    PAN,
    SERVICE_CODE,
    CryptogramProof,
    CVVProof,
    MACProof,
    PINBlockProof,
    Proof,
    TransactionMACProof,
)
from keyferry.hsm.payshield import LMKSelection, PayShieldDriver
from keyferry.hsm.payshield.key_types import KEY_BLOCK_TYPE
from keyferry.hsm.payshield.request_values import key_type_of
from keyferry.hsm.values import Values
from keyferry.keys import KeyAlgorithm

_PIN_DIGITS: Final = "04"
_ACCOUNT: Final = PAN[-13:-1]
_TEXT: Final = "2"
_HEX: Final = "1"
_WHOLE: Final = "0"

# MAC usages: the algorithm of M6, and what the API calls it.
_MACS: Final = {
    "M1": ("1", "ISO9797_ALGORITHM1"),
    "M3": ("3", "ISO9797_ALGORITHM3"),
    "M6": ("6", "CMAC"),
}


class PayShieldProofs:
    """Computes proofs under keys of one LMK."""

    def __init__(self, driver: PayShieldDriver, lmk: LMKSelection, key_type: str | None) -> None:
        """
        Args:
            driver: asks the HSM.
            lmk: under which the key is.
            key_type: of the key, under a variant LMK.
        """
        self._driver = driver
        self._lmk = lmk
        self._key_type = KEY_BLOCK_TYPE if not lmk.is_variant else key_type_of(lmk, key_type)

    async def make(self, key: TransportKey) -> Proof | None:
        """Compute something under the key; None where no command tells by itself."""
        usage = key.usage.code
        possible = (key.algorithm,) if key.algorithm else possible_algorithms(key.handle)
        aes = all(algorithm.is_aes for algorithm in possible)
        if usage == "C0":
            return await self._cvv(key)
        if usage in _MACS:
            return await self._mac(key, usage, aes=aes)
        if usage == "P0":
            return await self._pin_block(key, aes=aes)
        # DUKPT with DES keys begins from a double-length key; another derives nothing.
        if usage == "B0" and possible == (KeyAlgorithm.TDES_2KEY,):
            return await self._transaction_mac(key)
        if usage == "D0":
            return await self._cryptogram(key, aes=aes)
        return None

    async def _call(self, code: str, **fields: object) -> Values:
        return (await self._driver.call(code, fields, lmk=self._lmk)).values

    async def _cvv(self, key: TransportKey) -> Proof:
        answer = await self._call(
            "CW", cvk=key.handle, pan=PAN, expiry=EXPIRY, service_code=SERVICE_CODE
        )
        return CVVProof(value=answer.text("new_cvv"))

    async def _mac(self, key: TransportKey, usage: str, *, aes: bool) -> Proof | None:
        algorithm, name = _MACS[usage]
        if aes and algorithm != "6":
            return None  # the ISO 9797-1 MACs of the API are TDES only
        answer = await self._call(
            "M6",
            mode=_WHOLE,
            input_format=_TEXT,
            size="1",
            algorithm=algorithm,
            padding="1",
            key_type=self._key_type,
            key=key.handle,
            message=MESSAGE,
        )
        return MACProof(algorithm=name, value=answer.text("new_mac"))

    async def _pin_block(self, key: TransportKey, *, aes: bool) -> Proof:
        answer = await self._call("JA", account=PAN, pin_length=_PIN_DIGITS)
        account: dict[str, object] = {"pan": PAN} if aes else {"account": _ACCOUNT}
        answer = await self._call(
            "JG",
            zpk=key.handle,
            format="48" if aes else "01",
            pin=answer.text("pin"),
            **account,
        )
        return PINBlockProof(value=answer.text("block"), aes=aes)

    async def _transaction_mac(self, key: TransportKey) -> Proof:
        answer = await self._call(
            "GW",
            mode="4",
            method="1",
            bdk=key.handle,
            ksn_descriptor=KSN_DESCRIPTOR,
            ksn=KSN,
            message=MESSAGE,
        )
        return TransactionMACProof(value=answer.text("new_mac"))

    async def _cryptogram(self, key: TransportKey, *, aes: bool) -> Proof:
        iv = "00" * (16 if aes else 8)
        answer = await self._call(
            "M0",
            mode="01",
            input_format=_TEXT,
            output_format=_HEX,
            key_type=self._key_type,
            key=key.handle,
            iv=iv,
            message=MESSAGE,
        )
        return CryptogramProof(value=answer.raw("output").decode("ascii"), iv=iv)
