"""Kept contexts compute what fresh ones compute, in any order and from any thread."""

from __future__ import annotations

import pickle
import random
import threading

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as LibraryCipher
from cryptography.hazmat.primitives.ciphers import modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher, CipherKey, expand_tdes_key
from keyferry.errors import DataSizeError, KeySizeError

KEYS = [
    pytest.param(cipher, bytes(range(1, size + 1)), id=f"{cipher.name}-{size}")
    for cipher in Cipher
    for size in cipher.key_sizes
]


def library_algorithm(cipher: Cipher, key: bytes) -> AES | TripleDES:
    """The same key as the library knows it; TDES spelled out, so as not to use our expansion."""
    if cipher is Cipher.AES:
        return AES(key)
    return TripleDES({8: key * 3, 16: key + key[:8], 24: key}[len(key)])


def fresh_cbc(algorithm: AES | TripleDES, data: bytes, iv: bytes) -> bytes:
    """CBC with a new context."""
    return LibraryCipher(algorithm, modes.CBC(iv)).encryptor().update(data)


def fresh_cmac(algorithm: AES | TripleDES, data: bytes) -> bytes:
    """CMAC with a new context."""
    mac = CMAC(algorithm)
    mac.update(data)
    return mac.finalize()


@pytest.mark.parametrize(("cipher", "key"), KEYS)
def test_a_kept_context_equals_a_fresh_one(cipher: Cipher, key: bytes) -> None:
    """Hundreds of operations on one handle, of all lengths and mixed, match the library's."""
    rng = random.Random(20240229)
    handle, algorithm, block = (
        CipherKey(cipher, key),
        library_algorithm(cipher, key),
        cipher.block_size,
    )
    for _ in range(300):
        data = rng.randbytes(rng.choice([0, 1, block - 1, block, block + 1, 127, 128, 129, 200]))
        blocks = rng.randbytes(block * rng.randrange(20))
        iv = rng.choice([rng.randbytes(block), bytes(block), b"\xff" * block])
        assert handle.cmac(data) == fresh_cmac(algorithm, data)
        assert handle.encrypt_cbc(blocks, iv) == fresh_cbc(algorithm, blocks, iv)
        assert handle.decrypt_cbc(fresh_cbc(algorithm, blocks, iv), iv) == blocks
        ecb = LibraryCipher(algorithm, modes.ECB()).encryptor().update(blocks)
        assert handle.encrypt_ecb(blocks) == ecb
        assert handle.decrypt_ecb(ecb) == blocks


@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("counter", [bytes(16), b"\xff" * 16, bytes(15) + b"\xfe"])
def test_aes_counter_mode_equals_the_library(size: int, counter: bytes) -> None:
    """The counter is one big-endian number that wraps, also right after another message."""
    handle = CipherKey(Cipher.AES, bytes(size))
    for length in (0, 1, 15, 16, 17, 100):
        data = bytes(range(length))
        expected = LibraryCipher(AES(bytes(size)), modes.CTR(counter)).encryptor().update(data)
        assert handle.encrypt_ctr(data, counter) == expected
        assert handle.encrypt_ctr(expected, counter) == data


def test_tdes_counter_mode_is_the_counters_in_ecb() -> None:
    """OpenSSL has no such mode: the stream is checked against its definition."""
    key = bytes(range(1, 25))
    handle = CipherKey(Cipher.TDES, key)
    counters = b"\xff" * 8 + bytes(8) + bytes(7) + b"\x01"
    stream = LibraryCipher(TripleDES(key), modes.ECB()).encryptor().update(counters)
    assert handle.encrypt_ctr(bytes(20), b"\xff" * 8) == stream[:20]


@given(data=st.binary(max_size=400), iv=st.binary(min_size=16, max_size=16))
@settings(derandomize=True, max_examples=100)
def test_cbc_decrypts_what_it_encrypts(data: bytes, iv: bytes) -> None:
    """Decryption is the inverse on whole blocks, on a handle that has other work between."""
    handle = CipherKey(Cipher.AES, bytes(16))
    blocks = data[: len(data) // 16 * 16]
    sealed = handle.encrypt_cbc(blocks, iv)
    handle.encrypt_cbc(bytes(32), bytes(16))
    handle.decrypt_cbc(bytes(32), bytes(16))
    assert handle.decrypt_cbc(sealed, iv) == blocks


def test_threads_share_a_handle() -> None:
    """Four threads chain on one handle and each still gets its own answers."""
    handle = CipherKey(Cipher.AES, bytes(range(16)))
    algorithm = AES(bytes(range(16)))
    start = threading.Barrier(4)
    wrong: list[str] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        cases = [(rng.randbytes(96), rng.randbytes(16)) for _ in range(50)]
        # Large enough for the library to let other threads run in the middle of an operation.
        large = rng.randbytes(1 << 20)
        expected = [(fresh_cbc(algorithm, d, iv), fresh_cmac(algorithm, d)) for d, iv in cases]
        whole = fresh_cbc(algorithm, large, bytes(16))
        start.wait()
        for _ in range(10):
            for (data, iv), (sealed, tag) in zip(cases, expected, strict=True):
                if handle.encrypt_cbc(data, iv) != sealed or handle.decrypt_cbc(sealed, iv) != data:
                    wrong.append("CBC")
                if handle.cmac(data) != tag:
                    wrong.append("CMAC")
            if handle.encrypt_cbc(large, bytes(16)) != whole:
                wrong.append("large CBC")
            if handle.decrypt_ecb(handle.encrypt_ecb(large)) != large:
                wrong.append("large ECB")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_interrupted_operation_leaves_no_trace() -> None:
    """A context that raised in the middle is dropped; the next call answers as ever."""
    handle, iv = CipherKey(Cipher.AES, bytes(16)), bytes(16)
    data = bytes(range(48))
    sealed, tag = handle.encrypt_cbc(data, iv), handle.cmac(data)
    handle.cmac(data)
    for broken in (handle.encrypt_ecb, handle.cmac, lambda text: handle.encrypt_cbc(text, iv)):
        with pytest.raises(TypeError):
            broken("text of 16 chars")
    assert handle.encrypt_cbc(data, iv) == sealed
    assert handle.cmac(data) == tag


@pytest.mark.parametrize(
    ("cipher", "size"),
    [(Cipher.TDES, n) for n in (0, 7, 9, 15, 17, 23, 25, 32)]
    + [(Cipher.AES, n) for n in (0, 8, 15, 17, 31, 33, 64)],
)
def test_refuses_other_key_sizes(cipher: Cipher, size: int) -> None:
    """A key of a length the cipher does not know is named with its length."""
    with pytest.raises(KeySizeError, match=f"{cipher.name} key of {size} bytes"):
        CipherKey(cipher, bytes(size))


@pytest.mark.parametrize("cipher", list(Cipher))
def test_refuses_partial_blocks_and_wrong_ivs(cipher: Cipher) -> None:
    """ECB and CBC take whole blocks and one block of IV, and say so before they touch a context."""
    handle, block = CipherKey(cipher, bytes(16)), bytes(cipher.block_size)
    for operation in (handle.encrypt_ecb, handle.decrypt_ecb):
        with pytest.raises(DataSizeError, match="whole blocks"):
            operation(block + b"x")
    for chained in (handle.encrypt_cbc, handle.decrypt_cbc):
        with pytest.raises(DataSizeError, match="whole blocks"):
            chained(block + b"x", block)
        with pytest.raises(DataSizeError, match="IV of"):
            chained(block, block[1:])
    with pytest.raises(DataSizeError, match="IV of"):
        handle.encrypt_ctr(b"data", block + b"x")


def test_expansion_of_tdes_keys() -> None:
    """One, two and three keys become three."""
    k1, k2, k3 = b"1" * 8, b"2" * 8, b"3" * 8
    assert expand_tdes_key(k1) == k1 * 3
    assert expand_tdes_key(k1 + k2) == k1 + k2 + k1
    assert expand_tdes_key(k1 + k2 + k3) == k1 + k2 + k3
    with pytest.raises(KeySizeError, match="12 bytes"):
        expand_tdes_key(bytes(12))


def test_a_handle_shows_and_gives_away_no_key() -> None:
    """Its name tells cipher and size; it does not pickle."""
    handle = CipherKey(Cipher.TDES, b"\xa5" * 16)
    handle.cmac(b"")
    handle.encrypt_ecb(bytes(8))
    assert repr(handle) == "<CipherKey: TDES, 16 bytes>"
    with pytest.raises(TypeError):
        pickle.dumps(handle)
