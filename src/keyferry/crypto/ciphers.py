"""
TDES and AES as opened keys: one handle that keeps its cipher contexts.

A fresh OpenSSL context costs more than enciphering a key block with it, so `CipherKey` makes each
context once and chains on. A kept CBC context cannot be given a new IV, but it need not be: its
next block is XORed with the last ciphertext block S, so feeding P1 ⊕ S ⊕ IV does what a new context
with that IV would do to P1.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NoReturn, Self

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as _Cipher
from cryptography.hazmat.primitives.ciphers import CipherContext, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from keyferry.errors import DataSizeError, KeySizeError

__all__ = ["Cipher", "CipherKey", "expand_tdes_key"]

# The reduction constants of CMAC for blocks of 8 and 16 bytes (NIST SP 800-38B, 5.3).
_CMAC_REDUCTION: Final = {8: 0x1B, 16: 0x87}


class Cipher(StrEnum):
    """A block cipher, under the letter key blocks give it."""

    block_size: int  # bytes
    key_sizes: tuple[int, ...]  # bytes

    TDES = "T", 8, (8, 16, 24)
    AES = "A", 16, (16, 24, 32)

    def __new__(cls, letter: str, block_size: int, key_sizes: tuple[int, ...]) -> Self:
        """Hang block and key sizes on the letter, so that no second table can disagree."""
        member = str.__new__(cls, letter)
        member._value_ = letter
        member.block_size = block_size
        member.key_sizes = key_sizes
        return member


# Looking a member up on its class runs Python code up to 3.11; this is asked for every key.
_TDES: Final = Cipher.TDES
_number: Final = int.from_bytes
# Bytes up to which it is faster to turn all of a message into a number than to cut blocks off it.
_SHORT: Final = 128


def expand_tdes_key(key: bytes) -> bytes:
    """
    Return `key` as the 24 bytes K1 K2 K3 that TDES works with.

    Args:
        key: 8 bytes (single DES: K K K), 16 (2-key: K1 K2 K1) or 24; parity bits are not checked.

    Raises:
        KeySizeError: `key` has another length.

    Source: NIST SP 800-67r2, 3.1, keying options. The library deprecates shorter keys, payment
    HSMs do not; this is the only place that knows.
    """
    size = len(key)
    if size == 24:
        return bytes(key)
    if size == 16:
        return key + key[:8]
    if size == 8:
        return key * 3
    raise KeySizeError(f"TDES key of {size} bytes: expected 8, 16 or 24")


class CipherKey:
    """
    A TDES or AES key opened for use, with its contexts kept.

    It may be shared between threads: an operation takes the context it needs out of a list and puts
    it back with the state it left, so no two threads ever chain on one context, and a context that
    an exception interrupted is never seen again. Taking and putting are atomic in CPython.

    It does not hand the key out again, and it does not pickle.
    """

    __slots__ = (
        "_algorithm",
        "_counters",
        "_decryptors",
        "_ecb_decryptors",
        "_ecb_encryptors",
        "_encryptors",
        "_mac_used",
        "_macs",
        "block_size",
        "cipher",
        "size",
    )

    def __init__(self, cipher: Cipher, key: bytes) -> None:
        """
        Open a key.

        Args:
            cipher: which block cipher.
            key: clear; 8, 16 or 24 bytes for TDES (parity is not checked), 16, 24 or 32 for AES.

        Raises:
            KeySizeError: `key` has another length.
        """
        size = len(key)
        if cipher is _TDES:
            self._algorithm: TripleDES | AES = TripleDES(expand_tdes_key(key))
        elif size in cipher.key_sizes:
            self._algorithm = AES(key)
        else:
            raise KeySizeError(f"AES key of {size} bytes: expected 16, 24 or 32")
        self.cipher = cipher
        self.block_size: int = cipher.block_size
        self.size = size  # bytes of the key as given, before expansion
        self._ecb_encryptors: list[CipherContext] = []
        self._ecb_decryptors: list[CipherContext] = []
        self._counters: list[CipherContext] = []
        # With each CBC context goes its state: the block it will XOR into its next, as a number.
        self._encryptors: list[tuple[CipherContext, int]] = []
        self._decryptors: list[tuple[CipherContext, int]] = []
        # With a MAC context go its state and both subkeys of CMAC.
        self._macs: list[tuple[CipherContext, int, int, int]] = []
        self._mac_used = False

    def __repr__(self) -> str:
        return f"<CipherKey: {self.cipher.name}, {self.size} bytes>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an opened key is not pickled or copied")

    def encrypt_ecb(self, data: bytes) -> bytes:
        """Encrypt whole blocks in ECB. Raises DataSizeError if `data` is not whole blocks."""
        if len(data) % self.block_size:
            raise self._not_blocks(data)
        try:
            context = self._ecb_encryptors.pop()
        except IndexError:
            context = _Cipher(self._algorithm, modes.ECB()).encryptor()  # noqa: S305
        out = context.update(data)
        self._ecb_encryptors.append(context)
        return out

    def decrypt_ecb(self, data: bytes) -> bytes:
        """Decrypt whole blocks in ECB. Raises DataSizeError if `data` is not whole blocks."""
        if len(data) % self.block_size:
            raise self._not_blocks(data)
        try:
            context = self._ecb_decryptors.pop()
        except IndexError:
            context = _Cipher(self._algorithm, modes.ECB()).decryptor()  # noqa: S305
        out = context.update(data)
        self._ecb_decryptors.append(context)
        return out

    def encrypt_cbc(self, data: bytes, iv: bytes) -> bytes:
        """
        Encrypt whole blocks in CBC, without padding.

        Args:
            data: any number of whole blocks.
            iv: one block.

        Raises:
            DataSizeError: `data` is not whole blocks, or `iv` not one.
        """
        block_size, size = self.block_size, len(data)
        if size % block_size or len(iv) != block_size:
            raise self._not_blocks(data, iv)
        if not size:
            return b""
        try:
            context, state = self._encryptors.pop()
        except IndexError:
            context = _Cipher(self._algorithm, modes.CBC(iv)).encryptor()
        else:
            data = _into_first_block(_number(iv) ^ state, data, block_size)
        out = context.update(data)
        self._encryptors.append((context, _number(out[-block_size:])))
        return out

    def decrypt_cbc(self, data: bytes, iv: bytes) -> bytes:
        """
        Decrypt whole blocks in CBC; padding, if any, stays on.

        Args:
            data: any number of whole blocks.
            iv: one block.

        Raises:
            DataSizeError: `data` is not whole blocks, or `iv` not one.
        """
        block_size, size = self.block_size, len(data)
        if size % block_size or len(iv) != block_size:
            raise self._not_blocks(data, iv)
        if not size:
            return b""
        try:
            context, state = self._decryptors.pop()
        except IndexError:
            context = _Cipher(self._algorithm, modes.CBC(iv)).decryptor()
            out = context.update(data)
        else:
            out = _into_first_block(_number(iv) ^ state, context.update(data), block_size)
        self._decryptors.append((context, _number(data[-block_size:])))
        return out

    def encrypt_ctr(self, data: bytes, counter: bytes) -> bytes:
        """
        Encrypt (or decrypt, it is the same) any number of bytes in counter mode.

        Args:
            data: any number of bytes.
            counter: one block, the first counter; it counts up by one a block, big-endian, and
                wraps to zero.

        Raises:
            DataSizeError: `counter` is not one block.
        """
        block_size, size = self.block_size, len(data)
        if len(counter) != block_size:
            raise self._not_blocks(b"", counter)
        if self.cipher is not _TDES:
            try:
                context = self._counters.pop()
            except IndexError:
                context = _Cipher(self._algorithm, modes.CTR(counter)).encryptor()
            else:
                context.reset_nonce(counter)
            out = context.update(data)
            self._counters.append(context)
            return out
        # OpenSSL has no counter mode of TDES; the stream is the counters in ECB.
        start, wrap = _number(counter), 1 << (8 * block_size)
        counters = (
            ((start + i) % wrap).to_bytes(block_size) for i in range(-(-size // block_size))
        )
        stream = self.encrypt_ecb(b"".join(counters))
        return (_number(data) ^ _number(stream[:size])).to_bytes(size)

    def cmac(self, data: bytes) -> bytes:
        """Return the whole CMAC (one block) of any number of bytes (NIST SP 800-38B, 6.2)."""
        if not self._mac_used:
            # A key that makes one MAC in its life is not worth a context and subkeys of its own.
            self._mac_used = True
            mac = CMAC(self._algorithm)
            mac.update(data)
            return mac.finalize()
        try:
            context, state, subkey, padded_subkey = self._macs.pop()
        except IndexError:
            context, state, subkey, padded_subkey = self._open_mac()
        block_size, size = self.block_size, len(data)
        if size % block_size or not size:
            data = data + b"\x80" + bytes(-(size + 1) % block_size)
            size = len(data)
            mask = padded_subkey
        else:
            mask = subkey
        # The subkey falls on the last block, and the state left by the message before is taken out
        # of the first.
        if size <= _SHORT:
            message = _number(data) ^ mask ^ (state << (8 * (size - block_size)))
            masked = message.to_bytes(size)
        else:
            first = (_number(data[:block_size]) ^ state).to_bytes(block_size)
            last = (_number(data[-block_size:]) ^ mask).to_bytes(block_size)
            masked = b"".join((first, data[block_size:-block_size], last))
        tag = context.update(masked)[-block_size:]
        self._macs.append((context, _number(tag), subkey, padded_subkey))
        return tag

    def fresh_encryptor(self, mode: modes.ModeWithInitializationVector) -> CipherContext:
        """Return a context of its own, for modes whose contexts are not kept: `feedback.py`."""
        return _Cipher(self._algorithm, mode).encryptor()

    def fresh_decryptor(self, mode: modes.ModeWithInitializationVector) -> CipherContext:
        return _Cipher(self._algorithm, mode).decryptor()

    def _open_mac(self) -> tuple[CipherContext, int, int, int]:
        """Return a fresh MAC context, its state, and both subkeys (NIST SP 800-38B, 6.1)."""
        block_size = self.block_size
        context = _Cipher(self._algorithm, modes.CBC(bytes(block_size))).encryptor()
        # The first block through a zero IV is E(0), from which the subkeys come, and the state too.
        state = _number(context.update(bytes(block_size)))
        subkey = _double(state, block_size)
        return context, state, subkey, _double(subkey, block_size)

    def _not_blocks(self, data: bytes, iv: bytes | None = None) -> DataSizeError:
        block_size = self.block_size
        if len(data) % block_size:
            return DataSizeError(
                f"{self.cipher.name} data of {len(data)} bytes: expected whole blocks of"
                f" {block_size}"
            )
        return DataSizeError(
            f"{self.cipher.name} IV of {len(iv or b'')} bytes: expected {block_size}"
        )


def _into_first_block(mask: int, data: bytes, block_size: int) -> bytes:
    """XOR `mask`, one block as a number, into the first block of `data`."""
    size = len(data)
    if size <= _SHORT:
        return (_number(data) ^ (mask << (8 * (size - block_size)))).to_bytes(size)
    return (_number(data[:block_size]) ^ mask).to_bytes(block_size) + data[block_size:]


def _double(value: int, block_size: int) -> int:
    """Multiply by x in the field of CMAC (NIST SP 800-38B, 6.1)."""
    bits = 8 * block_size
    doubled = value << 1
    return (
        (doubled ^ _CMAC_REDUCTION[block_size]) & ((1 << bits) - 1) if doubled >> bits else doubled
    )
