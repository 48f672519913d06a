"""Application cryptograms of a card, and the issuer's answer to them (EMV Book 2, 8.1 and 8.2)."""

from __future__ import annotations

from hmac import compare_digest

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.mac import retail_mac
from keyferry.crypto.padding import Padding
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import CryptogramVerificationError, DataSizeError

__all__ = [
    "arpc_method1",
    "arpc_method2",
    "generate_arqc",
    "verify_arqc",
]


def generate_arqc(session_key: TDESKey, data: bytes, *, padding: Padding = Padding.NONE) -> bytes:
    """
    Return the 8 bytes of an application cryptogram (ARQC, TC or AAC: the key and data decide).

    Args:
        session_key: of the transaction; for Visa CVN 10 and Amex the ICC master key.
        data: the transaction data the scheme lists, in its order.
        padding: NONE if `data` is padded as the scheme wants it: METHOD_1 for CVN 10,
            METHOD_2 for CVN 18 and EMV common.

    Raises:
        DataSizeError: `data` is not whole blocks, and nothing pads it.

    Source: EMV 4.3 Book 2, 8.1.2. Vectors: emv.json.
    """
    return retail_mac(session_key, data, padding=padding)


def verify_arqc(
    session_key: TDESKey, arqc: bytes, data: bytes, *, padding: Padding = Padding.NONE
) -> None:
    """Raise CryptogramVerificationError unless `arqc` is the cryptogram of `data`."""
    expected = generate_arqc(session_key, data, padding=padding)
    if not compare_digest(expected, arqc):
        raise CryptogramVerificationError("application cryptogram does not verify")


def arpc_method1(key: CipherKey, *, arqc: bytes, arc: bytes) -> bytes:
    """
    Return the 8 bytes of an authorisation response cryptogram over the response code.

    Args:
        key: the session key; the ICC master key for Visa CVN 10 and Amex, and by common practice
            for Mastercard SKD.
        arqc: 8 bytes, verified before.
        arc: authorisation response code, 2 bytes: its two characters.

    Raises:
        DataSizeError: an input has another length.

    Source: EMV 4.3 Book 2, 8.2.1. Vectors: emv.json.
    """
    _check_size(arqc, "ARQC", 8)
    _check_size(arc, "authorisation response code", 2)
    return key.encrypt_ecb((int.from_bytes(arqc) ^ int.from_bytes(arc) << 48).to_bytes(8))


def arpc_method2(key: TDESKey, *, arqc: bytes, csu: bytes, proprietary_data: bytes = b"") -> bytes:
    """
    Return the 4 bytes of an authorisation response cryptogram over the card status update.

    Args:
        key: as for `arpc_method1`.
        arqc: 8 bytes, verified before.
        csu: card status update, 4 bytes.
        proprietary_data: at most 8 bytes.

    Raises:
        DataSizeError: an input has another length.

    Source: EMV 4.3 Book 2, 8.2.2. Vectors: emv.json.
    """
    _check_size(arqc, "ARQC", 8)
    _check_size(csu, "card status update", 4)
    if len(proprietary_data) > 8:
        raise DataSizeError(
            f"proprietary authentication data of {len(proprietary_data)} bytes: expected 0 to 8"
        )
    return retail_mac(key, arqc + csu + proprietary_data, padding=Padding.METHOD_2)[:4]


def _check_size(value: bytes, field: str, size: int) -> None:
    if len(value) != size:
        raise DataSizeError(f"{field} of {len(value)} bytes: expected {size}")
