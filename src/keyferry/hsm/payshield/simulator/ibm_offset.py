"""IBM 3624 as host commands describe it: check length, validation data with an N, offset."""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.pin_verification import ibm3624_offset, ibm3624_pin_from_offset
from keyferry.hsm.payshield.simulator.call import SYNTAX, Call
from keyferry.hsm.payshield.simulator.decimalisation import table_of
from keyferry.hsm.payshield.simulator.key_roles import ALGORITHM
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.pin_blocks import account_of

NOT_SINGLE_LENGTH: Final = "02"
LENGTH_MISMATCH: Final = "81"
OFFSET_CHARACTERS: Final = 12
_ACCOUNT_DIGITS: Final = 5  # what an N in the validation data stands for


class IBMPIN:
    """What the PVK, the table and the account of one request make of PINs and offsets."""

    def __init__(self, call: Call, pvk: CipherKey) -> None:
        if pvk.cipher is not Cipher.TDES:
            raise CommandRefusedError(ALGORITHM)
        self._pvk = pvk
        self._size = call.values.number("check_length")
        self._table = table_of(call)
        self._validation = _validation_data(call)

    @property
    def code(self) -> str:
        """00, or the warning that the PVK is longer than a single DES key."""
        return "00" if self._pvk.size == 8 else NOT_SINGLE_LENGTH

    def matches(self, pin: str, offset: str) -> bool:
        """Whether an offset leads to a PIN, on as many digits as the check length says."""
        if len(pin) < self._size:
            raise CommandRefusedError(LENGTH_MISMATCH)
        return compare_digest(self.pin(offset), pin[: self._size])

    def pin(self, offset: str) -> str:
        """Return the PIN an offset leads to; refused with 15 where the offset is too short."""
        digits = offset[: self._size]
        if not digits.isdecimal():
            raise CommandRefusedError(SYNTAX)
        return ibm3624_pin_from_offset(
            self._pvk,
            decimalization_table=self._table,
            validation_data=self._validation,
            offset=digits,
        )

    def offset(self, pin: str) -> str:
        """Return the offset of a PIN, filled with F to twelve characters."""
        if len(pin) < self._size:
            raise CommandRefusedError(LENGTH_MISMATCH)
        digits = ibm3624_offset(
            self._pvk,
            decimalization_table=self._table,
            validation_data=self._validation,
            pin=pin[: self._size],
        )
        return digits.ljust(OFFSET_CHARACTERS, "F")


def _validation_data(call: Call) -> str:
    text = call.values.text("validation")
    if text[0] == "P":
        return text[1:]
    if text.count("N") != 1:
        raise CommandRefusedError(SYNTAX)
    return text.replace("N", account_of(call.values)[-_ACCOUNT_DIGITS:])
