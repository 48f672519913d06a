"""GI: import a key that came under an RSA public key of this device."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import padding

from keyferry.crypto.components import has_odd_parity, odd_parity
from keyferry.crypto.keyblock import Algorithm
from keyferry.hsm.payshield.key_types import KEY_BLOCK_TYPE, KEY_TYPES
from keyferry.hsm.payshield.simulator.call import (
    NOT_PERMITTED,
    SCHEMES_DIFFER,
    SYNTAX,
    Call,
    Result,
    handles,
)
from keyferry.hsm.payshield.simulator.device_key import DeviceKey, tdes_algorithm
from keyferry.hsm.payshield.simulator.operations.headers import (
    check_usage,
    header_blocks,
    require_header,
)
from keyferry.hsm.payshield.simulator.operations.rsa import HASHES, KEY_FUNCTION
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

UNFORMATTED: Final = "03"
KEY_BLOCK_FORMAT: Final = "83"
CLEAR_DATA_BLOCK: Final = "77"
CRYPTOGRAM_LENGTH: Final = "76"
_KEY_BLOCK_TYPE_4: Final = "FFFF"
_AES_IMPORT: Final = "1"
_PKCS1: Final = "01"
_TDES_SIZES: Final = (8, 16, 24)
_AES_SIZES: Final = (16, 24, 32)


@handles("GI")
def import_under_rsa(call: Call) -> Result:
    """Decrypt with a private key of the device, and wrap under the LMK."""
    key_type = _key_type(call)
    tag = call.values.maybe("lmk_scheme", str)
    if tag is None:
        raise CommandRefusedError(SYNTAX)
    if call.values.get("block_type", UNFORMATTED) != UNFORMATTED:
        raise CommandRefusedError(KEY_BLOCK_FORMAT)
    if not call.is_variant:
        require_header(call)
    if call.settings.authorised_rsa_import:
        name = key_type.lower() if call.is_variant else call.values.text("header_usage")
        # The setting demands authorisation also for types whose import is otherwise free.
        if not call.device.has_activity(f"import.{name}.host"):
            raise CommandRefusedError(NOT_PERMITTED)
    private = call.open_rsa()
    if not private.may_unwrap:
        raise CommandRefusedError(KEY_FUNCTION if call.is_variant else "A8")
    cryptogram = call.values.raw("cryptogram")
    if len(cryptogram) != (private.key.key_size + 7) // 8:
        raise CommandRefusedError(CRYPTOGRAM_LENGTH)
    try:
        material = private.key.decrypt(cryptogram, _padding(call))
    except ValueError as error:
        raise CommandRefusedError(CLEAR_DATA_BLOCK) from error
    key = _key(call, material, key_type)
    return {"new_key": call.seal(key, tag), "kcv": key.check_text()}


def _key_type(call: Call) -> str:
    """Return the key type of a request: variant in two digits and pair, or FFFF."""
    code = call.values.text("key_type_4")
    if (code == _KEY_BLOCK_TYPE_4) is call.is_variant:
        raise CommandRefusedError(SCHEMES_DIFFER)
    if not call.is_variant:
        return KEY_BLOCK_TYPE
    key_type = code[1:]
    if code[0] != "0" or key_type not in KEY_TYPES:
        raise CommandRefusedError("28")
    return key_type


def _padding(call: Call) -> padding.AsymmetricPadding:
    if call.values.text("padding") == _PKCS1:
        return padding.PKCS1v15()
    algorithm = HASHES[call.values.text("mgf_hash")]
    label = call.values.raw("parameter")
    return padding.OAEP(padding.MGF1(algorithm), algorithm, label or None)


def _key(call: Call, material: bytes, key_type: str) -> DeviceKey:
    is_aes = call.values.text("import_type") == _AES_IMPORT
    # With PKCS #1 v1.5 a wrong cryptogram decrypts to random bytes of random length; a length no
    # key has is all that shows, and it is told like every other failure.
    if len(material) not in (_AES_SIZES if is_aes else _TDES_SIZES):
        raise CommandRefusedError(CLEAR_DATA_BLOCK)
    if not any(material):
        raise CommandRefusedError("11")
    if not is_aes and not has_odd_parity(material):
        material = odd_parity(material)
    algorithm = Algorithm.AES if is_aes else tdes_algorithm(len(material))
    if call.is_variant:
        known = KEY_TYPES[key_type]
        return DeviceKey(
            material=material,
            algorithm=algorithm,
            usage=known.usages[0],
            mode=known.mode,
            key_type=key_type,
        )
    usage, mode = call.values.text("header_usage"), call.values.text("header_mode")
    check_usage(usage, mode)
    return DeviceKey(
        material=material,
        algorithm=algorithm,
        usage=usage,
        mode=mode,
        key_version=call.values.text("header_version"),
        exportability=call.values.text("header_exportability"),
        optional_blocks=header_blocks(call.values),
    )
