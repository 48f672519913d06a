"""
The key of one transaction, derived from the card's.

Cryptograms take the transaction counter (ATC), scripts the application cryptogram or the ATC; each
scheme has its own formula. Visa CVN 10 and Amex use the ICC master key itself for cryptograms.
"""

from __future__ import annotations

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.components import odd_parity
from keyferry.errors import DataSizeError, PaymentDataError

__all__ = [
    "common_diversifier",
    "derive_common_session_key",
    "derive_emv2000_session_key",
    "derive_unionpay_session_key",
    "derive_visa_script_key",
]

_RIGHT_HALF = 0xF0  # sets the two halves of a level of the EMV2000 tree apart


def common_diversifier(atc: bytes, unpredictable_number: bytes = bytes(4)) -> bytes:
    """
    Return the 8 bytes that make a cryptogram's session key differ: ATC, two zero bytes, number.

    EMV common session keys have no unpredictable number; Mastercard SKD puts it in (4 bytes).
    """
    _check_atc(atc)
    _check_size(unpredictable_number, "unpredictable number", 4)
    return atc + bytes(2) + unpredictable_number


def derive_common_session_key(icc_master_key: bytes, diversifier: bytes) -> bytes:
    """
    Return the EMV common session key, which is also Mastercard's.

    Args:
        icc_master_key: 16 bytes.
        diversifier: 8 bytes: see `common_diversifier`; for scripts the application cryptogram.

    Returns:
        16 bytes of odd parity.

    Raises:
        DataSizeError: an input has another length.

    Source: EMV 4.3 Book 2, A1.3.1. Vectors: emv.json.
    """
    _check_master_key(icc_master_key)
    _check_size(diversifier, "session key diversifier", 8)
    head, tail = diversifier[:2], diversifier[3:]
    halves = head + b"\xf0" + tail + head + b"\x0f" + tail
    return odd_parity(CipherKey(Cipher.TDES, icc_master_key).encrypt_ecb(halves))


def derive_unionpay_session_key(icc_master_key: bytes, atc: bytes) -> bytes:
    """
    Return UnionPay's session key: 16 bytes of odd parity, from 2 bytes of ATC.

    Source: the public PBOC 3.0 rule; that the API's "UnionPay" is this rule is inferred.
    """
    _check_master_key(icc_master_key)
    return odd_parity(CipherKey(Cipher.TDES, icc_master_key).encrypt_ecb(_atc_halves(atc)))


def derive_visa_script_key(icc_master_key: bytes, atc: bytes) -> bytes:
    """
    Return the key of a Visa or Amex script: the ICC master key XORed with the ATC.

    Returns:
        16 bytes of odd parity.

    Source: Visa Integrated Circuit Card Specification, secure messaging, in the form public
    libraries agree on. Vectors: emv.json.
    """
    _check_master_key(icc_master_key)
    return odd_parity(_xor(icc_master_key, _atc_halves(atc)))


def derive_emv2000_session_key(
    icc_master_key: bytes,
    atc: bytes,
    *,
    height: int = 8,
    branch: int = 4,
    iv: bytes = bytes(16),
) -> bytes:
    """
    Return the session key of the EMV2000 tree.

    Args:
        icc_master_key: 16 bytes, the root; parity as it is.
        atc: 2 bytes, which leaf.
        height: levels of the tree; `branch` to this power leaves must cover every ATC.
        branch: children of a node; the standard knows 2 (height 16) and 4 (height 8).
        iv: 16 bytes that stand for the parent of the root.

    Returns:
        16 bytes of odd parity, made odd at the end only: the levels stay as they come out.

    Raises:
        DataSizeError: an input has another length.
        PaymentDataError: the tree has no leaf for every ATC.

    Source: EMV 4.1 Book 2, A1.3.1. Vectors: emv.json.
    """
    _check_master_key(icc_master_key)
    _check_atc(atc)
    _check_size(iv, "EMV2000 IV", 16)
    # The bounds are checked before the power: a caller's height must not become a huge number.
    if not (2 <= branch <= 256 and 1 <= height <= 16) or branch**height < 1 << 16:
        raise PaymentDataError("EMV2000 tree", expected="branch to the power of height >= 65536")
    leaf = int.from_bytes(atc)
    grandparent, parent = iv, icc_master_key
    for level in range(1, height):
        number = leaf // branch ** (height - level)
        grandparent, parent = parent, _child(parent, grandparent, number % branch)
    return odd_parity(_xor(_child(parent, grandparent, leaf % branch), grandparent))


def _child(parent: bytes, grandparent: bytes, number: int) -> bytes:
    """Return child `number` of a node: both halves of its grandparent under the node's key."""
    marks = number.to_bytes(8) + (number ^ _RIGHT_HALF).to_bytes(8)
    return CipherKey(Cipher.TDES, parent).encrypt_ecb(_xor(grandparent, marks))


def _atc_halves(atc: bytes) -> bytes:
    """Return six zero bytes and the ATC, then six zero bytes and its complement."""
    _check_atc(atc)
    return bytes(6) + atc + bytes(6) + _xor(atc, b"\xff\xff")


def _xor(left: bytes, right: bytes) -> bytes:
    return (int.from_bytes(left) ^ int.from_bytes(right)).to_bytes(len(left))


def _check_atc(atc: bytes) -> None:
    _check_size(atc, "ATC", 2)


def _check_master_key(icc_master_key: bytes) -> None:
    _check_size(icc_master_key, "ICC master key", 16)


def _check_size(value: bytes, field: str, size: int) -> None:
    if len(value) != size:
        raise DataSizeError(f"{field} of {len(value)} bytes: expected {size}")
