"""
The seal of a proof: whoever carries it from Region to Region can neither make nor change one.

Without it, to have proofs checked would be to have values of other people's keys checked.
"""

from __future__ import annotations

import hmac

from keyferry.crypto.secret import Secret
from keyferry.service.replication.proof.evidence import Evidence
from keyferry.service.vault.binding import encode_binding


def seal_of(key: Secret, evidence: Evidence) -> str:
    """
    The seal, 64 hex digits.

    Args:
        key: of the pair of Regions, see `KEKs.proof_key`.
    """
    values = tuple(tuple(sorted(values.items())) for values in evidence.values)
    content = encode_binding(
        "key proof",
        evidence.account,
        evidence.key_id,
        evidence.usage,
        evidence.algorithm,
        evidence.method,
        evidence.operation,
        evidence.reason,
        values,
    )
    return hmac.digest(key.reveal(), content, "sha256").hex().upper()


def is_sealed(key: Secret, evidence: Evidence, seal: str) -> bool:
    """Whether the other Region made the proof as it is."""
    return hmac.compare_digest(seal_of(key, evidence), seal)
