"""What the driver's methods return. Keys here are wrapped; no clear key ever is."""

from __future__ import annotations

from dataclasses import dataclass, field

from keyferry.crypto.tr34 import Layout, assemble_token, der
from keyferry.errors import HSMFrameError, KeyferryError
from keyferry.hsm.payshield.key_field import WireKey


@dataclass(frozen=True, slots=True, kw_only=True)
class TR31Attributes:
    """What a variant key, which says nothing of itself, is called in its TR-31 block."""

    usage: str  # e.g. B0
    mode: str  # e.g. X
    exportability: str = "S"  # N or S
    key_version: str = "00"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedKey:
    """A key under the LMK."""

    key: str = field(repr=False)  # in wire form, scheme letter first
    check_value: str  # 6 hex characters


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedExport:
    """A new key under the LMK and under a wrapping key."""

    key: str = field(repr=False)
    block: str = field(repr=False)  # TR-31, without the R
    check_value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedKey:
    """A key under a wrapping key, as a TR-31 block without the R of host commands."""

    block: str = field(repr=False)
    check_value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedKey:
    """A key that came in."""

    key: str = field(repr=False)
    check_value: str
    parity_adjusted: bool  # the HSM warned that the clear key had bad parity


@dataclass(frozen=True, slots=True, kw_only=True)
class RSAKeyPair:
    """An RSA key pair; the private key is bytes under the LMK, binary in either scheme."""

    public_key: bytes = field(repr=False)  # DER, PKCS#1 RSAPublicKey
    private_key: WireKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ECCKeyPair:
    """An EC key pair; the private key is a printable `S` block."""

    public_key: bytes = field(repr=False)  # DER, SubjectPublicKeyInfo
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TR34Parts:
    """The parts of a TR-34 token as B8 hands them out."""

    attributes: bytes = field(repr=False)  # DER, one constructed element
    enveloped_data: bytes = field(repr=False)  # DER, EnvelopedData with its SEQUENCE
    signature: bytes = field(repr=False)
    check_value: str  # 6 hex characters

    @property
    def econtent(self) -> bytes:
        """What the token's OCTET STRING carries: the members, without the SEQUENCE around."""
        return der.read_whole(self.enveloped_data, 0x30, "enveloped data").content

    @property
    def attributes_set(self) -> bytes:
        """The attributes as they were signed: with the tag of a SET, whichever they came with."""
        return b"\x31" + self.attributes[1:]

    def token(self, kdh_id: bytes) -> bytes:
        """
        Put the token together.

        Args:
            kdh_id: issuer and serial number of the KDH certificate, DER, as given to B8.

        Raises:
            HSMFrameError: the parts are not of the layout we know.
        """
        try:
            return assemble_token(
                econtent=self.econtent,
                attributes_set=self.attributes_set,
                kdh_id=kdh_id,
                signature=self.signature,
                layout=Layout.AWS,
            )
        except KeyferryError as error:
            raise HSMFrameError(f"B8 answered parts that make no token: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """What NC says."""

    lmk_check_value: str  # 16 hex characters, 6 of them significant
    firmware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What NO says."""

    io_buffer: str
    tcp: bool
    sockets: int
    firmware: str
