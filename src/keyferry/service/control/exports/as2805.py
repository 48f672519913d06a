"""As2805KeyCryptogram: a working key under a variant of a KEK."""

from __future__ import annotations

from keyferry.crypto.as2805 import KEKVariant, encrypt_working_key
from keyferry.keys import WrappingMethod, check_strength
from keyferry.service.context import Context
from keyferry.service.control.exchange_parameters import KEY_CRYPTOGRAM
from keyferry.service.control.exports.departure import Departure
from keyferry.service.control.exports.wrapped import Wrapped
from keyferry.service.control.imports.as2805 import VARIANT_USAGES
from keyferry.service.control.sealing import open_key
from keyferry.service.control.wrapping_keys import find_wrapping_key
from keyferry.service.errors import InvalidRequestError
from keyferry.service.wire import control_types as t


async def export_as2805_key_cryptogram(
    context: Context, departure: Departure, asked: t.ExportAs2805KeyCryptogram
) -> Wrapped:
    """Encrypt under the variant that stands for the key's usage; no other would be understood."""
    variant = KEKVariant[asked.as2805_key_variant]
    if departure.record.attributes.key_usage is not VARIANT_USAGES[variant]:
        raise InvalidRequestError(
            f"As2805KeyVariant: {variant.name} carries keys of usage {VARIANT_USAGES[variant]}"
        )
    if not departure.algorithm.is_tdes:
        raise InvalidRequestError("ExportKeyIdentifier: AS2805 carries TDES keys only")
    wrapping = find_wrapping_key(
        context, asked.wrapping_key_identifier, action="ExportKey", to_wrap=True
    )
    if wrapping.key_id == departure.record.key_id:
        raise InvalidRequestError("WrappingKeyIdentifier: a key does not wrap itself")
    algorithm = wrapping.attributes.key_algorithm
    if not algorithm.is_tdes:
        raise InvalidRequestError("WrappingKeyIdentifier: AS2805 needs a TDES key")
    check_strength(departure.algorithm, method=WrappingMethod.TR31, wrapping=algorithm)
    with open_key(context, wrapping) as kek:
        cryptogram = encrypt_working_key(kek.reveal(), variant, departure.key.reveal())
    return Wrapped(
        text=cryptogram.hex().upper(),
        material_format=KEY_CRYPTOGRAM,
        wrapping_key=wrapping,
        helpers=(wrapping,),
    )
