"""Transaction keys: a BDK of the request, its serial number, and what the key is for."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import AESBDK, TDESBDK, AESPurpose, TDESPurpose, WorkingKeyType
from keyferry.crypto.tdes_key import TDESKey
from keyferry.hsm.payshield.simulator.call import FIRST_KEY, SYNTAX, Call
from keyferry.hsm.payshield.simulator.device_key import DeviceKey
from keyferry.hsm.payshield.simulator.key_roles import KEY_LENGTH, KeyRole, ready
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

COUNTER_DIGITS: Final = 5  # 21 bits, of which the descriptor says nothing

_AES_TYPES: Final = {
    16: WorkingKeyType.AES_128,
    24: WorkingKeyType.AES_192,
    32: WorkingKeyType.AES_256,
}
_AES_PURPOSES: Final = {
    TDESPurpose.PIN: AESPurpose.PIN_ENCRYPTION,
    TDESPurpose.MAC_REQUEST: AESPurpose.MAC_GENERATION,
    TDESPurpose.DATA_REQUEST: AESPurpose.DATA_ENCRYPT,
}


class DeviceBDK:
    """A base derivation key of either algorithm."""

    __slots__ = ("_key", "_size")

    def __init__(self, key: DeviceKey) -> None:
        if key.cipher is Cipher.TDES and len(key.material) != 16:
            raise CommandRefusedError(KEY_LENGTH)
        self._size = len(key.material)
        is_aes = key.cipher is Cipher.AES
        self._key: AESBDK | TDESBDK = AESBDK(key.material) if is_aes else TDESBDK(key.material)

    def working_key(self, ksn: str, descriptor: str, purpose: TDESPurpose) -> CipherKey:
        """
        Return the key of one transaction: AES keys as long as the BDK, DES keys double length.

        Refused with 15 where the descriptor does not fit the serial number.
        """
        serial = bytes.fromhex(ksn)
        if isinstance(self._key, AESBDK):
            material = self._key.working_key(serial, _AES_PURPOSES[purpose], _AES_TYPES[self._size])
            return CipherKey(Cipher.AES, material)
        if sum(int(digit, 16) for digit in descriptor) + COUNTER_DIGITS > len(ksn):
            raise CommandRefusedError(SYNTAX)
        return TDESKey(self._key.working_key(serial, purpose))


def transaction_key(
    call: Call,
    name: str,
    role: KeyRole,
    purpose: TDESPurpose,
    *,
    ksn: str = "ksn",
    descriptor: str = "ksn_descriptor",
    key_type: str | None = None,
    parity_code: str = FIRST_KEY,
) -> CipherKey:
    """Return the key of the transaction a request speaks of; refused as `open_role` refuses."""
    base = ready(call, name, role, DeviceBDK, DeviceBDK, key_type=key_type, parity_code=parity_code)
    return base.working_key(call.values.text(ksn), call.values.text(descriptor), purpose)
