"""
The two kinds of LMK the simulator holds, behind one interface: seal a key, open a key.

What a key field cannot be opened with is answered as the device does: 10 or 11 (parity) under a
variant LMK, which is all such a device notices, A4 under a key block LMK.
"""

from __future__ import annotations

from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.components import odd_parity
from keyferry.crypto.keyblock import (
    Algorithm,
    Exportability,
    ModeOfUse,
    ThalesHeader,
    ThalesVersion,
)
from keyferry.crypto.variant_lmk import VariantLMK
from keyferry.errors import DataSizeError, KeySizeError, UnsupportedAlgorithmError
from keyferry.hsm.payshield.key_field import WireKey
from keyferry.hsm.payshield.key_types import KEY_BLOCK_TYPE, KEY_TYPES
from keyferry.hsm.payshield.lmk import LMKScheme
from keyferry.hsm.payshield.simulator.device_key import DeviceKey, tdes_algorithm
from keyferry.hsm.payshield.simulator.key_block_lmk import (
    BlockCipher,
    block_field,
    lmk_check_value,
)
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.private_key import (
    RSAPrivate,
    decode_ec,
    decode_rsa,
    encode_ec,
    encode_rsa,
)

PRIVATE_USAGE: Final = "03"
PUBLIC_USAGE: Final = "02"
INCOMPATIBLE_SCHEMES: Final = "A1"
NO_SUCH_TYPE: Final = "28"
BAD_SCHEME: Final = "26"

TEST_VARIANT_CHECK_VALUE: Final = "268604"
"""Quoted for the public test set. How a device computes it is not public, so it is a constant."""

_PRIVATE_PAIR: Final = "00C"  # LMK pair 34-35
_PUBLIC_MAC_PAIR: Final = "00D"  # LMK pair 36-37
_HMAC_PAIR: Final = "10C"  # variant 1 of LMK pair 34-35
HMAC_USAGES: Final = ("61", "62", "63", "64", "65", "M7")
_USE_MODES: Final = {"0": ModeOfUse.SIGN, "1": ModeOfUse.DECRYPT, "2": ModeOfUse.NO_RESTRICTIONS}


class DeviceLMK(Protocol):
    """One LMK of the device."""

    @property
    def identifier(self) -> str: ...

    @property
    def scheme(self) -> LMKScheme: ...

    @property
    def algorithm(self) -> str:
        """As JK reports it: 0 for 3DES-2key, 1 for 3DES-3key, 2 for AES-256."""

    @property
    def check_value(self) -> str:
        """Six hex characters."""

    @property
    def strongest_rsa_bits(self) -> int:
        """The longest modulus this LMK may protect."""

    def seal(self, key: DeviceKey, tag: str) -> WireKey:
        """Wrap a key for storage outside; `tag` is the key scheme asked for."""

    def open(self, field: WireKey, key_type: str, *, parity_code: str) -> DeviceKey:
        """Unwrap a key, of the given type under a variant LMK."""

    def seal_rsa(self, private: RSAPrivate, *, version: str, exportability: str) -> WireKey:
        """Wrap an RSA private key."""

    def open_rsa(self, field: WireKey) -> RSAPrivate:
        """Unwrap an RSA private key."""


class VariantDeviceLMK:
    """A variant LMK: 20 pairs, keys typed by key type codes, nothing authenticated but parity."""

    scheme: Final = LMKScheme.VARIANT
    algorithm: Final = "0"
    strongest_rsa_bits: Final = 2048

    def __init__(self, identifier: str, pairs: VariantLMK, *, check_value: str) -> None:
        self.identifier = identifier
        self.check_value = check_value
        self._pairs = pairs

    def seal(self, key: DeviceKey, tag: str) -> WireKey:
        """
        Encrypt under the pair of the key's type.

        Raises:
            CommandRefusedError: 26, the scheme is not for keys of this length; 28, no such type;
                48, the key is no DES key.
        """
        if key.algorithm not in (Algorithm.TDES, Algorithm.DES):
            raise CommandRefusedError("48")
        try:
            text = self._pairs.encrypt(odd_parity(key.material), key_type=key.key_type, scheme=tag)
        except KeySizeError as error:
            raise CommandRefusedError(BAD_SCHEME) from error
        except UnsupportedAlgorithmError as error:
            code = BAD_SCHEME if key.key_type in KEY_TYPES else NO_SUCH_TYPE
            raise CommandRefusedError(code) from error
        return WireKey.parse(text)

    def open(self, field: WireKey, key_type: str, *, parity_code: str) -> DeviceKey:
        """Decrypt as the given type; another type, or another LMK, shows as bad parity only."""
        if field.is_block:
            raise CommandRefusedError(INCOMPATIBLE_SCHEMES)
        known = KEY_TYPES.get(key_type)
        if known is None:
            raise CommandRefusedError(NO_SUCH_TYPE)
        try:
            material = self._pairs.decrypt(field.text, key_type=key_type)
        except (DataSizeError, UnsupportedAlgorithmError) as error:
            raise CommandRefusedError("15") from error
        key = DeviceKey(
            material=material,
            algorithm=tdes_algorithm(len(material)),
            usage=known.usages[0],
            mode=known.mode,
            key_type=key_type,
        )
        if not key.has_parity:
            raise CommandRefusedError(parity_code)
        return key

    def seal_rsa(self, private: RSAPrivate, *, version: str, exportability: str) -> WireKey:
        """Encrypt a private key: raw bytes that say nothing about themselves."""
        del version, exportability  # only key blocks carry them
        return WireKey("", self._private_cipher().encrypt_cbc(encode_rsa(private), bytes(8)))

    def open_rsa(self, field: WireKey) -> RSAPrivate:
        """
        Decrypt a private key.

        Raises:
            CommandRefusedError: 78, not a length a key has; 49, it does not open.
        """
        if field.is_block:
            raise CommandRefusedError(INCOMPATIBLE_SCHEMES)
        if not field.body or len(field.body) % 8:
            raise CommandRefusedError("78")
        return decode_rsa(self._private_cipher().decrypt_cbc(field.body, bytes(8)))

    def public_key_mac(self, data: bytes) -> bytes:
        """Return the 4 bytes by which the device knows a public key again."""
        return CipherKey(Cipher.TDES, self._pairs.pair(_PUBLIC_MAC_PAIR)).cmac(data)[:4]

    def seal_hmac(self, material: bytes) -> WireKey:
        """Encrypt an HMAC key: our own construction, raw bytes behind a length."""
        clear = len(material).to_bytes(2, "big") + material
        clear += bytes(-len(clear) % 8)
        return WireKey("", self._hmac_cipher().encrypt_cbc(clear, bytes(8)))

    def open_hmac(self, field: WireKey) -> bytes:
        """Decrypt an HMAC key; refused with 10 where it does not open."""
        if field.is_block:
            raise CommandRefusedError(INCOMPATIBLE_SCHEMES)
        if not field.body or len(field.body) % 8:
            raise CommandRefusedError("78")
        clear = self._hmac_cipher().decrypt_cbc(field.body, bytes(8))
        size = int.from_bytes(clear[:2], "big")
        material, filling = clear[2 : 2 + size], clear[2 + size :]
        if not size or len(material) != size or filling != bytes(-(2 + size) % 8):
            raise CommandRefusedError("10")
        return material

    def _hmac_cipher(self) -> CipherKey:
        return CipherKey(Cipher.TDES, self._pairs.pair(_HMAC_PAIR))

    def pin_key(self) -> bytes:
        """Return the pair that encrypts PINs."""
        return self._pairs.numbered_pair(2)

    def _private_cipher(self) -> CipherKey:
        return CipherKey(Cipher.TDES, self._pairs.pair(_PRIVATE_PAIR))


class KeyBlockDeviceLMK:
    """A key block LMK: keys say what they are, and everything is authenticated."""

    scheme: Final = LMKScheme.KEY_BLOCK

    def __init__(self, identifier: str, cipher: Cipher, key: bytes) -> None:
        self.identifier = identifier
        self.cipher = cipher
        self.check_value = lmk_check_value(cipher, key)
        self._blocks = BlockCipher(cipher, key)
        self._pin_key = CipherKey(cipher, key).cmac(b"PIN under LMK")

    @property
    def block_version(self) -> ThalesVersion:
        """The version digit of its blocks."""
        return self._blocks.version

    @property
    def algorithm(self) -> str:
        """2 for AES-256, 1 for triple-length DES."""
        return "2" if self.cipher is Cipher.AES else "1"

    @property
    def strongest_rsa_bits(self) -> int:
        """The longest modulus: a DES key may not protect what is far stronger (inferred)."""
        return 4096 if self.cipher is Cipher.AES else 2048

    def seal(self, key: DeviceKey, tag: str) -> WireKey:
        """
        Wrap in an `S` block.

        Raises:
            CommandRefusedError: 26, another scheme was asked for; 48, an AES key under DES.
        """
        if tag != "S":
            raise CommandRefusedError(BAD_SCHEME)
        if self.cipher is Cipher.TDES and key.algorithm is Algorithm.AES:
            raise CommandRefusedError("48")
        return block_field(self._blocks.seal(thales_header(key, self), key.material))

    def open(self, field: WireKey, key_type: str, *, parity_code: str) -> DeviceKey:
        """Unwrap an `S` block; parity is nobody's business here, the MAC says more."""
        del parity_code
        if field.scheme != "S" or key_type != KEY_BLOCK_TYPE:
            raise CommandRefusedError(INCOMPATIBLE_SCHEMES)
        header, material = self._blocks.open(field.body)
        if header.algorithm not in (Algorithm.AES, Algorithm.TDES, Algorithm.DES):
            raise CommandRefusedError("A7")
        return device_key(header, material)

    def seal_rsa(self, private: RSAPrivate, *, version: str, exportability: str) -> WireKey:
        """Wrap a private key in a block whose body is raw bytes."""
        header = ThalesHeader(
            version=self._blocks.version,
            usage=PRIVATE_USAGE,
            algorithm=Algorithm.RSA,
            mode=_USE_MODES[private.use],
            key_version=version,
            exportability=Exportability(exportability),
            lmk_id=self.identifier,
        )
        return block_field(self._blocks.seal(header, encode_rsa(private), binary=True))

    def open_rsa(self, field: WireKey) -> RSAPrivate:
        """Unwrap a private key block."""
        header, body = self._open_private(field, Algorithm.RSA)
        private = decode_rsa(body)
        if header.mode is not _USE_MODES[private.use]:
            raise CommandRefusedError("A8")
        return private

    def seal_ec(
        self, key: ec.EllipticCurvePrivateKey, *, mode: str, version: str, exportability: str
    ) -> WireKey:
        """Wrap an EC private key in a printable block: clients paste it into the next command."""
        header = ThalesHeader(
            version=self._blocks.version,
            usage=PRIVATE_USAGE,
            algorithm=Algorithm.ELLIPTIC_CURVE,
            mode=ModeOfUse(mode),
            key_version=version,
            exportability=Exportability(exportability),
            lmk_id=self.identifier,
        )
        return block_field(self._blocks.seal(header, encode_ec(key)))

    def open_ec(self, field: WireKey) -> tuple[ec.EllipticCurvePrivateKey, ModeOfUse]:
        """Unwrap an EC private key block; also return its mode of use."""
        header, body = self._open_private(field, Algorithm.ELLIPTIC_CURVE)
        return decode_ec(body), header.mode

    def seal_public(self, der: bytes, *, mode: str, version: str, exportability: str) -> WireKey:
        """Wrap an RSA public key, so that the device knows it again."""
        header = ThalesHeader(
            version=self._blocks.version,
            usage=PUBLIC_USAGE,
            algorithm=Algorithm.RSA,
            mode=ModeOfUse(mode),
            key_version=version,
            exportability=Exportability(exportability),
            lmk_id=self.identifier,
        )
        return block_field(self._blocks.seal(header, der, binary=True))

    def open_public(self, field: WireKey) -> bytes:
        """Unwrap an RSA public key block."""
        header, der = self._blocks.open(field.body)
        if header.usage != PUBLIC_USAGE or header.algorithm is not Algorithm.RSA:
            raise CommandRefusedError("A6")
        return der

    def seal_hmac(self, header: ThalesHeader, material: bytes) -> WireKey:
        """Wrap an HMAC key."""
        return block_field(self._blocks.seal(header, material))

    def open_hmac(self, field: WireKey, modes: str) -> tuple[bytes, str]:
        """Unwrap an HMAC key block; also return its usage."""
        if field.scheme != "S":
            raise CommandRefusedError(INCOMPATIBLE_SCHEMES)
        header, material = self._blocks.open(field.body)
        if header.usage not in HMAC_USAGES:
            raise CommandRefusedError("A6")
        if header.algorithm is not Algorithm.HMAC:
            raise CommandRefusedError("A7")
        if header.mode.value not in modes:
            raise CommandRefusedError("A8")
        return material, header.usage

    def pin_key(self) -> bytes:
        """Return the key that encrypts PINs."""
        return self._pin_key

    def _open_private(self, field: WireKey, algorithm: Algorithm) -> tuple[ThalesHeader, bytes]:
        if field.scheme != "S":
            raise CommandRefusedError(INCOMPATIBLE_SCHEMES)
        header, body = self._blocks.open(field.body)
        if header.usage != PRIVATE_USAGE:
            raise CommandRefusedError("A6")
        if header.algorithm is not algorithm:
            raise CommandRefusedError("A7")
        return header, body


def thales_header(key: DeviceKey, lmk: KeyBlockDeviceLMK) -> ThalesHeader:
    """Return the header a key has under a key block LMK."""
    return ThalesHeader(
        version=lmk.block_version,
        usage=key.usage,
        algorithm=key.algorithm,
        mode=ModeOfUse(key.mode),
        key_version=key.key_version,
        exportability=Exportability(key.exportability),
        lmk_id=lmk.identifier,
        optional_blocks=key.optional_blocks,
    )


def device_key(header: ThalesHeader, material: bytes) -> DeviceKey:
    """Return the key a Thales block held."""
    return DeviceKey(
        material=material,
        algorithm=header.algorithm,
        usage=header.usage,
        mode=header.mode.value,
        key_version=header.key_version,
        exportability=header.exportability.value,
        optional_blocks=header.optional_blocks,
    )
