"""GPGS, GRSA, GECC, GWKS: new keys. Nothing is stored; the host keeps what it gets."""

from __future__ import annotations

import os
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keyferry.crypto.certificates import public_key_der
from keyferry.crypto.keyblock import BlockVersion, KeyBlockHeader
from keyferry.errors import KeyferryError
from keyferry.hsm.futurex.codes import CURVES, KeyPairUse, MajorKey, algorithm_of
from keyferry.hsm.futurex.refusals import INVALID, MISSING
from keyferry.hsm.futurex.simulator.call import Call, Result, handles
from keyferry.hsm.futurex.simulator.device_key import KEK_USAGES, WRAPPING_MODES, DeviceKey
from keyferry.hsm.futurex.simulator.mfk import KEK_MODIFIER, wrap_under_kek
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError
from keyferry.hsm.futurex.simulator.private_key import (
    PrivateKey,
    seal_private_key,
    seal_trusted_key,
)
from keyferry.keys import KeyAlgorithm, KeyUsage, generate_material

HEADER_CHARACTERS: Final = 16
WORKING_KEY_BYTES: Final = 16
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    CURVES["P256"]: ec.SECP256R1(),
    CURVES["P384"]: ec.SECP384R1(),
    CURVES["P521"]: ec.SECP521R1(),
}
_STANDARD_MODES: Final = frozenset("BCDEGNSTVXY")


@handles("GPGS")
def generate_symmetric(call: Call) -> Result:
    """Generate a key and return it in a block with the given header, or as a cryptogram."""
    algorithm = algorithm_of(call.values.text("key_type"))
    text = call.values.maybe("header", str)
    major_key = MajorKey(call.values.text("major_key"))
    material = generate_material(algorithm, os.urandom)
    if text is None:
        if major_key is MajorKey.PMK:
            # An AES key wraps no bare cryptograms (inferred).
            raise CommandRefusedError(MISSING, "AK")
        if not algorithm.is_tdes:
            raise CommandRefusedError(INVALID, "CT")
        key = DeviceKey(tag="BG", material=material)
        return {
            "new_key": call.keys.mfk("FS").encrypt(material, KEK_MODIFIER),
            "check_value": call.check_value(key),
        }
    header = read_header(text, major_key)
    if header.algorithm is not algorithm.block_algorithm:
        raise CommandRefusedError(INVALID, "CT")
    if header.version is BlockVersion.B and algorithm.is_aes:
        # No AES key goes under a TDES key.
        raise CommandRefusedError(INVALID, "AK")
    key = DeviceKey(tag="BG", material=material, header=header)
    return {
        "new_key": call.keys.wrap(header, material, "FS"),
        "check_value": call.check_value(key),
    }


def read_header(text: str, major_key: MajorKey) -> KeyBlockHeader:
    """Read the header a new block is to have; its length is a formality. Refused with 34."""
    version = BlockVersion.D if major_key is MajorKey.PMK else BlockVersion.B
    try:
        header, end = KeyBlockHeader.read(text)
    except KeyferryError:
        raise CommandRefusedError(INVALID, "AK") from None
    known = (
        len(text) == end == HEADER_CHARACTERS
        and header.version is version
        and KeyUsage.from_code(header.usage) is not None
        and header.mode.value in _STANDARD_MODES
    )
    if not known:
        raise CommandRefusedError(INVALID, "AK")
    return header


@handles("GRSA")
async def generate_rsa(call: Call) -> Result:
    """Generate an RSA key pair."""
    bits = int(call.values.text("modulus_bits"))
    key = await call.offload(lambda: rsa.generate_private_key(65537, bits))
    return _pair(call, key)


@handles("GECC")
def generate_ecc(call: Call) -> Result:
    """Generate an EC key pair."""
    return _pair(call, ec.generate_private_key(_CURVES[call.values.text("curve")]))


def _pair(call: Call, key: PrivateKey) -> Result:
    use = KeyPairUse(call.values.text("use"))
    # The halves of a pair that signs are used as G and V; agreement uses both as X.
    public_use = KeyPairUse.VERIFY if use is KeyPairUse.SIGN else use
    return {
        "private_key": seal_private_key(call.keys, key, use),
        "tpk": seal_trusted_key(call.keys, key.public_key(), public_use),
        "public_key": public_key_der(key.public_key()),
    }


@handles("GWKS")
def generate_working_key(call: Call) -> Result:
    """Generate a two-key TDES key, as cryptograms under the MFK and under a KEK."""
    modifier = int(call.values.text("modifier"))
    material = generate_material(KeyAlgorithm.TDES_2KEY, os.urandom)
    mfk = call.keys.mfk("AP")
    answer: dict[str, object] = {
        "new_key": mfk.encrypt(material, modifier),
        "check_value": call.check_value(DeviceKey(tag="BG", material=material)),
        "answered_fs": call.values.maybe("unexplained_fs", str),
    }
    if set(call.values.text("kek")) == {"0"}:  # no KEK: the key stays here
        answer["wrapped_key"] = "0" * 2 * WORKING_KEY_BYTES
        return answer
    kek = call.open("kek", "AP", modifier=KEK_MODIFIER)
    kek.require(KEK_USAGES, WRAPPING_MODES)
    answer["wrapped_key"] = wrap_under_kek(kek.tdes_material(), material, modifier)
    return answer
