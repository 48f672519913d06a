"""The op of rsa-wrap.json: RSA key cryptograms."""

from __future__ import annotations

from keyferry.crypto.rsa_wrap import unwrap_oaep
from keyferry.errors import UnsupportedAlgorithmError
from keyferry.keys import KeyAlgorithm, check_material
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Value
from keyferry.selftest.families.key_values import block_kcv
from keyferry.selftest.families.private_keys import load_rsa_private_key

_SPECIFICATION = "RSA_OAEP_"


def unwrap(case: Case) -> dict[str, Value]:
    """Open a cryptogram and check that the key is one of its algorithm."""
    private_key = load_rsa_private_key(
        case, case.entry("private_keys", "private_key"), "private_key"
    )
    specification = case.text("wrapping_spec")
    if not specification.startswith(_SPECIFICATION):
        raise UnsupportedAlgorithmError(f"wrapping specification {specification}")
    algorithm = case.choice("algorithm", {known.value: known for known in KeyAlgorithm})
    hash_name = specification.removeprefix(_SPECIFICATION)
    key = unwrap_oaep(private_key, case.hex("cryptogram"), hash_name)
    check_material(algorithm, key)
    return {"key": key, "kcv": block_kcv(algorithm.block_algorithm, key)}


OPS = {"unwrap": unwrap}
