"""M6 M8 MY C2 C4 GW: message authentication codes."""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import TDESPurpose
from keyferry.crypto.mac import cbc_mac, retail_mac
from keyferry.crypto.padding import Padding, pad
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import DataSizeError
from keyferry.hsm.payshield.commands.macs import (
    FIRST,
    GW_RIGHT,
    GW_VERIFIES,
    GW_WHOLE,
    LAST,
    MIDDLE,
    ONLY,
)
from keyferry.hsm.payshield.simulator.call import FIRST_KEY, SECOND_KEY, Call, Result, handles
from keyferry.hsm.payshield.simulator.device_key import DeviceKey
from keyferry.hsm.payshield.simulator.dukpt_keys import transaction_key
from keyferry.hsm.payshield.simulator.key_roles import (
    ALGORITHM,
    GENERATE,
    KEY_LENGTH,
    MAC,
    VERIFY,
    KeyRole,
    bdk,
    ready,
)
from keyferry.hsm.payshield.simulator.message_data import message_bytes
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

MISMATCH: Final = "01"
MESSAGE_LENGTH: Final = "06"
UNSUITED: Final = "05"
CBC, RETAIL, AES_CBC, CMAC = "1", "3", "5", "6"

_HALF: Final = 8  # characters
_LEGACY_TYPES: Final = {"0": "003", "1": "008"}
_SINGLE_METHODS: Final = ("0", "2")  # X9.9 and the AS 2805 form with one key


def mac_key(key: DeviceKey) -> CipherKey:
    """Open a MAC key: as a double key where it has two halves, so that every method finds its."""
    if key.cipher is Cipher.TDES and len(key.material) > 8:
        return TDESKey(key.material)
    return CipherKey(key.cipher, key.material)


def _key(call: Call, modes: str, prefix: str = "", parity_code: str = FIRST_KEY) -> CipherKey:
    return ready(
        call,
        f"{prefix}key",
        MAC.for_(modes),
        mac_key,
        CipherKey,
        key_type=call.values.text(f"{prefix}key_type").upper(),
        parity_code=parity_code,
    )


def _whole_mac(key: CipherKey, algorithm: str, padding: Padding, data: bytes) -> bytes:
    """Return one block of MAC over a whole message."""
    if algorithm == CMAC:
        return key.cmac(data)
    _check_algorithm(key, algorithm)
    try:
        if isinstance(key, TDESKey) and algorithm == RETAIL:
            return retail_mac(key, data, padding=padding)
        return cbc_mac(key, data, padding=padding)
    except DataSizeError as error:
        raise CommandRefusedError(MESSAGE_LENGTH) from error


def _check_algorithm(key: CipherKey, algorithm: str) -> None:
    is_aes = key.cipher is Cipher.AES
    if is_aes is not (algorithm == AES_CBC):
        raise CommandRefusedError(UNSUITED)
    if algorithm == RETAIL and not isinstance(key, TDESKey):
        raise CommandRefusedError(KEY_LENGTH)


def _chained(call: Call, key: CipherKey, data: bytes, algorithm: str, padding: Padding) -> bytes:
    """Return the next vector of a message in parts, or at its last part the MAC."""
    if algorithm == CMAC:
        raise CommandRefusedError(UNSUITED)  # its parts would need a state of their own
    _check_algorithm(key, algorithm)
    size, mode = key.block_size, call.values.text("mode")
    start = bytes.fromhex(call.values.text("iv")) if mode in (MIDDLE, LAST) else bytes(size)
    if mode == LAST:
        # Method 3 begins with the length of the whole message, which its last part cannot know.
        if padding is Padding.METHOD_3:
            raise CommandRefusedError("09")
        data = pad(data, padding, block_size=size)
    if not data or len(data) % size:
        raise CommandRefusedError(MESSAGE_LENGTH)
    if algorithm != RETAIL or not isinstance(key, TDESKey):
        return key.encrypt_cbc(data, start)[-size:]
    if mode != LAST:
        return key.first.encrypt_cbc(data, start)[-size:]
    before = key.first.encrypt_cbc(data[:-size], start)[-size:] if len(data) > size else start
    last = int.from_bytes(before, "big") ^ int.from_bytes(data[-size:], "big")
    return key.encrypt_ecb(last.to_bytes(size, "big"))


def _mac(call: Call, key: CipherKey, prefix: str = "") -> bytes:
    values = call.values
    data = message_bytes(values)
    algorithm, padding = values.text(f"{prefix}algorithm"), Padding(values.text(f"{prefix}padding"))
    if values.text("mode") == ONLY:
        return _whole_mac(key, algorithm, padding, data)
    return _chained(call, key, data, algorithm, padding)


def _characters(call: Call, prefix: str = "") -> int:
    return _HALF if call.values.text(f"{prefix}size") == "0" else 2 * _HALF


def same_mac(mac: bytes, shown: str) -> bool:
    """Whether a MAC in hexadecimal is the left part of the computed one; in constant time."""
    return compare_digest(mac[: len(shown) // 2], bytes.fromhex(shown))


@handles("M6")
def generate_mac(call: Call) -> Result:
    """Return a MAC, or the vector for the next part of a message."""
    text = _mac(call, _key(call, GENERATE)).hex().upper()
    part = call.values.text("mode") in (FIRST, MIDDLE)
    return {"new_mac": text if part else text[: _characters(call)]}


@handles("M8")
def verify_mac(call: Call) -> Result:
    """Answer 01 unless a MAC is right; a part that is not the last gives the next vector."""
    mac = _mac(call, _key(call, VERIFY))
    if call.values.text("mode") in (FIRST, MIDDLE):
        return {"next_iv": mac.hex().upper()}
    if not same_mac(mac, call.values.text("mac")):
        raise CommandRefusedError(MISMATCH)
    return {}


@handles("MY")
def verify_and_generate(call: Call) -> Result:
    """Verify one MAC and return another over the same message."""
    verifying = _key(call, VERIFY, "in_")
    generating = _key(call, GENERATE, "out_", SECOND_KEY)
    if not same_mac(_mac(call, verifying, "in_"), call.values.text("mac")):
        raise CommandRefusedError(MISMATCH)
    return {"new_mac": _mac(call, generating, "out_").hex().upper()[: _characters(call, "out_")]}


@handles("C2", "C4")
def legacy_mac(call: Call) -> Result:
    """Return or verify the left half of an X9.9, X9.19 or AS 2805 MAC, zeros as padding."""
    values = call.values
    verifies = call.command.code == "C4"
    key_type = _LEGACY_TYPES[values.text("key_flag")] if call.is_variant else None
    role = MAC.for_(VERIFY if verifies else GENERATE)
    key = ready(call, "key", role, mac_key, CipherKey, key_type=key_type)
    if key.cipher is Cipher.AES:
        raise CommandRefusedError(ALGORITHM)
    is_single = values.text("method") in _SINGLE_METHODS
    if is_single is isinstance(key, TDESKey):
        raise CommandRefusedError(KEY_LENGTH)
    algorithm = CBC if is_single else RETAIL
    data = message_bytes(values)
    if values.text("mode") == ONLY:
        mac = _whole_mac(key, algorithm, Padding.METHOD_1, data)
    else:
        mac = _chained(call, key, data, algorithm, Padding.METHOD_1)
    if not verifies:
        text = mac.hex().upper()
        # A part that is not the last gives the whole vector for the next.
        return {"new_mac": text if values.text("mode") in (FIRST, MIDDLE) else text[:_HALF]}
    if not same_mac(mac, values.text("mac")):
        raise CommandRefusedError(MISMATCH)
    return {}


def dukpt_mac(call: Call, role: KeyRole, data: bytes) -> bytes:
    """Return the MAC of a transaction: X9.19 for DES keys, CMAC for AES keys."""
    key = transaction_key(call, "bdk", role, TDESPurpose.MAC_REQUEST)
    if isinstance(key, TDESKey):
        return retail_mac(key, data)
    return key.cmac(data)


def _gw_role(mode: str) -> KeyRole:
    return bdk("009" if mode.isdecimal() else "609" if mode <= "F" else "809")


@handles("GW")
def transaction_mac(call: Call) -> Result:
    """Generate or verify the MAC of a transaction."""
    mode = call.values.text("mode")
    mac = dukpt_mac(call, _gw_role(mode), call.values.raw("message"))
    part = mac[4:8] if mode in GW_RIGHT else mac[: 8 if mode in GW_WHOLE else 4]
    if mode not in GW_VERIFIES:
        return {"new_mac": part.hex().upper()}
    if not same_mac(part, call.values.text("mac")):
        raise CommandRefusedError(MISMATCH)
    return {}
