"""Clear key bytes in a box that gives them out only when asked by name."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn, Self

__all__ = ["Secret"]

_OPENED_TOO_LATE: Final = "a wiped secret has nothing to reveal"


class Secret:
    """
    Clear key bytes that do not print, pickle, hash or compare by accident.

    As a context manager it overwrites its own copy on the way out. Python may have made other
    copies before (slices, arguments, interned results), so wiping shortens a life, it is no proof.
    """

    __slots__ = ("_bytes", "_wiped")

    def __init__(self, value: bytes | bytearray) -> None:
        self._bytes = bytearray(value)
        self._wiped = False

    def reveal(self) -> bytes:
        """Return the bytes. Every call is a place to review: `git grep 'reveal()'`."""
        if self._wiped:
            raise ValueError(_OPENED_TOO_LATE)
        return bytes(self._bytes)

    def wipe(self) -> None:
        """Overwrite our copy with zeros; `reveal` refuses from now on."""
        self._bytes[:] = bytes(len(self._bytes))
        self._wiped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __len__(self) -> int:
        return len(self._bytes)

    def __repr__(self) -> str:
        return f"<Secret: {len(self._bytes)} bytes>"

    def __eq__(self, other: object) -> bool:
        # A wiped secret equals nothing: two of them would otherwise agree on their zeros.
        return (
            isinstance(other, Secret)
            and not (self._wiped or other._wiped)
            and hmac.compare_digest(self._bytes, other._bytes)
        )

    __hash__ = None  # type: ignore[assignment]  # a hash of a key is a fingerprint of it

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled or copied")
