"""What the driver's methods return. Keys here are wrapped; no clear key ever is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedKey:
    """A key under the PMK."""

    key: str = field(repr=False)  # a key block
    check_value: str  # hex, as many characters as the device is set to show


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An RSA or EC key pair; the private key is text under the PMK that only the HSM reads."""

    private_key: str = field(repr=False)
    tpk: str = field(repr=False)  # the public key as the HSM trusts it
    public_key: bytes = field(repr=False)  # DER, SubjectPublicKeyInfo (inferred)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedKey:
    """A key under a KEK, as a TR-31 block."""

    block: str = field(repr=False)
    check_value: str  # empty: the device does not show one


@dataclass(frozen=True, slots=True, kw_only=True)
class CardValues:
    """What a card carries."""

    cvv: str = field(repr=False)
    cvv2: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedPIN:
    """A PIN under a PIN encryption key, and its PVV."""

    pin_block: bytes = field(repr=False)
    pvv: str = field(repr=False)
