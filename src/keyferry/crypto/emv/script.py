"""Issuer scripts: the MAC that protects them, and the PIN change they carry (EMV Book 2, 9)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.digits import check_pin
from keyferry.crypto.mac import retail_mac
from keyferry.crypto.padding import Padding, pad
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import DataSizeError, UnsupportedAlgorithmError

__all__ = [
    "EMV2000_FRAMING",
    "MASTERCARD_FRAMING",
    "VISA_FRAMING",
    "PINChange",
    "ScriptFraming",
    "ScriptMode",
    "encrypt_script_data",
    "make_pin_change",
    "script_mac",
    "visa_pin_block",
]


class ScriptMode(StrEnum):
    """How script data is enciphered; the IV of CBC is zero."""

    ECB = "ECB"
    CBC = "CBC"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptFraming:
    """What stands around a PIN block before it is enciphered for the card."""

    has_length: bool = False  # a byte with the length of the block in front of it
    padding: Padding = Padding.NONE  # NONE or METHOD_2
    mode: ScriptMode = ScriptMode.CBC


VISA_FRAMING = ScriptFraming(has_length=True, padding=Padding.METHOD_2, mode=ScriptMode.ECB)
MASTERCARD_FRAMING = ScriptFraming()
EMV2000_FRAMING = ScriptFraming(padding=Padding.METHOD_2)  # our choice: nothing public says it


@dataclass(frozen=True, slots=True, kw_only=True)
class PINChange:
    """What goes into a PIN change script: nothing of it is clear."""

    encrypted_pin_block: bytes  # 8 or 16 bytes, under the card's confidentiality key
    mac: bytes  # 8 bytes, under the card's integrity key


def script_mac(session_key: TDESKey, data: bytes) -> bytes:
    """
    Return the 8 bytes of a script's MAC; method 2 pads `data`, whether it is aligned or not.

    Args:
        session_key: for integrity.
        data: command header and what else the scheme puts under the MAC.

    Source: EMV 4.3 Book 2, 9.2.3. Vectors: emv.json.
    """
    return retail_mac(session_key, data, padding=Padding.METHOD_2)


def visa_pin_block(icc_master_key: bytes, pin: str, *, current_pin: str | None = None) -> bytes:
    """
    Return the clear PIN block of a Visa PIN change: 8 bytes.

    Args:
        icc_master_key: for cryptograms, 16 bytes of odd parity: four of its bytes, parity bits and
            all, enter the block.
        pin: the new PIN, 4 to 12 digits.
        current_pin: the PIN on the card, if the change is to depend on it.

    Raises:
        PaymentDataError: a PIN does not have its form.
        DataSizeError: the key has another length.

    Source: Visa Integrated Circuit Card Specification, PIN CHANGE/UNBLOCK, in the form public
    libraries agree on. Vectors: emv.json, op pin_change.
    """
    check_pin(pin)
    if len(icc_master_key) != 16:
        raise DataSizeError(f"ICC master key of {len(icc_master_key)} bytes: expected 16")
    block = int(f"0{len(pin):X}{pin}".ljust(16, "F"), 16) ^ int.from_bytes(icc_master_key[4:8])
    if current_pin is not None:
        check_pin(current_pin)
        block ^= int(current_pin.ljust(16, "0"), 16)
    return block.to_bytes(8)


def encrypt_script_data(session_key: CipherKey, block: bytes, framing: ScriptFraming) -> bytes:
    """
    Return a PIN block framed and enciphered for the card.

    Args:
        session_key: TDES, for confidentiality.
        block: the clear PIN block: ISO format 2, or `visa_pin_block`.
        framing: of the scheme, or as the caller chooses it.

    Raises:
        DataSizeError: what the framing makes is not whole blocks (a length without padding).
        UnsupportedAlgorithmError: the framing pads by a method scripts do not know.
    """
    if framing.padding not in (Padding.NONE, Padding.METHOD_2):
        raise UnsupportedAlgorithmError("script padding: expected none or method 2")
    framed = bytes([len(block)]) + block if framing.has_length else block
    framed = pad(framed, framing.padding, block_size=8)
    if framing.mode is ScriptMode.ECB:
        return session_key.encrypt_ecb(framed)
    return session_key.encrypt_cbc(framed, bytes(8))


def make_pin_change(
    *,
    confidentiality_key: CipherKey,
    integrity_key: TDESKey,
    pin_block: bytes,
    framing: ScriptFraming,
    header: bytes,
) -> PINChange:
    """
    Return the two secured parts of a PIN change script.

    Args:
        confidentiality_key, integrity_key: the two session keys.
        pin_block: clear, 8 bytes.
        framing: how the block is enciphered.
        header: the command header and what else the scheme puts before the block under the MAC.

    Raises:
        As `encrypt_script_data`.
    """
    encrypted = encrypt_script_data(confidentiality_key, pin_block, framing)
    return PINChange(
        encrypted_pin_block=encrypted, mac=script_mac(integrity_key, header + encrypted)
    )
