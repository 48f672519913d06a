"""
B8: export a key by TR-34, as the parts of a token its host puts together.

The device hands out EnvelopedData with its SEQUENCE and the attributes as
a SET; the digest covers the members without that SEQUENCE, the signature the SET.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import BlockVersion
from keyferry.crypto.tr34 import (
    ContentCipher,
    Layout,
    build_enveloped_data,
    build_signed_attributes,
    der,
)
from keyferry.errors import KeyferryError
from keyferry.hsm.payshield.simulator.call import SYNTAX, Call, Result, handles
from keyferry.hsm.payshield.simulator.device_key import DeviceKey
from keyferry.hsm.payshield.simulator.operations.rsa import KEY_FUNCTION, load_public_key
from keyferry.hsm.payshield.simulator.operations.wrapping import VERSIONS, tr31_header
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

# The header in a token describes the key; its length means nothing, and 9999 is what samples say.
FORMAL_LENGTH: Final = 9999
SHORTEST_KRD_BITS: Final = 2048
BITS_FOR_AES_128: Final = 3072


@handles("B8")
def export_by_tr34(call: Call) -> Result:
    """Encrypt a key for the KRD and sign it as the KDH."""
    key_type = call.key_type()
    krd = load_public_key(call.values.raw("krd_public_key"))
    if not SHORTEST_KRD_BITS <= krd.key_size <= 4096:
        raise CommandRefusedError("76")
    call.authorise("export", key_type.lower() if call.is_variant else call.key("key").usage)
    key = call.open("key", key_type)
    kdh = call.open_rsa()
    if not kdh.may_sign:
        raise CommandRefusedError(KEY_FUNCTION if call.is_variant else "A8")
    _check_may_leave(call, key, krd)
    version = VERSIONS[call.values.maybe("block_version", str) or BlockVersion.B.value]
    header = tr31_header(call, key, version).encode(length=FORMAL_LENGTH)
    kdh_id, krd_id = call.values.raw("kdh_id"), call.values.raw("krd_id")
    cipher = ContentCipher.AES128 if key.cipher is Cipher.AES else ContentCipher.TDES
    try:
        members = build_enveloped_data(
            key=key.material,
            header=header,
            kdh_id=kdh_id,
            krd_id=krd_id,
            krd_public_key=krd,
            content_cipher=cipher,
            layout=Layout.AWS,
        )
        attributes = build_signed_attributes(
            econtent=members, header=header, nonce=call.values.raw("nonce"), layout=Layout.AWS
        )
    except KeyferryError as error:
        raise CommandRefusedError(SYNTAX) from error
    return {
        "attributes": attributes,
        "kcv": key.check_value(),
        "enveloped_data": der.sequence(members),
        "signature": kdh.key.sign(attributes, padding.PKCS1v15(), hashes.SHA256()),
    }


def _check_may_leave(call: Call, key: DeviceKey, krd: rsa.RSAPublicKey) -> None:
    if not call.is_variant:
        if key.exportability == "N":
            raise CommandRefusedError("AA")
        if call.values.get("attributes_usage") is not None:
            raise CommandRefusedError(SYNTAX)
    if call.values.get("changed_exportability") is not None:
        raise CommandRefusedError(SYNTAX)
    # No RSA key of these lengths is as strong as AES-192 (NIST SP 800-57 part 1, table 2).
    if key.cipher is Cipher.AES and (len(key.material) > 16 or krd.key_size < BITS_FOR_AES_128):
        raise CommandRefusedError("A5")
