"""No broken token raises anything but a documented error, and none that was changed opens."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from keyferry.crypto.tr34 import (
    ContentCipher,
    Layout,
    assemble_token,
    build_signed_attributes,
    build_token,
    encode_key_block,
    issuer_and_serial,
    open_token,
    parse_key_block,
    parse_token,
)
from keyferry.errors import KeyferryError, MalformedTokenError

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
NONCE = bytes.fromhex("167EB0E72781E494")
SEED = 34


@pytest.fixture(scope="session")
def tokens(kdh: Any, krd: Any) -> dict[Layout, bytes]:
    """One token of every layout."""
    return {
        layout: build_token(
            key=KEY,
            header="D9999K0TB00E0000",
            kdh_certificate=kdh.certificate,
            kdh_private_key=kdh.key,
            krd_certificate=krd.certificate,
            nonce=NONCE,
            content_cipher=ContentCipher.TDES,
            layout=layout,
        )
        for layout in Layout
    }


def refused(token: bytes, kdh: Any, krd: Any) -> bool:
    """Whether a token is refused with an error of ours; any other exception goes through."""
    try:
        open_token(
            token,
            kdh_certificate=kdh.certificate,
            krd_certificate=krd.certificate,
            krd_private_key=krd.key,
            nonce=NONCE,
        )
    except KeyferryError:
        return True
    return False


@pytest.mark.parametrize("layout", list(Layout))
def test_fuzz_every_byte_changed(
    kdh: Any, krd: Any, tokens: dict[Layout, bytes], layout: Layout
) -> None:
    """Each byte, with its lowest bit and its highest bit turned."""
    token = tokens[layout]
    for index in range(len(token)):
        for mask in (0x01, 0x80):
            changed = bytearray(token)
            changed[index] ^= mask
            assert refused(bytes(changed), kdh, krd), f"byte {index} ^ {mask:02X}"


@pytest.mark.parametrize("layout", list(Layout))
def test_fuzz_every_truncation(tokens: dict[Layout, bytes], layout: Layout) -> None:
    """Cut anywhere, or with anything behind it, it is not a token."""
    token = tokens[layout]
    for size in range(len(token)):
        with pytest.raises(MalformedTokenError):
            parse_token(token[:size])
    for tail in (b"\x00", b"\x00\x00", token):
        with pytest.raises(MalformedTokenError):
            parse_token(token + tail)


def scramble(token: bytes, source: random.Random) -> bytes:
    """Insert, delete, repeat or overwrite a few stretches."""
    data = bytearray(token)
    for _ in range(source.randint(1, 4)):
        start = source.randrange(len(data) + 1)
        end = min(len(data), start + source.randint(0, 12))
        piece = data[start:end]
        match source.randrange(4):
            case 0:
                del data[start:end]
            case 1:
                data[start:end] = source.randbytes(end - start)
            case 2:
                data[start:start] = piece
            case _:
                data[start:start] = source.randbytes(source.randint(1, 4))
    return bytes(data)


def run(kdh: Any, krd: Any, tokens: dict[Layout, bytes], rounds: int) -> None:
    """Scramble tokens with a fixed seed; one that comes out unchanged is skipped."""
    source = random.Random(SEED)
    for index in range(rounds):
        token = tokens[source.choice(list(Layout))]
        changed = scramble(token, source)
        if changed != token:
            assert refused(changed, kdh, krd), f"seed {SEED}, round {index}: {changed.hex()}"


def test_fuzz_scrambled_tokens(kdh: Any, krd: Any, tokens: dict[Layout, bytes]) -> None:
    """The short form."""
    run(kdh, krd, tokens, 2_000)


@pytest.mark.soak
def test_fuzz_scrambled_tokens_for_long(kdh: Any, krd: Any, tokens: dict[Layout, bytes]) -> None:
    """The long form."""
    run(kdh, krd, tokens, 300_000)


def test_fuzz_random_bytes(kdh: Any, krd: Any) -> None:
    """Noise, and noise that starts like a token."""
    source = random.Random(SEED)
    start = bytes.fromhex("308204580609 2A864886F70D010702".replace(" ", ""))
    for _ in range(500):
        noise = source.randbytes(source.randint(0, 200))
        assert refused(noise, kdh, krd)
        assert refused(start + noise, kdh, krd)


@pytest.mark.parametrize("layout", [Layout.AWS, Layout.CMS])
def test_fuzz_signed_envelopes(
    kdh: Any, krd: Any, tokens: dict[Layout, bytes], layout: Layout
) -> None:
    """Each byte of the envelope changed under a signature that is right over the change."""
    parsed = parse_token(tokens[layout])
    kdh_id = issuer_and_serial(kdh.certificate)
    for index in range(len(parsed.econtent)):
        changed = bytearray(parsed.econtent)
        changed[index] ^= 1 << index % 8
        econtent = bytes(changed)
        attributes_set = build_signed_attributes(
            econtent=econtent, header=parsed.header, nonce=NONCE, layout=layout
        )
        try:
            token = assemble_token(
                econtent=econtent,
                attributes_set=attributes_set,
                kdh_id=kdh_id,
                signature=kdh.key.sign(attributes_set, padding.PKCS1v15(), hashes.SHA256()),
                layout=layout,
            )
        except MalformedTokenError:
            continue
        # CBC is not authenticated: below a right signature, IV and ciphertext may turn into another
        # key. Everything before them must be refused.
        if not refused(token, kdh, krd):
            assert index >= parsed.econtent.index(parsed.envelope.iv), f"byte {index}"


def test_fuzz_key_blocks(kdh: Any) -> None:
    """Each byte of a clear key block changed: it parses or is refused as documented."""
    block = encode_key_block(
        key=KEY, header="D9999K0TB00E0000", kdh_id=issuer_and_serial(kdh.certificate)
    )
    parsed = 0
    for index in range(len(block)):
        for mask in (0x01, 0x02, 0x04, 0x20, 0x80):
            changed = bytearray(block)
            changed[index] ^= mask
            try:
                parse_key_block(bytes(changed))
            except MalformedTokenError:
                continue
            parsed += 1
    # Changes inside names, key and header leave the shape alone; most others do not.
    assert 0 < parsed < len(block) * 5
