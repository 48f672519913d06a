"""The hash functions of the SHA-2 family, under the names the rest of the house uses."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes

from keyferry.errors import UnsupportedAlgorithmError

__all__ = ["digest_named"]

_DIGESTS: Final[dict[str, hashes.HashAlgorithm]] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


def digest_named(name: str) -> hashes.HashAlgorithm:
    """
    Return SHA256, SHA384 or SHA512; `SHA_256`, as the API writes it, is the same.

    Raises:
        UnsupportedAlgorithmError: the name is none of them.
    """
    digest = _DIGESTS.get(name.replace("_", ""))
    if digest is None:
        raise UnsupportedAlgorithmError(
            f"hash {name[:20]!r}: expected one of {', '.join(_DIGESTS)}"
        )
    return digest
