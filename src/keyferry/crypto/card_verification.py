"""
Card verification values: CVV and its family, dynamic ones, Amex CSC.

CVV, CVC, CVV2, iCVV, dCVV and the CAVV built on them are one algorithm with other inputs. What is
not public (`amex_csc`, `cardholder_value`) says so; docs/unverified.md lists it.
"""

from __future__ import annotations

from enum import StrEnum
from hmac import compare_digest

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.digits import check_digits, check_pan, decimalize
from keyferry.crypto.mac import retail_mac
from keyferry.crypto.padding import Padding
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import CardDataVerificationError, DataSizeError, PaymentDataError

__all__ = [
    "CVV2_SERVICE_CODE",
    "ICVV_SERVICE_CODE",
    "CSCVersion",
    "amex_csc",
    "atc_digits",
    "cardholder_value",
    "check_card_value",
    "cvc3",
    "cvc3_from_iv",
    "cvv",
    "dcvv",
    "verify_cvv",
]

CVV2_SERVICE_CODE = "000"  # printed on the card
ICVV_SERVICE_CODE = "999"  # in the track image of a chip


class CSCVersion(StrEnum):
    """Which Amex card security code: the second takes the service code in."""

    V1 = "1"
    V2 = "2"


def cvv(cvk: TDESKey, *, pan: str, expiry: str, service_code: str, size: int = 3) -> str:
    """
    Return the card verification value.

    Args:
        cvk: the card verification key.
        pan: 12 to 19 digits with the check digit.
        expiry: four digits in the order of the scheme, taken as they are. For a CAVV the
            authentication tracking number stands here.
        service_code: three digits: from the track, "000" for CVV2, "999" for iCVV; for a CAVV
            the codes of the authentication result and of the second factor.
        size: digits wanted, 1 to 16; cards carry 3.

    Raises:
        PaymentDataError: an input does not have its form.

    Source: Visa CVV as in the public Payment Technology Standards Manual. Vectors: cvv.json.
    """
    check_pan(pan)
    _check_expiry_and_service_code(expiry, service_code)
    _check_size(size, 16)
    return decimalize(_cvv_block(cvk, pan + expiry + service_code), size)


def verify_cvv(cvk: TDESKey, value: str, *, pan: str, expiry: str, service_code: str) -> None:
    """Raise CardDataVerificationError unless `value` (as many digits as it has) is the CVV."""
    _check_value(value, 16)
    expected = cvv(cvk, pan=pan, expiry=expiry, service_code=service_code, size=len(value))
    check_card_value(expected, value)


def dcvv(
    icc_master_key: TDESKey,
    *,
    pan: str,
    expiry: str,
    service_code: str,
    atc: str,
    size: int = 3,
) -> str:
    """
    Return the dynamic CVV of a contactless magnetic-stripe transaction.

    Args:
        icc_master_key: of the card, see `emv.derive_icc_master_key`.
        pan, expiry, service_code, size: as for `cvv`.
        atc: the four decimal digits that take the place of the first four of the PAN; see
            `atc_digits`.

    Source: Visa dCVV, in the form public libraries agree on. Vectors: cvv.json.
    """
    check_pan(pan)
    check_digits(atc, field="ATC", minimum=4, maximum=4)
    return cvv(
        icc_master_key, pan=atc + pan[4:], expiry=expiry, service_code=service_code, size=size
    )


def atc_digits(atc: bytes) -> str:
    """Return the last four decimal digits of a two-byte transaction counter."""
    _check_bytes(atc, "ATC", 2)
    return f"{int.from_bytes(atc) % 10_000:04d}"


def cvc3(
    icc_master_key: TDESKey,
    *,
    track: bytes,
    unpredictable_number: bytes,
    atc: bytes,
    size: int = 5,
) -> str:
    """
    Return the dynamic CVC3 of a contactless magnetic-stripe transaction.

    Args:
        icc_master_key: of the card, for dynamic numbers.
        track: the static image of track 1 or 2, as bytes; method 2 pads it.
        unpredictable_number: 4 bytes from the terminal.
        atc: 2 bytes.
        size: rightmost digits wanted, 1 to 5.

    Source: Mastercard contactless magstripe, in the form public libraries agree on.
    Vectors: emv.json, op cvc3.
    """
    iv = retail_mac(icc_master_key, track, padding=Padding.METHOD_2)[-2:]
    return cvc3_from_iv(
        icc_master_key, iv=iv, unpredictable_number=unpredictable_number, atc=atc, size=size
    )


def cvc3_from_iv(
    icc_master_key: CipherKey,
    *,
    iv: bytes,
    unpredictable_number: bytes,
    atc: bytes,
    size: int = 5,
) -> str:
    """Return the CVC3 where the card holds IVCVC3 (2 bytes) instead of the track image."""
    _check_bytes(iv, "IVCVC3", 2)
    _check_bytes(unpredictable_number, "unpredictable number", 4)
    _check_bytes(atc, "ATC", 2)
    _check_size(size, 5)
    block = icc_master_key.encrypt_ecb(iv + unpredictable_number + atc)
    return f"{int.from_bytes(block[-2:]):05d}"[-size:]


def amex_csc(
    csck: TDESKey,
    *,
    pan: str,
    expiry: str,
    version: CSCVersion = CSCVersion.V1,
    service_code: str = "",
    size: int = 3,
) -> str:
    """
    Return the Amex card security code of 5, 4 or 3 digits.

    The rule is not public. Ours keeps its known shape (three codes from one block, expiry before
    the PAN, the service code in version 2) and is not byte-compatible with the issuer's.

    Args:
        csck: the card security code key, 16 or 24 bytes.
        pan, expiry: as for `cvv`.
        version: V2 needs `service_code` (three digits), V1 takes none.
        size: 5, 4 or 3: which of the three codes.

    Raises:
        PaymentDataError: an input does not have its form.
    """
    check_pan(pan)
    if version is CSCVersion.V2:
        _check_expiry_and_service_code(expiry, service_code)
    elif service_code:
        raise PaymentDataError("service code", expected="none in version 1 of the CSC")
    check_digits(expiry, field="expiry date", minimum=4, maximum=4)
    places = {5: slice(0, 5), 4: slice(5, 9), 3: slice(9, 12)}
    if size not in places:
        raise PaymentDataError("CSC length", expected="3, 4 or 5")
    return decimalize(_cvv_block(csck, expiry + pan + service_code), 16)[places[size]]


def cardholder_value(
    icc_master_key: CipherKey, *, unpredictable_number: bytes, atc: bytes, size: int = 5
) -> str:
    """
    Return the cardholder verification value over 4 bytes of unpredictable number and 2 of ATC.

    The rule is not public; ours is not byte-compatible with the service's.
    """
    _check_bytes(unpredictable_number, "unpredictable number", 4)
    _check_bytes(atc, "ATC", 2)
    _check_size(size, 16)
    return decimalize(icc_master_key.encrypt_ecb(unpredictable_number + atc + bytes(2)), size)


def check_card_value(expected: str, value: str) -> None:
    """Raise CardDataVerificationError unless the two values are the same; in constant time."""
    # Bytes, because compare_digest refuses text beyond ASCII with an error of its own.
    if not compare_digest(expected.encode(), value.encode()):
        raise CardDataVerificationError("card verification value does not verify")


def _cvv_block(key: TDESKey, data: str) -> bytes:
    """Encipher up to 32 digits as CVV does: K1 on the left half, the whole key on the rest."""
    block = bytes.fromhex(data.ljust(32, "0"))
    left = int.from_bytes(key.first.encrypt_ecb(block[:8])) ^ int.from_bytes(block[8:])
    return key.encrypt_ecb(left.to_bytes(8))


def _check_expiry_and_service_code(expiry: str, service_code: str) -> None:
    check_digits(expiry, field="expiry date", minimum=4, maximum=4)
    check_digits(service_code, field="service code", minimum=3, maximum=3)


def _check_value(value: str, maximum: int) -> None:
    check_digits(value, field="card verification value", minimum=3, maximum=maximum)


def _check_size(size: int, maximum: int) -> None:
    if not 1 <= size <= maximum:
        raise PaymentDataError("card verification value length", expected=f"1 to {maximum}")


def _check_bytes(value: bytes, field: str, size: int) -> None:
    if len(value) != size:
        raise DataSizeError(f"{field} of {len(value)} bytes: expected {size}")
