"""What all exports have in common: the key that leaves, or the initial key derived from it."""

from __future__ import annotations

from dataclasses import dataclass

from keyferry.crypto.dukpt import aes_initial_key, tdes_initial_key
from keyferry.crypto.keyblock import Exportability, ModeOfUse
from keyferry.crypto.secret import Secret
from keyferry.keys import KeyAlgorithm, KeyClass, KeyUsage, ModesOfUse, key_check_value
from keyferry.service.context import Context
from keyferry.service.control.identifiers import find_key
from keyferry.service.control.sealing import open_key
from keyferry.service.control.states import require_usable
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyRecord
from keyferry.service.wire import control_types as t

# What a block with an initial key says; the API knows no names for it.
INITIAL_KEY_USAGE = "B1"
INITIAL_KEY_MODES = ModesOfUse(derive_key=True)
INITIAL_KEY_MODE = ModeOfUse.DERIVE

# KSNs: 10 bytes for TDES, 12 for AES, of which the left 8 name the terminal.
_TDES_KSN_DIGITS = 20
_AES_KSN_DIGITS = 24
_INITIAL_KEY_ID_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """
    A key about to leave: a stored key, or a DUKPT initial key made from a stored BDK for the
    occasion. The latter has a usage and a mode the API knows no names for, B1 and X.
    """

    record: KeyRecord  # the stored key
    key: Secret
    is_initial_key: bool
    check_value: str
    check_value_algorithm: str

    @property
    def algorithm(self) -> KeyAlgorithm:
        """Of the key that leaves; an initial key has its BDK's."""
        return self.record.attributes.key_algorithm


def prepare(context: Context, request: t.ExportKeyInput) -> Departure:
    """
    Open the key to export, or derive the initial key from it.

    Raises:
        InvalidRequestError: not symmetric, not usable, not exportable, or its letter allows key
            blocks only; or not a BDK that has initial keys, or a KSN of the wrong length.
        ResourceNotFoundError, AccessDeniedError: as `find_key`.
    """
    record = find_key(context, request.export_key_identifier, action="ExportKey")
    if record.attributes.key_class is not KeyClass.SYMMETRIC_KEY:
        raise InvalidRequestError(
            "ExportKeyIdentifier: only symmetric keys are exported; GetPublicKeyCertificate gives"
            " out public keys"
        )
    require_usable(context, record)
    if record.exportability is Exportability.NONE:
        raise InvalidRequestError("ExportKeyIdentifier: the key is not exportable")
    material = request.key_material
    in_cryptogram = (material.key_cryptogram or material.as2805_key_cryptogram) is not None
    by_blocks_only = record.exportability is Exportability.EXPORTABLE
    if in_cryptogram and by_blocks_only and not context.rules.cryptograms_of_key_block_keys:
        # Its sender allowed key blocks only; a cryptogram would lose the header that says so.
        raise InvalidRequestError(
            "ExportKeyIdentifier: the key arrived as exportable in key blocks only"
        )
    asked = request.export_attributes
    if asked is None or asked.export_dukpt_initial_key is None:
        return Departure(
            record=record,
            key=open_key(context, record),
            is_initial_key=False,
            check_value=record.check_value,
            check_value_algorithm=record.check_value_algorithm,
        )
    if material.as2805_key_cryptogram is not None:
        raise InvalidRequestError("ExportDukptInitialKey: AS2805 carries no initial keys")
    return _initial_key(
        context,
        record,
        ksn=asked.export_dukpt_initial_key.key_serial_number,
        check_value_method=asked.key_check_value_algorithm,
    )


def _initial_key(
    context: Context, record: KeyRecord, *, ksn: str, check_value_method: str | None
) -> Departure:
    """Derive the initial key of a KSN; its counter is ignored. It is not stored."""
    attributes = record.attributes
    algorithm = attributes.key_algorithm
    if attributes.key_usage is not KeyUsage.TR31_B0_BASE_DERIVATION_KEY:
        raise InvalidRequestError(
            f"ExportDukptInitialKey: expected a key of usage {KeyUsage.TR31_B0_BASE_DERIVATION_KEY}"
        )
    if algorithm is KeyAlgorithm.TDES_3KEY:
        raise InvalidRequestError("ExportDukptInitialKey: TDES DUKPT takes a BDK of TDES_2KEY")
    digits = _TDES_KSN_DIGITS if algorithm.is_tdes else _AES_KSN_DIGITS
    if len(ksn) != digits:
        raise InvalidRequestError(
            f"KeySerialNumber: expected {digits} hex digits for a BDK of {algorithm}"
        )
    serial = bytes.fromhex(ksn)
    with open_key(context, record) as bdk:
        key = (
            tdes_initial_key(bdk.reveal(), serial)
            if algorithm.is_tdes
            else aes_initial_key(bdk.reveal(), serial[:_INITIAL_KEY_ID_BYTES])
        )
    check_value, method = key_check_value(algorithm, key, check_value_method)
    return Departure(
        record=record,
        key=Secret(key),
        is_initial_key=True,
        check_value=check_value,
        check_value_algorithm=method,
    )
