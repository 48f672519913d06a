"""The simulator's key blocks: captured lengths, everything bound, every failure A4."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    Algorithm,
    Exportability,
    ModeOfUse,
    OptionalBlock,
    ThalesHeader,
    ThalesVersion,
)
from keyferry.hsm.payshield.simulator.key_block_lmk import BlockCipher
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

KEYS = {Cipher.AES: bytes(range(32)), Cipher.TDES: bytes(range(1, 25))}
VERSIONS = {Cipher.AES: ThalesVersion.AES_LMK, Cipher.TDES: ThalesVersion.TDES_LMK}


def header(cipher: Cipher, **changes: object) -> ThalesHeader:
    """Return a header under an LMK of a cipher."""
    fields: dict[str, object] = {
        "version": VERSIONS[cipher],
        "usage": "P0",
        "algorithm": Algorithm.TDES,
        "mode": ModeOfUse.BOTH_DIRECTIONS,
        "exportability": Exportability.EXPORTABLE,
    }
    return ThalesHeader(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cipher", "size", "length"),
    [
        (Cipher.TDES, 16, 72),
        (Cipher.TDES, 24, 88),
        (Cipher.AES, 16, 96),
        (Cipher.AES, 24, 96),
        (Cipher.AES, 32, 128),
    ],
)
def test_lengths(cipher: Cipher, size: int, length: int) -> None:
    """The lengths captured from devices, in the field and in the block."""
    block = BlockCipher(cipher, KEYS[cipher]).seal(header(cipher), bytes(size))
    assert len(block) == length
    assert block[:5] == f"{VERSIONS[cipher].value}{length:04d}".encode()


@pytest.mark.parametrize(
    ("cipher", "length"), [(Cipher.TDES, 16 + 664 + 8), (Cipher.AES, 16 + 672 + 16)]
)
def test_lengths_of_rsa_private_keys(cipher: Cipher, length: int) -> None:
    """656 bytes of RSA-2048 make the captured binary blocks."""
    block = BlockCipher(cipher, KEYS[cipher]).seal(
        header(cipher, usage="03", algorithm=Algorithm.RSA, mode=ModeOfUse.SIGN),
        bytes(656),
        binary=True,
    )
    assert len(block) == length


def test_first_block_repeats_and_the_rest_does_not() -> None:
    """As captured: two wraps of one key agree in the first cipher block only."""
    cipher = BlockCipher(Cipher.AES, KEYS[Cipher.AES])
    one, two = (cipher.seal(header(Cipher.AES), bytes(16)) for _ in range(2))
    assert one[:48] == two[:48]
    assert one[48:80] != two[48:80]
    assert one[80:] != two[80:]


@pytest.mark.parametrize("cipher", list(Cipher))
@pytest.mark.parametrize("blocks", [(), (OptionalBlock("KV", "1234"), OptionalBlock("LB", "test"))])
def test_every_changed_character_is_refused(
    cipher: Cipher, blocks: tuple[OptionalBlock, ...]
) -> None:
    """Header, optional blocks, ciphertext, MAC: A4 for any other character in any place."""
    opener = BlockCipher(cipher, KEYS[cipher])
    original = header(cipher, optional_blocks=blocks)
    block = opener.seal(original, bytes(range(16)))
    assert opener.open(block) == (original, bytes(range(16)))
    for place in range(len(block)):
        for other in b"0159AFSTXaf?":
            if other == block[place]:
                continue
            changed = block[:place] + bytes((other,)) + block[place + 1 :]
            with pytest.raises(CommandRefusedError) as caught:
                opener.open(changed)
            assert caught.value.code == "A4"


@given(st.binary(max_size=300), st.sampled_from(list(Cipher)))
@settings(deadline=None)
def test_any_bytes_are_refused(data: bytes, cipher: Cipher) -> None:
    """What is no block of ours is A4, whatever it is."""
    with pytest.raises(CommandRefusedError) as caught:
        BlockCipher(cipher, KEYS[cipher]).open(data)
    assert caught.value.code == "A4"


@given(
    st.binary(min_size=1, max_size=600),
    st.sampled_from(list(Cipher)),
    st.booleans(),
    st.text("ABC019", min_size=0, max_size=40),
)
@settings(deadline=None)
def test_round_trip(payload: bytes, cipher: Cipher, binary: bool, label: str) -> None:
    """What was sealed opens, text or raw, with optional blocks."""
    opener = BlockCipher(cipher, KEYS[cipher])
    original = header(
        cipher,
        algorithm=Algorithm.RSA if binary else Algorithm.AES,
        optional_blocks=(OptionalBlock("LB", label),),
    )
    block = opener.seal(original, payload, binary=binary)
    assert opener.open(block) == (original, payload)
    if not binary:
        assert block.isascii()


def test_another_key_opens_nothing() -> None:
    """A block of one LMK is A4 under another."""
    block = BlockCipher(Cipher.AES, KEYS[Cipher.AES]).seal(header(Cipher.AES), bytes(16))
    with pytest.raises(CommandRefusedError):
        BlockCipher(Cipher.AES, bytes(32)).open(block)
