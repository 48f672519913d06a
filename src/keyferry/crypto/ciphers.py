"""
TDES and AES as opened keys: one handle that keeps its cipher contexts.

A fresh OpenSSL context costs more than enciphering a key block with it, so `CipherKey` makes each
context once and chains on. A kept CBC context cannot be given a new IV, but it need not be: its
next block is XORed with the last ciphertext block S, so feeding P1 ⊕ S ⊕ IV does what a new context
with that IV would do to P1.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Self

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

    It may be shared between threads: whatever chains on a context holds a lock of its own, which
    costs a tenth of a microsecond; the alternative was a wrong ciphertext without any sign of it.
    For throughput give each thread its own handle.

    It does not hand the key out again, and it does not pickle.
    """

    __slots__ = (
        "_algorithm",
        "_decryptor",
        "_decryptor_state",
        "_ecb_decryptor",
        "_ecb_encryptor",
        "_encryptor",
        "_encryptor_state",
        "_lock",
        "_mac",
        "_mac_state",
        "_mac_subkeys",
        "_mac_used",
        "block_size",
        "cipher",
        "size",
    )

    def __init__(self, cipher: Cipher, key: bytes) -> None:
        size = len(key)
        if cipher is Cipher.TDES:
            self._algorithm: TripleDES | AES = TripleDES(expand_tdes_key(key))
        elif size in cipher.key_sizes:
            self._algorithm = AES(key)
        else:
            raise KeySizeError(f"AES key of {size} bytes: expected 16, 24 or 32")
        self.cipher = cipher
        self.block_size: int = cipher.block_size
        self.size = size  # bytes of the key as given, before expansion
        self._lock = threading.Lock()
        self._ecb_encryptor: CipherContext | None = None
        self._ecb_decryptor: CipherContext | None = None
        # A state is the block the context will XOR into its next one, as a number. None means
        # that the context is missing or that an exception left it in an unknown place; both make
        # the next call start a new one.
        self._encryptor: CipherContext | None = None
        self._encryptor_state: int | None = None
        self._decryptor: CipherContext | None = None
        self._decryptor_state: int | None = None
        self._mac: CipherContext | None = None
        self._mac_state: int | None = None
        self._mac_subkeys = (0, 0)
        self._mac_used = False

    def __repr__(self) -> str:
        return f"<CipherKey: {self.cipher.name}, {self.size} bytes>"

    def encrypt_ecb(self, data: bytes) -> bytes:
        """Encrypt whole blocks in ECB. Raises DataSizeError if `data` is not whole blocks."""
        if len(data) % self.block_size:
            raise self._not_blocks(data)
        if self._ecb_encryptor is None:
            self._ecb_encryptor = _Cipher(self._algorithm, modes.ECB()).encryptor()  # noqa: S305
        # Whole blocks leave no state behind, so ECB needs no lock.
        return self._ecb_encryptor.update(data)

    def decrypt_ecb(self, data: bytes) -> bytes:
        """Decrypt whole blocks in ECB. Raises DataSizeError if `data` is not whole blocks."""
        if len(data) % self.block_size:
            raise self._not_blocks(data)
        if self._ecb_decryptor is None:
            self._ecb_decryptor = _Cipher(self._algorithm, modes.ECB()).decryptor()  # noqa: S305
        return self._ecb_decryptor.update(data)

    def encrypt_cbc(self, data: bytes, iv: bytes) -> bytes:
        """
        Encrypt whole blocks in CBC, without padding.

        Args:
            data: any number of whole blocks.
            iv: one block.

        Raises:
            DataSizeError: `data` is not whole blocks, or `iv` not one.
        """
        block_size = self.block_size
        if len(data) % block_size or len(iv) != block_size:
            raise self._not_blocks(data, iv)
        if not data:
            return b""
        with self._lock:
            state = self._encryptor_state
            if state is None or self._encryptor is None:
                self._encryptor = _Cipher(self._algorithm, modes.CBC(iv)).encryptor()
            else:
                self._encryptor_state = None
                first = int.from_bytes(data[:block_size]) ^ int.from_bytes(iv) ^ state
                data = first.to_bytes(block_size) + data[block_size:]
            out = self._encryptor.update(data)
            self._encryptor_state = int.from_bytes(out[-block_size:])
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
        block_size = self.block_size
        if len(data) % block_size or len(iv) != block_size:
            raise self._not_blocks(data, iv)
        if not data:
            return b""
        with self._lock:
            state = self._decryptor_state
            if state is None or self._decryptor is None:
                self._decryptor = _Cipher(self._algorithm, modes.CBC(iv)).decryptor()
                out = self._decryptor.update(data)
            else:
                self._decryptor_state = None
                out = self._decryptor.update(data)
                first = int.from_bytes(out[:block_size]) ^ int.from_bytes(iv) ^ state
                out = first.to_bytes(block_size) + out[block_size:]
            self._decryptor_state = int.from_bytes(data[-block_size:])
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
        start, wrap = int.from_bytes(counter), 1 << (8 * block_size)
        counters = (
            ((start + i) % wrap).to_bytes(block_size) for i in range(-(-size // block_size))
        )
        stream = self.encrypt_ecb(b"".join(counters))
        return (int.from_bytes(data) ^ int.from_bytes(stream[:size])).to_bytes(size)

    def cmac(self, data: bytes) -> bytes:
        """Return the whole CMAC (one block) of any number of bytes (NIST SP 800-38B, 6.2)."""
        block_size = self.block_size
        with self._lock:
            if not self._mac_used:
                # A key that makes one MAC in its life is not worth two contexts and subkeys.
                self._mac_used = True
                mac = CMAC(self._algorithm)
                mac.update(data)
                return mac.finalize()
            state = self._mac_state
            if state is None or self._mac is None:
                state = self._start_mac()
            self._mac_state = None
            subkey, padded_subkey = self._mac_subkeys
            surplus = len(data) % block_size
            if surplus or not data:
                data = data + b"\x80" + bytes(block_size - surplus - 1)
                subkey = padded_subkey
            size = len(data)
            # One number for the whole message: the subkey falls on its last block, and the state
            # left by the message before is taken out of its first.
            message = int.from_bytes(data) ^ subkey ^ (state << (8 * (size - block_size)))
            assert self._mac is not None  # noqa: S101  # _start_mac has set it; this is for mypy
            tag = self._mac.update(message.to_bytes(size))[-block_size:]
            self._mac_state = int.from_bytes(tag)
        return tag

    def cmac_single_blocks(self, messages: Sequence[bytes]) -> bytes:
        """
        Return the CMACs of messages of at most one block each, joined.

        A key that only derives others needs no MAC context for it: the CMAC of one block is one
        encryption, so all of them are one call in ECB.

        Raises:
            DataSizeError: a message is longer than one block.
        """
        block_size = self.block_size
        subkey = _double(int.from_bytes(self.encrypt_ecb(bytes(block_size))), block_size)
        padded_subkey = _double(subkey, block_size)
        blocks: list[bytes] = []
        for message in messages:
            missing = block_size - len(message)
            if missing < 0:
                raise DataSizeError(
                    f"message of {len(message)} bytes: expected at most {block_size}"
                )
            if missing:
                padded = message + b"\x80" + bytes(missing - 1)
                block = int.from_bytes(padded) ^ padded_subkey
            else:
                block = int.from_bytes(message) ^ subkey
            blocks.append(block.to_bytes(block_size))
        return self.encrypt_ecb(b"".join(blocks))

    def _start_mac(self) -> int:
        """Open the kept MAC context, compute both subkeys, and return the context's state."""
        block_size = self.block_size
        self._mac = _Cipher(self._algorithm, modes.CBC(bytes(block_size))).encryptor()
        # The first block through a zero IV is E(0), the L of SP 800-38B, 6.1, and the state too.
        state = int.from_bytes(self._mac.update(bytes(block_size)))
        first = _double(state, block_size)
        self._mac_subkeys = (first, _double(first, block_size))
        return state

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


def _double(value: int, block_size: int) -> int:
    """Multiply by x in the field of CMAC (NIST SP 800-38B, 6.1)."""
    bits = 8 * block_size
    doubled = value << 1
    return (
        (doubled ^ _CMAC_REDUCTION[block_size]) & ((1 << bits) - 1) if doubled >> bits else doubled
    )
