"""SDDH: a key that both sides derive."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import derive_key
from keyferry.crypto.keyblock import BlockVersion, Exportability, KeyBlockHeader, ModeOfUse
from keyferry.errors import KeyferryError
from keyferry.hsm.futurex.codes import HASHES, KDFS, KeyPairUse, algorithm_of
from keyferry.hsm.futurex.refusals import USAGE_VIOLATION
from keyferry.hsm.futurex.simulator.call import Call, Result, handles
from keyferry.hsm.futurex.simulator.outcome import CommandRefusedError
from keyferry.hsm.futurex.simulator.private_key import open_private_key, open_trusted_key

_HASH_NAMES: Final = {code: name for name, code in HASHES.items()}
_FUNCTIONS: Final = {code: function for function, code in KDFS.items()}
_DERIVE: Final = (KeyPairUse.DERIVE,)


@handles("SDDH")
def derive(call: Call) -> Result:
    """Derive a key block protection key from our private key and the peer's public one."""
    values = call.values
    algorithm = algorithm_of(values.text("key_type"))
    own = open_private_key(call.keys, values.text("private_key"), _DERIVE)
    peer = open_trusted_key(call.keys, values.text("peer_tpk"), _DERIVE, tag="RD").key
    if not isinstance(own, ec.EllipticCurvePrivateKey):
        raise CommandRefusedError(USAGE_VIOLATION, "RC")
    if not isinstance(peer, ec.EllipticCurvePublicKey):
        raise CommandRefusedError(USAGE_VIOLATION, "RD")
    try:
        z = agree(own, peer)
    except KeyferryError:
        raise CommandRefusedError(USAGE_VIOLATION, "RD") from None
    material = derive_key(
        z,
        kdf=_FUNCTIONS[values.text("kdf")],
        hash_name=_HASH_NAMES[values.text("hash")],
        shared_info=values.raw("shared_info"),
        size=algorithm.size_bytes,
    )
    # Used as AP of TWKA right away, so it wraps keys; that it stays here is our choice.
    header = KeyBlockHeader(
        version=BlockVersion.D,
        usage="K1",
        algorithm=algorithm.block_algorithm,
        mode=ModeOfUse.BOTH_DIRECTIONS,
        exportability=Exportability.NONE,
    )
    return {"new_key": call.keys.wrap(header, material, "FS")}
