"""
Card values and PINs with the keys under the PMK: what proves that a migrated key is the same key.

Keys may be key blocks, cryptograms or `BD<slot>` references. A card or PIN verification key in a
key block stands whole in the token of the left half; that a device takes it there is inferred.
"""

from __future__ import annotations

from keyferry.errors import (
    CardDataVerificationError,
    HSMFrameError,
    PaymentDataError,
    PINBlockError,
    PINVerificationError,
)
from keyferry.hsm.futurex.client import HostClient
from keyferry.hsm.futurex.message import Response
from keyferry.hsm.futurex.results import CardValues, GeneratedPIN

_ANSI = "1"
_VISA = "1"  # BF; which value a device takes for Visa PVV is not public
_SANITY, _SHORT = "S", "L"


class PaymentClient(HostClient):
    """The commands of a transaction. A verification raises, it never returns a boolean."""

    async def generate_card_values(
        self, *, cvk: str, pan: str, expiry: str, service_code: str
    ) -> CardValues:
        """
        Make the value of the track and the printed one (GCVV).

        Args:
            cvk: in any form the HSM takes.
            pan: with its check digit.
            expiry: four digits in the order of the scheme, yyMM for Visa.
            service_code: three digits.
        """
        values = {
            "pan": pan,
            "cvk_left": cvk,
            "expiry": expiry,
            "service_code": service_code,
            "ask_cvv2": "",
        }
        answer = _good(await self.call("GCVV", values)).values
        return CardValues(cvv=answer.text("new_cvv"), cvv2=answer.text("new_cvv2"))

    async def verify_cvv(
        self, *, cvk: str, pan: str, expiry: str, service_code: str, cvv: str
    ) -> None:
        """Raise CardDataVerificationError unless the HSM finds the value of the track right."""
        values = {
            "pan": pan,
            "cvk_left": cvk,
            "expiry": expiry,
            "service_code": service_code,
            "cvv": cvv,
        }
        if not (await self.call("VCVV", values)).is_good:
            raise CardDataVerificationError

    async def encrypt_pin(self, *, pek: str, pin: str, pan: str) -> bytes:
        """Put a clear PIN under a key (EPIN), in ISO format 0. For tests."""
        values = {"pek": pek, "pin": pin, "pin_format": _ANSI, "pan_digits": _pan_digits(pan)}
        return _good(await self.call("EPIN", values)).values.raw("new_pin_block")

    async def translate_pin(
        self, *, incoming: str, outgoing: str, pin_block: bytes, pan: str
    ) -> bytes:
        """Put a PIN block of ISO format 0 under another key (TPIN)."""
        values = {
            "pin_format": _ANSI,
            "pek": incoming,
            "new_pek": outgoing,
            "pin_block": pin_block,
            "pan_digits": _pan_digits(pan),
        }
        return _good(await self.call("TPIN", values)).values.raw("new_pin_block")

    async def generate_pin(
        self, *, pek: str, pvk: str, pvki: str, pan: str, size: int = 4
    ) -> GeneratedPIN:
        """Draw a PIN and return it under a key with its Visa PVV (GPIN)."""
        values = {
            "method": _VISA,
            "new_pek": pek,
            "pvk_left": pvk,
            "pvki": pvki,
            "partial_pan": _partial_pan(pan),
            "pan_digits": _pan_digits(pan),
            "pin_length": str(size),
        }
        answer = _good(await self.call("GPIN", values)).values
        return GeneratedPIN(pin_block=answer.raw("new_pin_block"), pvv=answer.text("new_pvv"))

    async def make_pvv(self, *, pek: str, pvk: str, pvki: str, pin_block: bytes, pan: str) -> str:
        """Return the Visa PVV of a PIN (GOFF)."""
        values = {
            "method": _VISA,
            "pin_block": pin_block,
            "pek": pek,
            "pvk_left": pvk,
            "pvki": pvki,
            "partial_pan": _partial_pan(pan),
            "pan_digits": _pan_digits(pan),
        }
        return _good(await self.call("GOFF", values)).values.text("new_pvv")

    async def verify_pin(
        self, *, pek: str, pvk: str, pvki: str, pin_block: bytes, pan: str, pvv: str
    ) -> None:
        """Raise PINVerificationError unless the HSM finds that the PIN has this PVV (VPIN)."""
        values = {
            "method": _VISA,
            "pin_format": _ANSI,
            "pin_block": pin_block,
            "pek": pek,
            "pvk_left": pvk,
            "pvv": pvv,
            "pvki": pvki,
            "partial_pan": _partial_pan(pan),
            "pan_digits": _pan_digits(pan),
        }
        response = await self.call("VPIN", values)
        if response.status == "N":
            raise PINVerificationError
        _good(response)


def _good(response: Response) -> Response:
    """Return a response that is no refusal of the PIN itself."""
    if response.is_good:
        return response
    if response.status in (_SANITY, _SHORT):
        raise PINBlockError
    if response.status == "W":
        raise PaymentDataError("PIN", expected="one that is not weak")
    raise HSMFrameError(f"answer: status {response.status!r} has no meaning here", field="BB")


def _pan_digits(pan: str) -> str:
    """Return the 12 digits before the check digit."""
    return _check(pan)[-13:-1].rjust(12, "0")


def _partial_pan(pan: str) -> str:
    """Return the 11 digits before the check digit."""
    return _check(pan)[-12:-1]


def _check(pan: str) -> str:
    if not (12 <= len(pan) <= 19 and pan.isascii() and pan.isdigit()):
        raise PaymentDataError("PAN", expected="12 to 19 decimal digits")
    return pan
