"""The key of one card, derived from the issuer's (EMV Book 2, annex A1.4)."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.components import odd_parity
from keyferry.crypto.digits import check_digits, check_pan, decimalize

__all__ = [
    "MasterKeyOption",
    "derive_icc_master_key",
]

_FLIP = (1 << 64) - 1


class MasterKeyOption(StrEnum):
    """How PAN and sequence number become the card's eight bytes (EMV Book 2, A1.4)."""

    A = "A"  # the rightmost 16 digits as they are
    B = "B"  # hashed first, if the PAN has more than 16 digits


def derive_icc_master_key(
    issuer_master_key: CipherKey,
    *,
    pan: str,
    psn: str = "00",
    option: MasterKeyOption = MasterKeyOption.A,
) -> bytes:
    """
    Return the ICC master key of a card.

    Args:
        issuer_master_key: TDES, 16 bytes.
        pan: 12 to 19 digits with the check digit.
        psn: PAN sequence number, two digits; "00" where the card has none.
        option: B falls back to A up to 16 digits, as the standard says; a caller that must refuse
            this asks first.

    Returns:
        16 bytes of odd parity.

    Raises:
        PaymentDataError: `pan` or `psn` does not have its form.

    Source: EMV 4.3 Book 2, A1.4.1 and A1.4.2. Vectors: emv.json.
    """
    check_pan(pan)
    check_digits(psn, field="PAN sequence number", minimum=2, maximum=2)
    account = pan + psn
    if option is MasterKeyOption.B and len(pan) > 16:
        packed = bytes.fromhex(account if len(account) % 2 == 0 else "0" + account)
        account = decimalize(hashlib.sha1(packed, usedforsecurity=False).digest(), 16)
    left = int(account[-16:], 16)  # a shorter number is padded with zeros on the left
    return odd_parity(issuer_master_key.encrypt_ecb(left.to_bytes(8) + (left ^ _FLIP).to_bytes(8)))
