"""How operations seal and open key material; `envelope.py` does it."""

from __future__ import annotations

from typing import Protocol

from keyferry.service.store.records import Sealed


class Vault(Protocol):
    """
    One Region's seal. `binding` is the associated data: the ARN and every immutable attribute of
    what is sealed, so that a row whose usage or exportability was edited does not open.
    """

    def seal(self, material: bytes, *, binding: bytes) -> Sealed: ...

    def open(self, sealed: Sealed, *, binding: bytes) -> bytes:
        """Return the material; StoreIntegrityError if the seal or its binding does not fit."""
        ...
