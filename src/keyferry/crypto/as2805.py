"""
AS2805 key exchange between two nodes: working keys, KEK validation, the session PIN key.

A key of AS2805 travels as a bare cryptogram: TDES-CBC with a zero IV under a variant of the KEK.
Nothing authenticates it, which is why the nodes validate their KEKs first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Self

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.components import odd_parity
from keyferry.errors import DataSizeError, KeySizeError

__all__ = [
    "KEKVariant",
    "ValidationMask",
    "decrypt_working_key",
    "encrypt_working_key",
    "kek_validation_request",
    "kek_validation_response",
    "session_pin_key",
]

_ZERO_IV: Final = bytes(8)


class KEKVariant(StrEnum):
    """Which variant of the KEK a working key travels under, by the API's names."""

    mask: bytes  # 2 bytes, repeated over the whole KEK

    TERMINAL_MAJOR_KEY_VARIANT_00 = "TERMINAL_MAJOR_KEY_VARIANT_00", "0000"
    PIN_ENCRYPTION_KEY_VARIANT_28 = "PIN_ENCRYPTION_KEY_VARIANT_28", "28C0"
    MESSAGE_AUTHENTICATION_KEY_VARIANT_24 = "MESSAGE_AUTHENTICATION_KEY_VARIANT_24", "24C0"
    DATA_ENCRYPTION_KEY_VARIANT_22 = "DATA_ENCRYPTION_KEY_VARIANT_22", "22C0"

    def __new__(cls, name: str, mask: str) -> Self:
        """Hang the mask on the name. That of variant 00, nothing, is inferred: no sample has it."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.mask = bytes.fromhex(mask)
        return member


class ValidationMask(StrEnum):
    """The masks of KEK validation, by the API's names."""

    send: bytes
    receive: bytes

    VARIANT_MASK_82 = "VARIANT_MASK_82", "82", "84"
    VARIANT_MASK_82C0 = "VARIANT_MASK_82C0", "82C0", "84C0"

    def __new__(cls, name: str, send: str, receive: str) -> Self:
        """Hang both masks on the name. The answer's mask for 82C0 is inferred."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.send = bytes.fromhex(send)
        member.receive = bytes.fromhex(receive)
        return member


def encrypt_working_key(kek: bytes, variant: KEKVariant, key: bytes) -> bytes:
    """
    Encrypt a working key under a variant of the KEK.

    Args:
        kek: 16 or 24 bytes, clear.
        variant: what the working key is for.
        key: 16 or 24 bytes, clear.

    Returns:
        As many bytes as `key` has.

    Raises:
        KeySizeError: either key has another length.

    Vectors: as2805.json.
    """
    _check_key("working key", key)
    return _masked(kek, variant.mask).encrypt_cbc(key, _ZERO_IV)


def decrypt_working_key(kek: bytes, variant: KEKVariant, cryptogram: bytes) -> bytes:
    """
    Decrypt a working key; the inverse of `encrypt_working_key`.

    Any cryptogram of the right length decrypts to something: compare the check value.
    """
    _check_key("working key cryptogram", cryptogram)
    return _masked(kek, variant.mask).decrypt_cbc(cryptogram, _ZERO_IV)


def kek_validation_request(
    kek: bytes,
    *,
    random_key_bytes: int = 16,
    mask: ValidationMask = ValidationMask.VARIANT_MASK_82,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> tuple[bytes, bytes]:
    """
    Begin a KEK validation.

    Args:
        kek: 16 or 24 bytes, clear.
        random_key_bytes: 8, 16 or 24.
        mask: which pair of masks.
        random_bytes: where the random key comes from; it is given odd parity.

    Returns:
        What to send, and the answer to expect if the partner holds the same KEK.

    Raises:
        KeySizeError: a length is none of those.
    """
    if random_key_bytes not in (8, 16, 24):
        raise KeySizeError(f"random key of {random_key_bytes} bytes: expected 8, 16 or 24")
    random_key = odd_parity(random_bytes(random_key_bytes))
    if len(random_key) != random_key_bytes:
        raise DataSizeError(f"random key of {len(random_key)} bytes: expected {random_key_bytes}")
    send = _masked(kek, mask.send).encrypt_cbc(random_key, _ZERO_IV)
    return send, _answer(kek, random_key, mask)


def kek_validation_response(
    kek: bytes, random_key_send: bytes, *, mask: ValidationMask = ValidationMask.VARIANT_MASK_82
) -> bytes:
    """
    Answer a KEK validation: complement the random key, give it odd parity, send it back.

    Args:
        kek: 16 or 24 bytes, clear; the partner's sending KEK is our receiving one.
        random_key_send: 8, 16 or 24 bytes, as received.
        mask: which pair of masks.

    Raises:
        KeySizeError: a length is none of those.

    Vectors: as2805.json.
    """
    if len(random_key_send) not in (8, 16, 24):
        raise KeySizeError(f"random key of {len(random_key_send)} bytes: expected 8, 16 or 24")
    random_key = _masked(kek, mask.send).decrypt_cbc(random_key_send, _ZERO_IV)
    return _answer(kek, random_key, mask)


def session_pin_key(kpp: bytes, stan: str, amount: str) -> bytes:
    """
    Derive the PIN encryption key of one transaction (KPE) from the PIN protect key (KPP).

    Args:
        kpp: 16 bytes, clear.
        stan: system trace audit number, 6 digits.
        amount: transaction amount, 12 digits.

    Returns:
        16 bytes, without parity adjustment.

    Raises:
        KeySizeError: the KPP has another length.
        DataSizeError: stan or amount are not that many digits.

    Source: AS 2805.6, as the AWS samples compute it. Vectors: as2805.json.
    """
    if len(kpp) != 16:
        raise KeySizeError(f"KPP of {len(kpp)} bytes: expected 16")
    for name, value, size in (("STAN", stan, 6), ("transaction amount", amount, 12)):
        if not (len(value) == size and value.isascii() and value.isdigit()):
            raise DataSizeError(f"{name}: expected {size} digits")
    data = bytes.fromhex(stan.ljust(16, "0") + amount.rjust(16, "0"))
    key = CipherKey(Cipher.TDES, kpp)
    iv = key.encrypt_cbc(data, _ZERO_IV)[-8:]
    return _xor(key.encrypt_cbc(data, iv), data)


def _answer(kek: bytes, random_key: bytes, mask: ValidationMask) -> bytes:
    complement = _xor(random_key, b"\xff" * len(random_key))
    # The complement of eight bits of odd parity has odd parity already; a partner whose random key
    # had none still gets an answer that both sides compute alike.
    return _masked(kek, mask.receive).encrypt_cbc(odd_parity(complement), _ZERO_IV)


def _masked(kek: bytes, mask: bytes) -> CipherKey:
    _check_key("KEK", kek)
    return CipherKey(Cipher.TDES, _xor(kek, mask * (len(kek) // len(mask))))


def _check_key(name: str, key: bytes) -> None:
    if len(key) not in (16, 24):
        raise KeySizeError(f"{name} of {len(key)} bytes: expected 16 or 24")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))
