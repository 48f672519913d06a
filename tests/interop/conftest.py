"""
The other implementations: psec where it has an algorithm, and pycryptodome's bare ciphers.

What stands on pycryptodome here is written from the standards once more, the plain way: no kept
contexts, no tables, no code of ours. Tests reach it through the `second` fixture.
"""

from __future__ import annotations

import random
from typing import Any

import psec
import pytest
from Crypto.Cipher import AES, DES, DES3
from Crypto.Hash import CMAC, HMAC, SHA224, SHA256, SHA384, SHA512

HASHES = {"SHA224": SHA224, "SHA256": SHA256, "SHA384": SHA384, "SHA512": SHA512}
MASKS = {
    "PIN": "00000000000000FF",
    "MAC_REQUEST": "000000000000FF00",
    "MAC_RESPONSE": "00000000FF000000",
    "DATA_REQUEST": "0000000000FF0000",
    "DATA_RESPONSE": "000000FF00000000",
}
USAGES = {
    "PIN": 0x1000,
    "MAC_REQUEST": 0x2000,
    "MAC_RESPONSE": 0x2001,
    "MAC_BIDIRECTIONAL": 0x2002,
    "DATA_REQUEST": 0x3000,
    "DATA_RESPONSE": 0x3001,
    "DATA_BIDIRECTIONAL": 0x3002,
}
TYPES = {
    "TDES_2KEY": (0, 16),
    "TDES_3KEY": (1, 24),
    "AES_128": (2, 16),
    "AES_192": (3, 24),
    "AES_256": (4, 32),
}


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def modern(algorithm: str) -> bool:
    return algorithm.startswith("AES")


def encipher(algorithm: str, key: bytes, data: bytes, iv: bytes | None = None) -> bytes:
    """ECB without an IV, CBC with one."""
    module: Any = AES if modern(algorithm) else DES3
    mode = module.MODE_ECB if iv is None else module.MODE_CBC
    made = module.new(key, mode) if iv is None else module.new(key, mode, iv=iv)
    return bytes(made.encrypt(data))


def decipher(algorithm: str, key: bytes, data: bytes) -> bytes:
    module: Any = AES if modern(algorithm) else DES3
    return bytes(module.new(key, module.MODE_ECB).decrypt(data))


def single_des(key: bytes, data: bytes) -> bytes:
    return bytes(DES.new(key, DES.MODE_ECB).encrypt(data))


def zero_padded(data: bytes, block_size: int = 8) -> bytes:
    """ISO 9797-1 method 1."""
    return data.ljust(max(-(-len(data) // block_size), 1) * block_size, b"\0")


# --- MACs -----------------------------------------------------------------------------------------


def algorithm_1(key: bytes, data: bytes) -> bytes:
    """CBC-MAC with the whole TDES key."""
    return encipher("TDES", key, zero_padded(data), bytes(8))[-8:]


def algorithm_3(key: bytes, data: bytes) -> bytes:
    """The retail MAC."""
    first, second, third = key[:8], key[8:16], key[16:] or key[:8]
    chained = bytes(DES.new(first, DES.MODE_CBC, iv=bytes(8)).encrypt(zero_padded(data)))[-8:]
    opened = DES.new(second, DES.MODE_ECB).decrypt(chained)
    return single_des(third, bytes(opened))


def cmac(algorithm: str, key: bytes, data: bytes) -> bytes:
    module: Any = AES if modern(algorithm) else DES3
    return CMAC.new(key, ciphermod=module, msg=data).digest()


def hmac(hash_name: str, key: bytes, data: bytes) -> bytes:
    return HMAC.new(key, data, digestmod=HASHES[hash_name]).digest()


# --- cards and PINs -------------------------------------------------------------------------------


def two_passes(digits: str) -> str:
    """First the decimal digits, then the others less ten."""
    decimal = "".join(digit for digit in digits if digit.isdecimal())
    return decimal + "".join(str(int(digit, 16) - 10) for digit in digits if not digit.isdecimal())


def cvv(key: bytes, pan: str, expiry: str, service_code: str, size: int) -> str:
    blocks = bytes.fromhex((pan + expiry + service_code).ljust(32, "0"))
    chained = xor(single_des(key[:8], blocks[:8]), blocks[8:])
    return two_passes(encipher("TDES", key, chained).hex())[:size]


def pvv(key: bytes, pan: str, index: int, pin: str) -> str:
    block = bytes.fromhex(pan[-12:-1] + str(index) + pin[:4])
    return two_passes(encipher("TDES", key, block).hex())[:4]


def natural_pin(key: bytes, data: str, pad: str, table: str, size: int) -> str:
    """The IBM 3624 natural PIN."""
    enciphered = encipher("TDES", key, bytes.fromhex(data.ljust(16, pad))).hex()
    return "".join(table[int(digit, 16)] for digit in enciphered)[:size]


def offset(natural: str, pin: str) -> str:
    return "".join(str((int(p) - int(n)) % 10) for p, n in zip(pin, natural, strict=True))


def _pan_field(pan: str) -> bytes:
    return bytes.fromhex("0000" + pan[-13:-1])


def encipher_pin(
    draw: random.Random, pin_format: int, algorithm: str, key: bytes, pin: str, pan: str
) -> bytes:
    head = f"{pin_format}{len(pin):X}{pin}"
    if pin_format == 4:
        field = bytes.fromhex(head.ljust(16, "A")) + draw.randbytes(8)
        pans = bytes.fromhex(f"{len(pan) - 12}{pan}".ljust(32, "0"))
        return encipher(algorithm, key, xor(encipher(algorithm, key, field), pans))
    fills = {0: "F", 1: "0123456789ABCDEF", 3: "ABCDEF"}[pin_format]
    block = bytes.fromhex(head + "".join(draw.choice(fills) for _ in range(14 - len(pin))))
    return encipher(algorithm, key, block if pin_format == 1 else xor(block, _pan_field(pan)))


def decipher_pin(pin_format: int, algorithm: str, key: bytes, block: bytes, pan: str) -> str:
    """The PIN, once everything that is fixed around it is as it must be."""
    clear = decipher(algorithm, key, block)
    if pin_format == 4:
        pans = bytes.fromhex(f"{len(pan) - 12}{pan}".ljust(32, "0"))
        clear = decipher(algorithm, key, xor(clear, pans))[:8]
    elif pin_format != 1:
        clear = xor(clear, _pan_field(pan))
    digits = clear.hex().upper()
    size = int(digits[1], 16)
    pin, fill = digits[2 : 2 + size], digits[2 + size :]
    assert digits[0] == str(pin_format)
    assert 4 <= size <= 12
    assert pin.isdecimal()
    assert set(fill) <= set({0: "F", 1: "0123456789ABCDEF", 3: "ABCDEF", 4: "A"}[pin_format])
    return pin


# --- DUKPT ----------------------------------------------------------------------------------------


def dukpt_tdes(bdk: bytes, ksn: bytes, purpose: str) -> bytes:
    """X9.24-1:2009, annex A, counted on one large integer instead of bytes."""
    variant = bytes.fromhex("C0C0C0C000000000") * 2
    number = int.from_bytes(ksn, "big")
    counter = number & 0x1FFFFF
    register = number - counter
    start = register.to_bytes(10, "big")[:8]
    key = encipher("TDES", bdk, start) + encipher("TDES", xor(bdk, variant), start)
    for bit in reversed(range(21)):
        if not counter >> bit & 1:
            continue
        register |= 1 << bit
        low = (register & (1 << 64) - 1).to_bytes(8, "big")
        halves = []
        for half in (xor(key, variant), key):
            left, right = half[:8], half[8:]
            halves.append(xor(single_des(left, xor(low, right)), right))
        key = halves[0] + halves[1]
    working = xor(key, bytes.fromhex(MASKS[purpose]) * 2)
    return encipher("TDES", working, working) if purpose.startswith("DATA") else working


def _derive(algorithm: str, key: bytes, usage: int, of: str, context: bytes) -> bytes:
    code, size = TYPES[of]
    derived = b""
    for block in (1, 2):
        data = bytes([1, block]) + b"".join(n.to_bytes(2, "big") for n in (usage, code, 8 * size))
        derived += encipher(algorithm, key, data + context)
    return derived[:size]


def dukpt_aes(algorithm: str, bdk: bytes, ksn: bytes, purpose: str, working: str) -> bytes:
    """X9.24-3:2017, 6.3."""
    identifier, counter = ksn[:8], int.from_bytes(ksn[8:], "big")
    key = _derive(algorithm, bdk, 0x8001, algorithm, identifier)
    seen = 0
    for bit in reversed(range(32)):
        if counter >> bit & 1:
            seen |= 1 << bit
            key = _derive(
                algorithm, key, 0x8000, algorithm, identifier[4:] + seen.to_bytes(4, "big")
            )
    return _derive(algorithm, key, USAGES[purpose], working, identifier[4:] + ksn[8:])


class Second:
    """What test modules use, handed out by a fixture, as test files import nothing of ours."""

    psec = psec
    types = TYPES
    encipher = staticmethod(encipher)
    algorithm_1 = staticmethod(algorithm_1)
    algorithm_3 = staticmethod(algorithm_3)
    cmac = staticmethod(cmac)
    hmac = staticmethod(hmac)
    cvv = staticmethod(cvv)
    pvv = staticmethod(pvv)
    natural_pin = staticmethod(natural_pin)
    offset = staticmethod(offset)
    encipher_pin = staticmethod(encipher_pin)
    decipher_pin = staticmethod(decipher_pin)
    dukpt_tdes = staticmethod(dukpt_tdes)
    dukpt_aes = staticmethod(dukpt_aes)


@pytest.fixture(scope="session")
def second() -> type[Second]:
    """The other implementations."""
    return Second


class Draw(random.Random):
    """Random inputs of the kinds that cards and terminals have; a seed gives the same again."""

    def key(self, algorithm: str) -> bytes:
        """A key whose parts differ, as pycryptodome wants and anything random has."""
        return self.randbytes(TYPES[algorithm][1])

    def digits(self, shortest: int, longest: int | None = None) -> str:
        size = self.randint(shortest, longest or shortest)
        return "".join(self.choice("0123456789") for _ in range(size))

    def pan(self) -> str:
        return self.digits(13, 19)

    def pin(self) -> str:
        return self.digits(4, 12)

    def ksn(self, algorithm: str) -> bytes:
        """A serial number whose counter a terminal reaches: few ones, but not none."""
        if algorithm.startswith("TDES"):
            counter = sum(1 << bit for bit in self.sample(range(21), self.randint(1, 10)))
            number = int.from_bytes(self.randbytes(10), "big")
            return (number >> 21 << 21 | counter).to_bytes(10, "big")
        counter = sum(1 << bit for bit in self.sample(range(32), self.randint(1, 16)))
        return self.randbytes(8) + counter.to_bytes(4, "big")

    def blocks(self, block_size: int, most: int = 24) -> bytes:
        return self.randbytes(block_size * self.randint(1, most))


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Draw:
    """Draws from the seed that stands in the test's own name."""
    return Draw(request.node.name)
