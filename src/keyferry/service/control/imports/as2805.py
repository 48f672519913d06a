"""As2805KeyCryptogram: a working key under a variant of a KEK, as Australian networks send it."""

from __future__ import annotations

from keyferry.crypto.as2805 import KEKVariant, decrypt_working_key
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    WrappingMethod,
    check_attributes,
    check_material,
    check_strength,
)
from keyferry.service.context import Context
from keyferry.service.control.answers import modes_of
from keyferry.service.control.new_keys import NewKey, exportability_of
from keyferry.service.control.sealing import open_key
from keyferry.service.control.wrapping_keys import find_wrapping_key
from keyferry.service.errors import InvalidRequestError
from keyferry.service.store.records import KeyOrigin
from keyferry.service.wire import control_types as t

# Which key a variant carries. That of variant 00 is inferred: no sample shows it.
VARIANT_USAGES = {
    KEKVariant.PIN_ENCRYPTION_KEY_VARIANT_28: KeyUsage.TR31_P0_PIN_ENCRYPTION_KEY,
    KEKVariant.MESSAGE_AUTHENTICATION_KEY_VARIANT_24: KeyUsage.TR31_M0_ISO_16609_MAC_KEY,
    KEKVariant.DATA_ENCRYPTION_KEY_VARIANT_22: KeyUsage.TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY,
    KEKVariant.TERMINAL_MAJOR_KEY_VARIANT_00: KeyUsage.TR31_K0_KEY_ENCRYPTION_KEY,
}


async def import_as2805_key_cryptogram(
    context: Context, asked: t.ImportAs2805KeyCryptogram
) -> NewKey:
    """
    Decrypt a working key. Nothing authenticates it: any cryptogram gives some key, and only the
    check value tells whether it is the right one.
    """
    algorithm = KeyAlgorithm(asked.key_algorithm)
    if not algorithm.is_tdes:
        raise InvalidRequestError(f"KeyAlgorithm: {algorithm} is not an algorithm of AS2805")
    variant = KEKVariant[asked.as2805_key_variant]
    attributes = KeyAttributes(
        key_usage=VARIANT_USAGES[variant],
        key_class=KeyClass.SYMMETRIC_KEY,
        key_algorithm=algorithm,
        modes_of_use=modes_of(asked.key_modes_of_use),
    )
    check_attributes(attributes)
    wrapping = find_wrapping_key(
        context, asked.wrapping_key_identifier, action="ImportKey", to_wrap=False
    )
    wrapping_algorithm = wrapping.attributes.key_algorithm
    if not wrapping_algorithm.is_tdes:
        raise InvalidRequestError("WrappingKeyIdentifier: AS2805 needs a TDES key")
    check_strength(algorithm, method=WrappingMethod.TR31, wrapping=wrapping_algorithm)
    try:
        cryptogram = bytes.fromhex(asked.wrapped_key_cryptogram)
    except ValueError:
        cryptogram = b""
    if len(cryptogram) != algorithm.size_bytes:
        raise InvalidRequestError(
            f"WrappedKeyCryptogram: expected {2 * algorithm.size_bytes} hex digits for {algorithm}"
        )
    with open_key(context, wrapping) as kek:
        key = decrypt_working_key(kek.reveal(), variant, cryptogram)
    check_material(algorithm, key)
    return NewKey(
        attributes=attributes,
        exportability=exportability_of(asked.exportable),
        origin=KeyOrigin.EXTERNAL,
        material=key,
        helpers=(wrapping,),
    )
