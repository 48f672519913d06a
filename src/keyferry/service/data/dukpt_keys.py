"""Working keys of DUKPT: which one a request means, from the API's names."""

from __future__ import annotations

from collections.abc import Mapping

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.dukpt import TDESBDK, AESPurpose, TDESPurpose, WorkingKeyType
from keyferry.keys import KeyAlgorithm
from keyferry.service.data.refusals import refused
from keyferry.service.data.working_keys import opened
from keyferry.service.opened_keys import OpenedKey

_TDES_KSN_DIGITS = (16, 20)  # without or with the leading FFFF
_AES_KSN_DIGITS = 24

REQUEST, RESPONSE, BIDIRECTIONAL = "REQUEST", "RESPONSE", "BIDIRECTIONAL"

# By variant, the purpose of a TDES and of an AES working key; None where there is no such key.
Purposes = Mapping[str | None, tuple[TDESPurpose | None, AESPurpose]]

# The variant is of no matter for PINs: there is one PIN key.
PIN: Purposes = {None: (TDESPurpose.PIN, AESPurpose.PIN_ENCRYPTION)}
MAC: Purposes = {
    REQUEST: (TDESPurpose.MAC_REQUEST, AESPurpose.MAC_GENERATION),
    RESPONSE: (TDESPurpose.MAC_RESPONSE, AESPurpose.MAC_VERIFICATION),
    BIDIRECTIONAL: (None, AESPurpose.MAC_BOTH),
}
DATA: Purposes = {
    None: (TDESPurpose.DATA_REQUEST, AESPurpose.DATA_ENCRYPT),
    REQUEST: (TDESPurpose.DATA_REQUEST, AESPurpose.DATA_ENCRYPT),
    RESPONSE: (TDESPurpose.DATA_RESPONSE, AESPurpose.DATA_DECRYPT),
    BIDIRECTIONAL: (None, AESPurpose.DATA_BOTH),
}


def dukpt_key(
    bdk: OpenedKey,
    purposes: Purposes,
    *,
    ksn: str,
    key_type: str | None,
    variant: str | None = None,
) -> CipherKey:
    """
    Derive the working key of one transaction.

    Args:
        bdk: judged before: TDES_2KEY or AES.
        purposes: what the key is for: PIN, MAC or DATA.
        ksn: hex.
        key_type: API name of the key wanted; None is the BDK's own algorithm.
        variant: of the key, for MACs and data.

    Returns:
        A TDESKey for the TDES types.

    Raises:
        InvalidRequestError: KSN, type or variant do not go with the BDK.
        KeyStrengthError: the key wanted is stronger than the BDK.
    """
    tdes_purpose, aes_purpose = purposes[variant]
    base = bdk.bdk()
    if isinstance(base, TDESBDK):
        if len(ksn) not in _TDES_KSN_DIGITS:
            raise refused("KeySerialNumber", "expected 16 or 20 hex digits for a TDES BDK")
        if key_type not in (None, "TDES_2KEY"):
            raise refused("DukptKeyDerivationType", "expected TDES_2KEY for a TDES BDK")
        if tdes_purpose is None:
            raise refused("DukptKeyVariant", "expected REQUEST or RESPONSE for a TDES BDK")
        return opened(KeyAlgorithm.TDES_2KEY, base.working_key(bytes.fromhex(ksn), tdes_purpose))
    if len(ksn) != _AES_KSN_DIGITS:
        raise refused("KeySerialNumber", "expected 24 hex digits for an AES BDK")
    algorithm = bdk.algorithm if key_type is None else KeyAlgorithm(key_type)
    return opened(
        algorithm,
        base.working_key(bytes.fromhex(ksn), aes_purpose, WorkingKeyType[algorithm.value]),
    )
