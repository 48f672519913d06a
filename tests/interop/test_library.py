"""The library against pycryptodome over many more random inputs than a service is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import AESBDK, TDESBDK, AESPurpose, TDESPurpose, WorkingKeyType
from keyferry.crypto.mac import HMACKey, cbc_mac, cmac, retail_mac
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encrypt_pin_block
from keyferry.crypto.tdes_key import TDESKey

ROUNDS = 300
seeds = pytest.mark.parametrize(
    "seed",
    ["seed0", *(pytest.param(f"seed{n}", marks=pytest.mark.soak) for n in range(1, 20))],
)
AES_PURPOSES = {
    "PIN": AESPurpose.PIN_ENCRYPTION,
    "MAC_REQUEST": AESPurpose.MAC_GENERATION,
    "MAC_RESPONSE": AESPurpose.MAC_VERIFICATION,
    "MAC_BIDIRECTIONAL": AESPurpose.MAC_BOTH,
    "DATA_REQUEST": AESPurpose.DATA_ENCRYPT,
    "DATA_RESPONSE": AESPurpose.DATA_DECRYPT,
    "DATA_BIDIRECTIONAL": AESPurpose.DATA_BOTH,
}
BDKS = {"AES_128": 3, "AES_192": 4, "AES_256": 5}  # how many of the types one may derive
FORMATS = [PINBlockFormat.ISO_0, PINBlockFormat.ISO_1, PINBlockFormat.ISO_3, PINBlockFormat.ISO_4]


@seeds
def test_dukpt_of_tdes(seed: str, second: Any, draw: Any) -> None:
    """Working keys of every purpose."""
    for _ in range(ROUNDS):
        bdk, ksn = draw.key("TDES_2KEY"), draw.ksn("TDES_2KEY")
        opened = TDESBDK(bdk)
        for purpose in TDESPurpose:
            made = opened.working_key(ksn, purpose)
            assert made == second.dukpt_tdes(bdk, ksn, purpose.value)


@seeds
def test_dukpt_of_aes(seed: str, second: Any, draw: Any) -> None:
    """Working keys of every purpose and type, under BDKs of every length."""
    for _ in range(ROUNDS):
        algorithm = draw.choice([*BDKS])
        bdk, ksn = draw.key(algorithm), draw.ksn(algorithm)
        purpose = draw.choice([*AES_PURPOSES])
        kind = draw.choice([*second.types][: BDKS[algorithm]])
        made = AESBDK(bdk).working_key(ksn, AES_PURPOSES[purpose], WorkingKeyType(kind))
        assert made == second.dukpt_aes(algorithm, bdk, ksn, purpose, kind)


@seeds
def test_macs(seed: str, second: Any, draw: Any) -> None:
    """All MACs over data of every length, with keys of every length."""
    for _ in range(ROUNDS):
        data = draw.randbytes(draw.randint(0, 300))
        algorithm = draw.choice([*second.types])
        key = draw.key(algorithm)
        cipher = Cipher.AES if algorithm.startswith("AES") else Cipher.TDES
        opened = CipherKey(cipher, key)
        assert cmac(opened, data) == second.cmac(algorithm, key, data)
        if cipher is Cipher.TDES:
            assert cbc_mac(opened, data) == second.algorithm_1(key, data)
            assert retail_mac(TDESKey(key), data) == second.algorithm_3(key, data)
        hash_name = draw.choice(["SHA224", "SHA256", "SHA384", "SHA512"])
        key = draw.randbytes(draw.randint(1, 200))
        assert HMACKey(key, hash_name).mac(data) == second.hmac(hash_name, key, data)


@seeds
def test_pin_blocks(seed: str, second: Any, draw: Any) -> None:
    """Each opens what the other made."""
    for _ in range(ROUNDS):
        pin_format = draw.choice(FORMATS)
        number = int(pin_format.value)
        is_aes = pin_format is PINBlockFormat.ISO_4
        algorithm = draw.choice([name for name in second.types if name.startswith("AES") is is_aes])
        key, pin, pan = draw.key(algorithm), draw.pin(), draw.pan()
        opened = CipherKey(Cipher.AES if is_aes else Cipher.TDES, key)
        given = pan if number != 1 else None
        ours = encrypt_pin_block(opened, pin_format, pin, given)
        assert second.decipher_pin(number, algorithm, key, ours, pan) == pin
        theirs = second.encipher_pin(draw, number, algorithm, key, pin, pan)
        assert decrypt_pin_block(opened, pin_format, theirs, given) == pin
