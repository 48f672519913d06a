"""Wrapping and unwrapping: lengths, versions, legacy, order of checks, a second opinion."""

from __future__ import annotations

import os
import threading

import psec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
    UnwrappedKey,
)
from keyferry.errors import (
    DataSizeError,
    KeyBlockAuthenticationError,
    KeySizeError,
    MalformedKeyBlockError,
    UnsupportedKeyBlockError,
)

TDES_KBPK = KBPK(Cipher.TDES, bytes.fromhex("DD7515F2BFC17F85CE48F3CA25CB21F6"))
AES_KBPK = KBPK(Cipher.AES, bytes(range(32)))
KBPK_OF = {version: AES_KBPK if version in "DE" else TDES_KBPK for version in BlockVersion}
KEY = bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")


def header(version: str, algorithm: str = "T", **fields: object) -> KeyBlockHeader:
    """A PIN encryption key's header."""
    return KeyBlockHeader(
        version=BlockVersion(version),
        usage="P0",
        algorithm=Algorithm(algorithm),
        mode=ModeOfUse.ENCRYPT,
        exportability=Exportability.EXPORTABLE,
        **fields,
    )


@given(
    version=st.sampled_from(BlockVersion),
    algorithm=st.sampled_from(Algorithm),
    key=st.binary(min_size=1, max_size=600),
    masked=st.none() | st.integers(0, 700),
    label=st.none() | st.text("abc xyz", max_size=300),
)
@settings(derandomize=True, max_examples=300)
def test_unwrap_is_the_inverse_of_wrap(
    version: BlockVersion, algorithm: Algorithm, key: bytes, masked: int | None, label: str | None
) -> None:
    """Whatever is wrapped comes back with its header, under every version."""
    blocks = () if label is None else (OptionalBlock("LB", label),)
    made = header(version, algorithm, optional_blocks=blocks)
    kbpk = KBPK_OF[version]
    block = kbpk.wrap(made, key, masked_bytes=masked, allow_legacy=True)
    assert block == block[: len(made.encode())] + block[len(made.encode()) :].upper()
    opened = kbpk.unwrap(block)
    assert opened.key == key
    assert opened.header.optional_blocks[: len(blocks)] == blocks
    assert opened.header.length == len(block)
    body = block[len(opened.header.encode()) :]
    assert kbpk.unwrap(block[: -len(body)] + body.lower()) == opened


@pytest.mark.parametrize(
    ("version", "algorithm", "size", "bare", "hidden"),
    [
        ("A", "T", 16, 72, 88),
        ("C", "T", 16, 72, 88),
        ("B", "T", 16, 80, 96),
        ("A", "T", 24, 88, 88),
        ("C", "T", 24, 88, 88),
        ("B", "T", 24, 96, 96),
        ("D", "T", 16, 112, 112),
        ("D", "T", 24, 112, 112),
        ("D", "A", 16, 112, 144),
        ("D", "A", 24, 112, 144),
        ("D", "A", 32, 144, 144),
        ("D", "H", 64, 208, 208),
        ("D", "H", 32, 144, 208),
        ("E", "T", 16, 84, 100),
        ("E", "A", 16, 84, 116),
        ("D", "R", 100, 272, 272),
    ],
)
def test_lengths_with_and_without_hiding(
    version: str, algorithm: str, size: int, bare: int, hidden: int
) -> None:
    """The length of a block tells that of the key only if it is asked to."""
    kbpk, made, key = KBPK_OF[BlockVersion(version)], header(version, algorithm), bytes(size)
    for masked, length in ((0, bare), (None, hidden)):
        block = kbpk.wrap(made, key, masked_bytes=masked, allow_legacy=True)
        assert len(block) == length
        assert block[1:5] == f"{length:04}"


def test_padding_is_random_and_is_asked_for_once() -> None:
    """Two wraps of one key differ; exactly the bytes that are missing are drawn."""
    made = header("D")
    assert AES_KBPK.wrap(made, KEY) != AES_KBPK.wrap(made, KEY)
    asked: list[int] = []

    def draw(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    AES_KBPK.wrap(made, KEY, random_bytes=draw)
    assert asked == [14]
    with pytest.raises(DataSizeError, match="padding of 3 bytes"):
        AES_KBPK.wrap(made, KEY, random_bytes=lambda _: b"abc")


@pytest.mark.parametrize("version", ["A", "C"])
def test_legacy_versions_are_written_only_when_asked_for(version: str) -> None:
    """A and C open, but are not made unless the caller names the danger."""
    with pytest.raises(UnsupportedKeyBlockError, match="legacy") as caught:
        TDES_KBPK.wrap(header(version), KEY)
    assert "version B" in (caught.value.hint or "")
    block = TDES_KBPK.wrap(header(version), KEY, allow_legacy=True)
    assert TDES_KBPK.unwrap(block).key == KEY


@pytest.mark.parametrize("version", list(BlockVersion))
def test_a_version_wants_its_cipher(version: BlockVersion) -> None:
    """A TDES KBPK makes and opens no D block, an AES KBPK no B block."""
    right = KBPK_OF[version]
    wrong = TDES_KBPK if right is AES_KBPK else AES_KBPK
    block = right.wrap(header(version), KEY, allow_legacy=True)
    with pytest.raises(UnsupportedKeyBlockError, match=f"version {version} wants"):
        wrong.wrap(header(version), KEY, allow_legacy=True)
    with pytest.raises(UnsupportedKeyBlockError, match=f"version {version} wants"):
        wrong.unwrap(block)
    with pytest.raises(UnsupportedKeyBlockError, match=f"version {version} wants"):
        wrong.derive(version)


@pytest.mark.parametrize(
    ("cipher", "size"),
    [(Cipher.TDES, n) for n in (0, 8, 15, 17, 32)] + [(Cipher.AES, n) for n in (0, 8, 15, 33)],
)
def test_refuses_kbpks_of_other_sizes(cipher: Cipher, size: int) -> None:
    """Single DES wraps nothing; other lengths are no keys."""
    with pytest.raises(KeySizeError, match=f"{cipher.name} KBPK of {size} bytes"):
        KBPK(cipher, bytes(size))


@pytest.mark.parametrize("size", [0, 8192])
def test_refuses_keys_whose_bits_two_bytes_cannot_count(size: int) -> None:
    """A key has 1 to 8191 bytes."""
    with pytest.raises(KeySizeError, match=f"{size} bytes"):
        AES_KBPK.wrap(header("D", "R"), bytes(size))


def test_refuses_blocks_that_four_digits_cannot_count() -> None:
    """9999 characters is the most, on the way out and on the way in."""
    with pytest.raises(MalformedKeyBlockError, match="at most 9999"):
        AES_KBPK.wrap(header("D", "R"), bytes(5000))
    largest = AES_KBPK.wrap(header("D", "R"), bytes(4900))
    assert AES_KBPK.unwrap(largest).key == bytes(4900)
    with pytest.raises(MalformedKeyBlockError, match="at most 9999"):
        AES_KBPK.unwrap("D" * 10000)
    with pytest.raises(MalformedKeyBlockError, match="at most 9999"):
        AES_KBPK.unwrap("\u20ac" * 1_000_000)


def test_refuses_characters_that_do_not_print() -> None:
    """The place of the first one is named."""
    block = AES_KBPK.wrap(header("D"), KEY)
    with pytest.raises(MalformedKeyBlockError) as caught:
        AES_KBPK.unwrap(block[:40] + "\n" + block[41:])
    assert (caught.value.field, caught.value.offset) == ("character", 40)


@pytest.mark.parametrize("separator", [" ", "\t", "x", "\u0660"])
def test_refuses_what_python_would_read_as_hex(separator: str) -> None:
    """No blanks between hex digits, no digits of other scripts."""
    block = AES_KBPK.wrap(header("D"), KEY)
    for index in (16, 30, len(block) - 1):
        with pytest.raises(MalformedKeyBlockError) as caught:
            AES_KBPK.unwrap(block[:index] + separator + block[index + 1 :])
        assert caught.value.offset == index


@pytest.mark.parametrize("version", list(BlockVersion))
def test_form_is_checked_before_the_kbpk_and_the_mac(version: BlockVersion) -> None:
    """A cut block says so even to a KBPK that could not open it."""
    block = KBPK_OF[version].wrap(header(version), KEY, allow_legacy=True)
    for kbpk in (TDES_KBPK, AES_KBPK):
        with pytest.raises(MalformedKeyBlockError, match="length at offset 1"):
            kbpk.unwrap(block[:-2])


@pytest.mark.parametrize("version", list(BlockVersion))
def test_failures_of_the_mac_are_one_error(version: BlockVersion) -> None:
    """Another KBPK, a changed ciphertext, MAC or header cannot be told apart."""
    block = KBPK_OF[version].wrap(header(version), KEY, allow_legacy=True)
    other = KBPK(version.cipher, bytes(range(100, 116)))

    def flip(index: int) -> str:
        return block[:index] + ("1" if block[index] == "0" else "0") + block[index + 1 :]

    texts = set()
    for kbpk, text in (
        (other, block),
        (KBPK_OF[version], flip(16)),
        (KBPK_OF[version], flip(len(block) - 1)),
        (KBPK_OF[version], block[:11] + "N" + block[12:]),
    ):
        with pytest.raises(KeyBlockAuthenticationError) as caught:
            kbpk.unwrap(text)
        texts.add(str(caught.value))
    assert texts == {"key block authentication failed"}


def test_nothing_shows_the_key() -> None:
    """Neither a KBPK nor what it opened prints its bytes."""
    opened = AES_KBPK.unwrap(AES_KBPK.wrap(header("D"), KEY))
    assert KEY.hex() not in repr(opened).lower()
    assert repr(KEY) not in repr(opened)
    assert repr(AES_KBPK) == "<KBPK: AES, 32 bytes>"


def test_threads_share_a_kbpk() -> None:
    """Several threads wrap and unwrap under one KBPK, from its first use on."""
    kbpk = KBPK(Cipher.AES, os.urandom(32))
    start = threading.Barrier(4)
    opened: list[bool] = []

    def work(number: int) -> None:
        key = bytes([number]) * 16
        start.wait()
        opened.extend(kbpk.unwrap(kbpk.wrap(header("D"), key)).key == key for _ in range(300))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A thread that raised would leave less than its share.
    assert opened == [True] * 1200


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("version", "ABCD")
@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_second_implementation_agrees(version: str, size: int) -> None:
    """psec opens what we wrap and we open what psec wraps."""
    if version != "D" and size == 32:
        size = 16
    algorithm = "A" if version == "D" else "T"
    key, kbpk = os.urandom(16), os.urandom(size)
    ours = KBPK(Cipher.AES if version == "D" else Cipher.TDES, kbpk)
    made = header(
        version, algorithm, optional_blocks=(OptionalBlock("KS", "00604B120F9292800000"),)
    )
    theirs, opened = psec.tr31.unwrap(kbpk, ours.wrap(made, key, allow_legacy=True))
    assert opened == key
    assert (theirs.key_usage, theirs.blocks["KS"]) == ("P0", "00604B120F9292800000")
    peer = psec.tr31.Header(version, "P0", algorithm, "E", "00", "E")
    peer.blocks["KS"] = "00604B120F9292800000"
    assert ours.unwrap(psec.tr31.wrap(kbpk, peer, key)).key == key


def test_an_unwrapped_key_compares_by_header_and_key() -> None:
    """Two openings of one block are equal."""
    block = AES_KBPK.wrap(header("D"), KEY)
    assert AES_KBPK.unwrap(block) == AES_KBPK.unwrap(block)
    assert AES_KBPK.unwrap(block) != UnwrappedKey(header("D"), KEY[::-1])
