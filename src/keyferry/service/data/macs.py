"""GenerateMac, VerifyMac: ISO 9797-1, CMAC, HMAC, AS2805, EMV scripts, DUKPT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keyferry.crypto.ciphers import CipherKey
from keyferry.crypto.emv import (
    derive_common_session_key,
    derive_emv2000_session_key,
    derive_unionpay_session_key,
    derive_visa_script_key,
    script_mac,
)
from keyferry.crypto.mac import cbc_mac, cmac, retail_mac, verify_mac
from keyferry.crypto.padding import Padding
from keyferry.crypto.tdes_key import TDESKey
from keyferry.service.data import dukpt_keys
from keyferry.service.data.context import DataContext
from keyferry.service.data.dukpt_keys import dukpt_key
from keyferry.service.data.eligibility import Role
from keyferry.service.data.emv_keys import icc_master_key
from keyferry.service.data.refusals import refused
from keyferry.service.errors import InvalidRequestError
from keyferry.service.opened_keys import OpenedKey
from keyferry.service.operation import DATA
from keyferry.service.wire import data_types as t

# Bytes of a MAC over whole blocks of TDES, and what is left of it unless more is asked for.
_TDES_MAC, _HALF = 8, 4
_SHORTEST = 4
# The longest MacLength of the API; a longer MAC comes whole or not at all.
_LONGEST_CUT = 32
_DUKPT_LEAST_BYTES = 8
# For HMAC with a key from before there were HMAC algorithms.
_LEGACY_HASH = "SHA256"
_DIGEST_BYTES = {"SHA224": 28, "SHA256": 32, "SHA384": 48, "SHA512": 64}

_AC, _ATC = "application_cryptogram", "application_transaction_counter"
# By mode: which value it takes, and the session key it makes of master key and value.
_SCRIPT_KEYS: dict[str, tuple[str, Callable[[bytes, bytes], bytes]]] = {
    "EMV_COMMON_SESSION_KEY": (_AC, derive_common_session_key),
    "MASTERCARD_SESSION_KEY": (_AC, derive_common_session_key),
    "EMV2000": (_ATC, derive_emv2000_session_key),
    "VISA": (_ATC, derive_visa_script_key),
    "AMEX": (_ATC, derive_visa_script_key),
    "UNION_PAY": (_ATC, derive_unionpay_session_key),
}


@dataclass(slots=True)
class MAC:
    """A MAC ready to be computed: its key is judged, its parameters are checked."""

    compute: Callable[[bytes], bytes]  # the whole MAC
    size: int  # bytes of the whole MAC
    default: int  # bytes of a generated MAC if the caller does not say
    halves: bool = False  # whether a half is verified too, if the caller does not say

    def check_length(self, length: int | None) -> None:
        """Refuse a MacLength the algorithm does not have."""
        longest = min(self.size, _LONGEST_CUT)
        if length is not None and not _SHORTEST <= length <= longest:
            raise refused("MacLength", f"expected {_SHORTEST} to {longest} for this algorithm")

    def check_size(self, size: int, length: int | None) -> None:
        """Refuse a MAC to verify of `size` bytes, where `length` is the caller's MacLength."""
        if length is not None:
            allowed = [length]
        else:
            allowed = [_HALF, self.size] if self.halves else [self.size]
        if size not in allowed:
            digits = " or ".join(str(2 * one) for one in allowed)
            raise refused("Mac", f"expected {digits} hex digits")


@DATA.operation("GenerateMac", read_only=True)
async def generate_mac(context: DataContext, request: t.GenerateMacInput) -> t.GenerateMacOutput:
    """Compute a MAC; its leftmost MacLength bytes."""
    key = context.find(request.key_identifier)
    mac = _prepare(context, key, request.generation_attributes, verifies=False)
    mac.check_length(request.mac_length)
    value = mac.compute(bytes.fromhex(request.message_data))
    return t.GenerateMacOutput(
        key_arn=key.arn,
        key_check_value=key.check_value,
        mac=value[: request.mac_length or mac.default].hex().upper(),
    )


@DATA.operation("VerifyMac", read_only=True)
async def verify(context: DataContext, request: t.VerifyMacInput) -> t.VerifyMacOutput:
    """
    Compute the MAC and compare it with what arrived.

    Raises:
        MACVerificationError: it is another one.
    """
    key = context.find(request.key_identifier)
    mac = _prepare(context, key, request.verification_attributes, verifies=True)
    mac.check_length(request.mac_length)
    value = bytes.fromhex(request.mac)
    mac.check_size(len(value), request.mac_length)
    verify_mac(mac.compute(bytes.fromhex(request.message_data)), value)
    return t.VerifyMacOutput(key_arn=key.arn, key_check_value=key.check_value)


def _prepare(
    context: DataContext, key: OpenedKey, attributes: t.MacAttributes, *, verifies: bool
) -> MAC:
    if attributes.algorithm is not None:
        return _static(context, key, attributes.algorithm, verifies=verifies)
    if attributes.emv_mac is not None:
        return _script(context, key, attributes.emv_mac)
    if attributes.dukpt_cmac is not None:
        working = _dukpt(context, key, attributes.dukpt_cmac)
        size = working.block_size
        return MAC(lambda data: cmac(working, _dukpt_data(data)), size, size)
    if (algorithm1 := attributes.dukpt_iso9797_algorithm1) is not None:
        first = _tdes(_dukpt(context, key, algorithm1))
        return _iso9797(lambda data: cbc_mac(first, _dukpt_blocks(data), padding=Padding.NONE))
    if (algorithm3 := attributes.dukpt_iso9797_algorithm3) is not None:
        third = _tdes(_dukpt(context, key, algorithm3))
        return _iso9797(lambda data: retail_mac(third, _dukpt_blocks(data), padding=Padding.NONE))
    raise InvalidRequestError("MacAttributes: exactly one algorithm is expected")


def _iso9797(compute: Callable[[bytes], bytes]) -> MAC:
    return MAC(compute, _TDES_MAC, _HALF, halves=True)


def _static(context: DataContext, key: OpenedKey, algorithm: str, *, verifies: bool) -> MAC:
    """A MAC with the stored key itself; what is not whole blocks is padded with zeros."""
    match algorithm:
        case "ISO9797_ALGORITHM1":
            context.require(key, Role.VERIFY_MAC_1 if verifies else Role.GENERATE_MAC_1)
            first = key.tdes_key()
            return _iso9797(lambda data: cbc_mac(first, data))
        case "ISO9797_ALGORITHM3":
            context.require(key, Role.VERIFY_MAC_3 if verifies else Role.GENERATE_MAC_3)
            third = key.tdes_key()
            return _iso9797(lambda data: retail_mac(third, data))
        case "AS2805_4_1":
            context.require(key, Role.VERIFY_MAC_AS2805 if verifies else Role.GENERATE_MAC_AS2805)
            as2805 = key.tdes_key()
            return _iso9797(lambda data: retail_mac(as2805, data))
        case "CMAC":
            context.require(key, Role.VERIFY_CMAC if verifies else Role.GENERATE_CMAC)
            cipher_key = key.cipher_key()
            size = cipher_key.block_size
            return MAC(lambda data: cmac(cipher_key, data), size, size)
    context.require(key, Role.VERIFY_HMAC if verifies else Role.GENERATE_HMAC)
    asked = algorithm.removeprefix("HMAC").removeprefix("_") or None
    own = key.algorithm.hash_name
    if asked is not None and own is not None and asked != own:
        raise refused("Algorithm", f"expected HMAC or HMAC_{own} for a key of {key.algorithm}")
    hmac_key = key.hmac_key(asked or own or _LEGACY_HASH)
    size = _DIGEST_BYTES[hmac_key.hash_name]
    return MAC(hmac_key.mac, size, size)


def _script(context: DataContext, key: OpenedKey, attributes: t.MacAlgorithmEmv) -> MAC:
    """The MAC of an issuer script, always padded by method 2."""
    context.require(key, Role.MAC_EMV)
    member, derive = _SCRIPT_KEYS[attributes.session_key_derivation_mode]
    value: str | None = getattr(attributes.session_key_derivation_value, member)
    if value is None:
        name = "ApplicationCryptogram" if member == _AC else "ApplicationTransactionCounter"
        raise refused(
            "SessionKeyDerivationValue",
            f"expected {name} for {attributes.session_key_derivation_mode}",
        )
    master = icc_master_key(
        key.tdes_key(),
        mode=attributes.major_key_derivation_mode,
        pan=attributes.primary_account_number,
        psn=attributes.pan_sequence_number,
    )
    session = TDESKey(derive(master, bytes.fromhex(value)))
    return MAC(lambda data: script_mac(session, data), _TDES_MAC, _TDES_MAC, halves=True)


def _dukpt(context: DataContext, key: OpenedKey, attributes: t.MacAlgorithmDukpt) -> CipherKey:
    return dukpt_key(
        context.require(key, Role.MAC_DUKPT),
        dukpt_keys.MAC,
        ksn=attributes.key_serial_number,
        key_type=attributes.dukpt_derivation_type,
        variant=attributes.dukpt_key_variant,
    )


def _tdes(key: CipherKey) -> TDESKey:
    if not isinstance(key, TDESKey):
        raise refused("DukptDerivationType", "expected TDES_2KEY or TDES_3KEY for this algorithm")
    return key


def _dukpt_data(data: bytes) -> bytes:
    if len(data) < _DUKPT_LEAST_BYTES:
        raise refused("MessageData", f"expected at least {_DUKPT_LEAST_BYTES} bytes")
    return data


def _dukpt_blocks(data: bytes) -> bytes:
    """Under a DUKPT key nothing is padded by the service."""
    if not data or len(data) % _TDES_MAC:
        raise refused("MessageData", f"expected whole blocks of {_TDES_MAC} bytes")
    return data
