"""
A key block LMK of the simulator, and its `S` blocks: our own construction.

How a live device wraps is not public. These blocks have the captured lengths and alphabets, bind
the whole header, and open nowhere but here: see docs/decisions/0004-simulated-s-block.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hmac import compare_digest
from typing import Final

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.keyblock import ThalesHeader, ThalesVersion
from keyferry.errors import KeyferryError
from keyferry.hsm.payshield.key_field import Under, WireKey
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError

HEADER: Final = 16  # characters
_LENGTH_BYTES: Final = 2
_VERSIONS: Final = {Cipher.TDES: ThalesVersion.TDES_LMK, Cipher.AES: ThalesVersion.AES_LMK}
_MAC_BYTES: Final = {Cipher.TDES: 4, Cipher.AES: 8}
_LONGEST: Final = 9999

AUTHENTICATION_FAILURE: Final = "A4"


class BlockCipher:
    """
    Wraps keys in `S` blocks under one key: an LMK, or a ZMK for blocks that travel (id `FF`).

    Two keys are derived by CMAC in counter mode. The first block of the CBC is whitened by an IV
    that depends on the header alone, as captures of live devices suggest; the MAC covers header
    and ciphertext.
    """

    __slots__ = ("_encryption", "_mac", "cipher", "version")

    def __init__(self, cipher: Cipher, key: bytes) -> None:
        root = CipherKey(cipher, key)
        self.cipher = cipher
        self.version = _VERSIONS[cipher]
        self._encryption = CipherKey(cipher, _derive(root, b"S block encryption", len(key)))
        self._mac = CipherKey(cipher, _derive(root, b"S block MAC", len(key)))

    def seal(
        self,
        header: ThalesHeader,
        payload: bytes,
        *,
        binary: bool = False,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> bytes:
        """
        Wrap a payload and return the block without the scheme letter.

        Args:
            header: its version is this key's; its length is computed.
            payload: the clear key, at most 8191 bytes.
            binary: leave the ciphertext raw, as RSA private blocks have it; else hex.
            random_bytes: where the filling comes from.
        """
        block_size = self.cipher.block_size
        filled = _LENGTH_BYTES + len(payload)
        filling = random_bytes(-filled % block_size)
        clear = (8 * len(payload)).to_bytes(_LENGTH_BYTES, "big") + payload + filling
        authenticator = 2 * _MAC_BYTES[self.cipher]
        optional = len(header.encode()) - HEADER
        body = len(clear) if binary else 2 * len(clear)
        length = HEADER + optional + body + authenticator
        if length > _LONGEST:
            raise CommandRefusedError("48")
        head = header.encode(length=length).encode("ascii")
        ciphertext = self._encryption.encrypt_cbc(clear, self._vector(head))
        mac = self._authenticator(head, ciphertext)
        return head + (ciphertext if binary else ciphertext.hex().upper().encode("ascii")) + mac

    def open(self, block: bytes) -> tuple[ThalesHeader, bytes]:
        """
        Open a block given without the scheme letter.

        Raises:
            CommandRefusedError: A4, whatever was changed: which byte failed is never told.
        """
        end = _header_end(block)
        authenticator = 2 * _MAC_BYTES[self.cipher]
        body, mac = block[end:-authenticator], block[-authenticator:]
        binary = block[7:8] == b"R"
        try:
            ciphertext = body if binary else bytes.fromhex(body.decode("ascii"))
        except ValueError as error:
            raise CommandRefusedError(AUTHENTICATION_FAILURE) from error
        whole = ciphertext and len(ciphertext) % self.cipher.block_size == 0
        # Only upper case is ever written: any other spelling of the same bytes is a changed block.
        written = binary or body == body.upper()
        if (
            not whole
            or not written
            or block[1:5] != f"{len(block):04d}".encode("ascii")
            or not compare_digest(self._authenticator(block[:end], ciphertext), mac)
        ):
            raise CommandRefusedError(AUTHENTICATION_FAILURE)
        clear = self._encryption.decrypt_cbc(ciphertext, self._vector(block[:end]))
        bits = int.from_bytes(clear[:_LENGTH_BYTES], "big")
        payload = clear[_LENGTH_BYTES : _LENGTH_BYTES + bits // 8]
        try:
            header = ThalesHeader.parse(block[:end].decode("ascii"))
        except KeyferryError as error:  # unreachable by blocks made here
            raise CommandRefusedError("B2") from error
        if header.version is not self.version or 8 * len(payload) != bits:
            raise CommandRefusedError(AUTHENTICATION_FAILURE)
        return header, payload

    def _vector(self, head: bytes) -> bytes:
        return self._mac.cmac(b"IV" + head)

    def _authenticator(self, head: bytes, ciphertext: bytes) -> bytes:
        mac = self._mac.cmac(b"MA" + len(head).to_bytes(2, "big") + head + ciphertext)
        return mac[: _MAC_BYTES[self.cipher]].hex().upper().encode("ascii")


def _derive(root: CipherKey, label: bytes, size: int) -> bytes:
    """Return `size` bytes: CMAC over counter, label and length (NIST SP 800-108, 4.1)."""
    blocks = -(-size // root.block_size)
    tail = label + b"\x00" + (8 * size).to_bytes(2, "big")
    return b"".join(root.cmac(bytes((i,)) + tail) for i in range(1, blocks + 1))[:size]


def _header_end(block: bytes) -> int:
    """Return where the ciphertext begins, behind the optional blocks; A4 where there is none."""
    end = HEADER
    try:
        for _ in range(int(block[12:14])):
            size = int(block[end + 2 : end + 4], 16)
            if size < 4:
                raise CommandRefusedError(AUTHENTICATION_FAILURE)
            end += size
    except ValueError as error:
        raise CommandRefusedError(AUTHENTICATION_FAILURE) from error
    if end > len(block):
        raise CommandRefusedError(AUTHENTICATION_FAILURE)
    return end


def lmk_check_value(cipher: Cipher, key: bytes) -> str:
    """Return the check value of a key block LMK: 6 hex characters, by the rule of its cipher."""
    kcv = cmac_kcv(cipher, key) if cipher is Cipher.AES else tdes_kcv(key)
    return kcv.hex().upper()


def block_field(body: bytes, *, under: Under = Under.LMK) -> WireKey:
    """Return a block as a key field."""
    return WireKey("S", body, under)
