"""Generating, importing, exporting and translating keys, and every way to be refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.components import has_odd_parity
from keyferry.crypto.dukpt import aes_initial_key
from keyferry.crypto.keyblock import KBPK, KeyBlockHeader
from keyferry.crypto.variant_lmk import TEST_LMK, encrypt_under_zmk
from keyferry.hsm.payshield.key_field import WireKey
from keyferry.hsm.payshield.simulator import Device, Settings, State
from keyferry.hsm.payshield.simulator.firmware import PROFILES

Ask = Callable[..., bytes]
Encrypt = Callable[[str, str, str], str]

CLEAR_KEK = "0123456789ABCDEFFEDCBA9876543210"
CLEAR_KEY = "851A0D9D0B2A1602622AD0B0E9E6B070"
CLEAR_TRIPLE = "0123456789ABCDEFFEDCBA9876543210851A0D9D0B2A1602"


def made(answer: bytes, *, key_characters: int) -> tuple[str, str]:
    """Cut a good A1 or A7 answer into key and check value."""
    text = answer.decode()
    assert text[2:4] == "00", text
    assert len(text) == 4 + key_characters + 6
    return text[4:-6], text[-6:]


# --- A0 -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "length", "characters"),
    [
        ("D1", 64, 65),
        ("T2", 96, 97),
        ("T3", 96, 97),
        ("A1", 96, 97),
        ("A2", 96, 97),
        ("A3", 128, 129),
    ],
)
def test_lengths_of_key_blocks(
    ask: Ask, device: Device, algorithm: str, length: int, characters: int
) -> None:
    """Blocks under an AES LMK have the captured lengths, and say so."""
    key, kcv = made(ask(device, f"A00FFFS#D0{algorithm}N00E00"), key_characters=characters)
    assert key.startswith(f"S1{length:04d}D0{algorithm[0]}N00E0000")
    assert ask(device, f"BUFFF{key};FFF;001") == f"BV00{kcv}".encode()


def test_two_wraps_differ(ask: Ask, device: Device) -> None:
    """Filling is random: no two blocks are equal, and neither are two keys."""
    blocks = {ask(device, "A00FFFS#K1T3N00E00") for _ in range(5)}
    assert len(blocks) == 5


@pytest.mark.parametrize(
    ("scheme", "characters", "size"), [("Z", 16, 8), ("U", 33, 16), ("X", 33, 16), ("T", 49, 24)]
)
def test_variant_keys(ask: Ask, device: Device, scheme: str, characters: int, size: int) -> None:
    """Keys under the variant LMK have odd parity and the check value of the answer."""
    key, kcv = made(ask(device, f"A00001{scheme}%02"), key_characters=characters)
    clear = TEST_LMK.decrypt(key, key_type="001")
    assert len(clear) == size
    assert has_odd_parity(clear)
    assert tdes_kcv(clear).hex().upper() == kcv


def test_generate_and_export(ask: Ask, device: Device) -> None:
    """Mode 1 returns the key twice; the exported copy opens under the wrapping key."""
    kek, _ = made(ask(device, "A00FFFS#K0A3N00E00"), key_characters=129)
    answer = ask(device, f"A01FFFS{kek}R#P0T2E00E00").decode()
    assert answer[:4] == "A100"
    key, block, kcv = answer[4:101], answer[101:-6], answer[-6:]
    assert block.startswith("RD0112P0TE00E0000")
    assert len(block) == 113
    imported = ask(device, f"A6FFF{kek}{block}S").decode()
    assert imported[-6:] == kcv
    assert ask(device, f"BUFFF{key};FFF;001").decode()[-6:] == kcv


def test_flag_before_the_wrapping_key(ask: Ask, device: Device) -> None:
    """Under a key block LMK the ZMK flag may be absent, `;0`, `;1` or the digit alone."""
    kek, _ = made(ask(device, "A00FFFS#K0A3N00E00"), key_characters=129)
    for flag in ("", ";0", ";1", "0", "1"):
        assert ask(device, f"A01FFFS{flag}{kek}R#P0T2E00E00&N!D")[:4] == b"A100"


def test_derive_aes_initial_key(ask: Ask, device: Device) -> None:
    """Mode B derives from an AES BDK-2; the exported copy holds the key the standard gives."""
    kek, _ = made(ask(device, "A00FFFS#K0A3N00S00"), key_characters=129)
    bdk, bdk_kcv = made(ask(device, "A00FFFS#41A1N00S00"), key_characters=97)
    answer = ask(device, f"A0BFFFS02{bdk}FFFFFFFFFFFFFF42{kek}R#B1A1N00S00").decode()
    assert answer[:4] == "A100"
    assert len(answer) == 4 + 97 + 113 + 6
    # The BDK itself leaves too, so that the derivation can be repeated outside.
    outside = Outside(ask, device, kek)
    base = outside.open(f"A8FFF{kek}{bdk}R")
    assert cmac_kcv(Cipher.AES, base).hex().upper() == bdk_kcv
    expected = aes_initial_key(base, bytes.fromhex("FFFFFFFFFFFFFF42"))
    assert outside.unwrap(answer[101:-6]) == expected
    assert cmac_kcv(Cipher.AES, expected).hex().upper() == answer[-6:]


class Outside:
    """The other side of a KEK. The simulator's own LMK opens it, as nothing outside could."""

    def __init__(self, ask: Ask, device: Device, kek: str) -> None:
        self.ask, self.device = ask, device
        lmk = device.lmks.get("00")
        opened = lmk.open(WireKey.parse(kek), "FFF", parity_code="10")
        self.kbpk = KBPK(opened.cipher, opened.material)

    def open(self, export: str) -> bytes:
        answer = self.ask(self.device, export).decode()
        assert answer[:4] == "A900", answer
        return self.unwrap(answer[4:-6])

    def unwrap(self, field: str) -> bytes:
        assert field[0] == "R"
        return self.kbpk.unwrap(field[1:]).key


def test_derive_tdes_initial_key(ask: Ask, open_device: Device, under_test_lmk: Encrypt) -> None:
    """Mode A derives a double-length initial key from a BDK under the variant LMK."""
    bdk = under_test_lmk(CLEAR_KEK, "009", "U")
    key, _ = made(ask(open_device, f"A0A302U01{bdk}FFFF9876543210E"), key_characters=33)
    derived = TEST_LMK.decrypt(key, key_type="302")
    # X9.24-1 prints this initial key for this BDK and KSN; parity is set on the way into storage.
    expected = bytes.fromhex("6AC292FAA1315B4D858AB3A3D7D5933A")
    assert bytes(byte & 0xFE for byte in derived) == bytes(byte & 0xFE for byte in expected)
    assert has_odd_parity(derived)
    # An odd last digit sets a bit of the counter.
    assert ask(open_device, f"A0A302U01{bdk}FFFF9876543210F") == b"A115"


# --- A4 -----------------------------------------------------------------------------------------


def test_components(ask: Ask, open_device: Device, under_test_lmk: Encrypt) -> None:
    """Three components give their XOR."""
    parts = [CLEAR_KEK, CLEAR_KEY, "C497DCBA1A98ABBC45A2523786C28007"]
    fields = "".join(under_test_lmk(part, "402", "U") for part in parts)
    key, kcv = made(ask(open_device, f"A43402U{fields}"), key_characters=33)
    xor = 0
    for part in parts:
        xor ^= int(part, 16)
    assert TEST_LMK.decrypt(key, key_type="402") == xor.to_bytes(16, "big")
    assert tdes_kcv(xor.to_bytes(16, "big")).hex().upper() == kcv


def test_two_components_get_odd_parity(
    ask: Ask, open_device: Device, under_test_lmk: Encrypt
) -> None:
    """Two odd components make even bytes; the key is stored odd, its check value is the same."""
    fields = "".join(under_test_lmk(part, "001", "U") for part in (CLEAR_KEK, CLEAR_KEY))
    key, kcv = made(ask(open_device, f"A42001U{fields}"), key_characters=33)
    xor = (int(CLEAR_KEK, 16) ^ int(CLEAR_KEY, 16)).to_bytes(16, "big")
    assert has_odd_parity(TEST_LMK.decrypt(key, key_type="001"))
    assert tdes_kcv(xor).hex().upper() == kcv


def test_component_blocks(ask: Ask, device: Device) -> None:
    """Blocks of one kind combine, blocks of different kinds do not."""
    first, _ = made(ask(device, "A00FFFS#K0A2N00E00"), key_characters=97)
    second, _ = made(ask(device, "A00FFFS#K0A2N00E00"), key_characters=97)
    other, _ = made(ask(device, "A00FFFS#D0A2N00E00"), key_characters=97)
    assert made(ask(device, f"A42FFFS{first}{second}#0100"), key_characters=97)[0][10:12] == "01"
    assert ask(device, f"A42FFFS{first}{other}#0000") == b"A5B5"
    assert ask(device, f"A42FFFS{first}{first}#0000") == b"A511"


# --- A6, A8 -------------------------------------------------------------------------------------


def test_tr31_from_outside(ask: Ask, device: Device, under_test_lmk: Encrypt) -> None:
    """A block made outside comes in under the variant LMK, with the type it is imported as."""
    zmk = under_test_lmk(CLEAR_KEK, "000", "U")
    header = KeyBlockHeader.parse("B0080P0TB00E0000")
    block = KBPK(Cipher.TDES, bytes.fromhex(CLEAR_KEK)).wrap(
        header, bytes.fromhex(CLEAR_KEY), masked_bytes=0
    )
    answer = ask(device, f"A6001{zmk}R{block}U%02").decode()
    assert answer == f"A700{under_test_lmk(CLEAR_KEY, '001', 'U')}E14F4E"
    # It is a PIN key, and does not become a base derivation key.
    assert ask(device, f"A6009{zmk}R{block}U%02") == b"A7A6"
    changed = block[:-1] + ("0" if block[-1] != "0" else "1")
    assert ask(device, f"A6001{zmk}R{changed}U%02") == b"A7A4"


@pytest.mark.parametrize(("version", "length"), [("A", 72), ("B", 80), ("C", 72)])
def test_tr31_versions_under_tdes(
    ask: Ask, device: Device, under_test_lmk: Encrypt, version: str, length: int
) -> None:
    """The version is the one asked for; lengths are minimal."""
    zmk, key = under_test_lmk(CLEAR_KEK, "000", "U"), under_test_lmk(CLEAR_KEY, "009", "U")
    answer = ask(device, f"A8009{zmk}{key}R%02&B0X00S00!{version}").decode()
    assert answer.startswith(f"A900R{version}{length:04d}B0TX00S0000")
    unwrapped = KBPK(Cipher.TDES, bytes.fromhex(CLEAR_KEK)).unwrap(answer[5:-6])
    assert unwrapped.key.hex().upper() == CLEAR_KEY
    assert answer[-6:] == "E14F4E"


@pytest.mark.parametrize(
    ("algorithm", "length"), [("T2", 112), ("T3", 112), ("A1", 112), ("A2", 112), ("A3", 144)]
)
def test_tr31_lengths_under_aes(ask: Ask, device: Device, algorithm: str, length: int) -> None:
    """Version D blocks have the lengths of X9.143 with the least padding, and open again."""
    kek, _ = made(ask(device, "A00FFFS#K1A3N00E00"), key_characters=129)
    size = 129 if algorithm == "A3" else 97
    key, kcv = made(ask(device, f"A00FFFS#D0{algorithm}B00E00"), key_characters=size)
    answer = ask(device, f"A8FFF{kek}{key}R%00!D").decode()
    assert answer.startswith(f"A900RD{length:04d}D0{algorithm[0]}B00E0000")
    assert answer[-6:] == kcv
    assert len(answer) == 4 + 1 + length + 6
    back, back_kcv = made(ask(device, f"A6FFF{kek}{answer[4:-6]}S%00#2100"), key_characters=size)
    assert back_kcv == kcv
    assert back[6:8] == "21"


def test_nothing_comes_in_under_a_tmk(ask: Ask, device: Device) -> None:
    """A TMK (51) wraps what goes to a terminal; A6 takes K0, 52 and, for TR-31, K1 only."""
    for usage, answer in (("51", "A7BB"), ("K1", "A700"), ("K0", "A700"), ("52", "A700")):
        kek, _ = made(ask(device, f"A00FFFS#{usage}A3B00E00"), key_characters=129)
        key, _ = made(ask(device, "A00FFFS#D0A3B00E00"), key_characters=129)
        exported = ask(device, f"A8FFF{kek}{key}R%00!D").decode()
        assert exported.startswith("A900R")
        assert ask(device, f"A6FFF{kek}{exported[4:-6]}S%00").decode()[:4] == answer


@pytest.mark.parametrize(("release", "answer"), [("1.14", "A700"), ("1.8a", "A715")])
def test_an_older_release_does_not_know_version_d(
    ask: Ask, device: Device, state: State, release: str, answer: str
) -> None:
    """What it refuses to write it does not read either."""
    kek, _ = made(ask(device, "A00FFFS#K1A3B00E00"), key_characters=129)
    key, _ = made(ask(device, "A00FFFS#D0A3B00E00"), key_characters=129)
    block = ask(device, f"A8FFF{kek}{key}R%00!D").decode()[4:-6]
    older = Device(state, firmware=PROFILES[release])
    assert ask(older, f"A6FFF{kek}{block}S%00").decode()[:4] == answer


def test_thales_block_travels(ask: Ask, device: Device) -> None:
    """A key leaves as an S block under a ZMK, marked FF, and comes in again."""
    zmk, _ = made(ask(device, "A00FFFS#52A3B00E00"), key_characters=129)
    key, kcv = made(ask(device, "A00FFFS#72A1B00S00"), key_characters=97)
    answer = ask(device, f"A8FFF{zmk}{key}S%00&N").decode()
    assert answer.startswith("A900S1009672AB00N00FF")
    assert answer[-6:] == kcv
    back, back_kcv = made(ask(device, f"A6FFF{zmk}{answer[4:-6]}S%00"), key_characters=97)
    assert (back[6:17], back_kcv) == ("72AB00N0000", kcv)
    # It may not leave again: the copy was marked N.
    assert ask(device, f"A8FFF{zmk}{back}S") == b"A9AA"


def test_parity_warning_carries_the_key(
    ask: Ask, open_device: Device, under_test_lmk: Encrypt
) -> None:
    """A key of bad parity comes in with its parity set, and 01 says so."""
    zmk = under_test_lmk(CLEAR_KEK, "000", "U")
    even = bytes.fromhex("0022446688AACCEEFEDCBA9876543210")
    wrapped = encrypt_under_zmk(bytes.fromhex(CLEAR_KEK), even, "U")
    answer = ask(open_device, f"A6001{zmk}{wrapped}U").decode()
    assert answer[:4] == "A701"
    clear = TEST_LMK.decrypt(answer[4:37], key_type="001")
    assert has_odd_parity(clear)
    assert answer[-6:] == tdes_kcv(even).hex().upper()
    zeros = encrypt_under_zmk(bytes.fromhex(CLEAR_KEK), bytes(16), "U")
    assert ask(open_device, f"A6001{zmk}{zeros}U") == b"A711"
    twice = encrypt_under_zmk(bytes.fromhex(CLEAR_KEK), bytes.fromhex("0123456789ABCDEF" * 2), "U")
    assert ask(open_device, f"A6001{zmk}{twice}U") == b"A775"


def test_untrusted_forms_are_forbidden_as_published(
    ask: Ask, device: Device, under_test_lmk: Encrypt
) -> None:
    """With published settings keys travel in key blocks only, and X9.17 not even without that."""
    zmk, key = under_test_lmk(CLEAR_KEK, "000", "U"), under_test_lmk(CLEAR_KEY, "001", "U")
    assert ask(device, f"A8001{zmk}{key}U%02") == b"A917"
    assert ask(device, f"A6001{zmk}{key}U%02") == b"A717"
    lenient = Device(settings=Settings(default_lmk="02", trusted_format_only=False))
    assert ask(lenient, f"A8001{zmk}{key}X") == b"A926"
    assert ask(lenient, f"A8001{zmk}{key}U")[:4] == b"A900"
    assert ask(lenient, f"A8000{zmk}{zmk}U") == b"A917"


# --- BW, B0, BS ---------------------------------------------------------------------------------


def test_variant_key_becomes_a_key_block(
    ask: Ask, migrating: Device, under_test_lmk: Encrypt
) -> None:
    """BW opens under the old variant LMK and seals under the new one; BS forgets the old."""
    zpk = under_test_lmk(CLEAR_KEY, "001", "U")
    answer = ask(migrating, f"BWFF1{zpk};001#72N00S00!11").decode()
    assert answer.startswith("BX00S1009672TN00S0000")
    assert answer[-6:] == "E14F4E"
    assert ask(migrating, f"BUFFF{answer[4:-6]};FFF;001") == b"BV00E14F4E"
    without = ask(migrating, f"BW011{zpk}#72N00S00").decode()
    assert len(without) == 4 + 97
    assert ask(migrating, f"BWFF1{zpk};001") == b"BX15"
    assert ask(migrating, f"BWFF1{zpk};009#72N00S00") == b"BX10"
    assert ask(migrating, "BS") == b"BT00"
    assert ask(migrating, f"BWFF1{zpk};001#72N00S00!11") == b"BX33"


def test_scheme_translation(ask: Ask, device: Device) -> None:
    """B0 writes the published CVK in the other scheme, as published."""
    answer = ask(device, "B0402U9B4934384B19946B040CD702B4D58145X%02")
    assert answer == b"B100X0A61E674E88C6A7EEABC38C2B2BB492F"
    assert ask(device, "B0402U9B4934384B19946B040CD702B4D58145T%02") == b"B126"
