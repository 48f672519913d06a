"""Keys of cards and of their transactions, as EMV operations name them."""

from __future__ import annotations

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.emv import MasterKeyOption, derive_icc_master_key
from keyferry.service.errors import InvalidRequestError

_OPTIONS = {"EMV_OPTION_A": MasterKeyOption.A, "EMV_OPTION_B": MasterKeyOption.B}
# Up to here option B is option A in the standard; the real service refuses it.
_LONGEST_PAN_OF_A = 16
_PAN_TOO_SHORT = "PAN length is invalid for EMV major key derivation mode EMV_OPTION_B"


def icc_master_key(imk: CipherKey, *, mode: str, pan: str, psn: str) -> bytes:
    """
    Derive the key of a card.

    Args:
        imk: the issuer master key.
        mode: API name of the option.
        pan, psn: of the card.

    Returns:
        16 bytes of odd parity.

    Raises:
        InvalidRequestError: option B with a PAN of up to 16 digits.
    """
    option = _OPTIONS[mode]
    if option is MasterKeyOption.B and len(pan) <= _LONGEST_PAN_OF_A:
        raise InvalidRequestError(
            _PAN_TOO_SHORT, fields=(("primaryAccountNumber", _PAN_TOO_SHORT),)
        )
    return derive_icc_master_key(imk, pan=pan, psn=psn, option=option)
