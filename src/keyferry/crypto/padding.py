"""The padding methods of ISO/IEC 9797-1, which MACs and EMV scripts use."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "Padding",
    "pad",
]


class Padding(StrEnum):
    """How data becomes whole blocks (ISO/IEC 9797-1:2011, 6.3)."""

    NONE = "0"  # the caller has padded
    METHOD_1 = "1"  # zeros, only when needed; nothing can tell them from data
    METHOD_2 = "2"  # a one bit, then zeros, always: the same as ISO/IEC 7816-4
    METHOD_3 = "3"  # the length in bits as first block, then zeros


_NONE, _METHOD_1, _METHOD_2, _METHOD_3 = Padding


def pad(data: bytes, padding: Padding, *, block_size: int) -> bytes:
    """
    Return `data` padded to whole blocks of `block_size` bytes.

    Empty data becomes one block of zeros by method 1 and, after its length block, by method 3.
    NONE returns `data` as it is, aligned or not: what follows refuses the rest.
    """
    if padding is _METHOD_2:
        return data + b"\x80" + bytes(-(len(data) + 1) % block_size)
    surplus = len(data) % block_size
    if padding is _METHOD_1 and data and not surplus:
        return data
    if padding is _NONE:
        return data
    zeros = bytes(-surplus % block_size) if data else bytes(block_size)
    if padding is _METHOD_1:
        return data + zeros
    return (len(data) * 8).to_bytes(block_size) + data + zeros
