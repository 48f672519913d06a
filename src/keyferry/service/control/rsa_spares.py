"""
RSA keys in advance: a request for a pair should not wait for primes.

A key of 2048 bits takes some 50 ms of a core, one of 4096 half a second and at times two. The
library releases the GIL meanwhile (measured: another thread keeps 96 % of its speed), so threads
do, and no worker processes are needed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.service.context import Offload

RSA_PUBLIC_EXPONENT = 65537


def generate(bits: int) -> rsa.RSAPrivateKey:
    """Make an RSA key, now."""
    return rsa.generate_private_key(RSA_PUBLIC_EXPONENT, bits)


class RSASpares:
    """
    One unused key of each size that was ever asked for, replaced in the background when taken.

    The background work runs where the caller's slow work runs, so it ends with the service. A
    spare belongs to nobody: it becomes somebody's key when it is taken, once.
    """

    def __init__(self, make: Callable[[int], rsa.RSAPrivateKey] = generate) -> None:
        self._make = make
        self._ready: dict[int, rsa.RSAPrivateKey] = {}
        self._under_way: dict[int, asyncio.Future[None]] = {}

    async def take(self, bits: int, *, offload: Offload) -> rsa.RSAPrivateKey:
        """Return a key of `bits` bits that nobody else gets."""
        key = self._ready.pop(bits, None)
        if key is None:
            key = await offload(lambda: self._make(bits))
        self._refill(bits, offload)
        return key

    def forget(self) -> None:
        """Drop all spares; a forked process must not hand out its parent's."""
        self._ready.clear()
        self._under_way.clear()

    def _refill(self, bits: int, offload: Offload) -> None:
        making = self._under_way.get(bits)
        # A loop that was closed tells nobody that its work is done.
        if bits in self._ready or (making is not None and not making.get_loop().is_closed()):
            return

        def work() -> None:
            self._ready[bits] = self._make(bits)

        try:
            future = asyncio.ensure_future(offload(work))
        except RuntimeError:
            return  # The threads have ended with the service; there is nobody to be ready for.
        self._under_way[bits] = future

        def finished(done: asyncio.Future[None]) -> None:
            if self._under_way.get(bits) is done:
                del self._under_way[bits]
            if not done.cancelled():
                # A spare that could not be made is no loss: the next caller makes its own key, and
                # gets the error if there still is one.
                done.exception()

        future.add_done_callback(finished)


SPARES = RSASpares()
os.register_at_fork(after_in_child=SPARES.forget)
