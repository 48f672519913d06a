"""
Read what a payShield key in wire form says of itself, without asking the HSM.

A key under a key block LMK is an `S` block whose header names usage, algorithm and mode; one under
a variant LMK is a `U` or `T` field, which tells its length only.
"""

from __future__ import annotations

import re

from keyferry.crypto.keyblock import Algorithm, Exportability, KeyBlockHeader, ModeOfUse
from keyferry.crypto.keyblock.thales import ThalesHeader, ThalesVersion
from keyferry.errors import ConfigurationError, MalformedKeyBlockError
from keyferry.hsm.payshield.key_types import exported_usage
from keyferry.keys import KeyAlgorithm, KeyUsage

# Usages and modes of keys that wrap others on their way out (A8), and unwrap on their way in (A6).
KEK_USAGES = ("K0", "K1", "51", "52")
IMPORT_KEK_USAGES = ("K0", "K1", "52")
_WRAPS = (ModeOfUse.BOTH_DIRECTIONS, ModeOfUse.ENCRYPT, ModeOfUse.NO_RESTRICTIONS)
_UNWRAPS = (ModeOfUse.BOTH_DIRECTIONS, ModeOfUse.DECRYPT, ModeOfUse.NO_RESTRICTIONS)

_VARIANT = re.compile(r"^(?:[UX][0-9A-Fa-f]{32}|[TY][0-9A-Fa-f]{48})$")
_BLOCK = re.compile(r"^S[0-9A-Za-z]+$")
_HEADER_CHARACTERS = 16
_AUTHENTICATOR = {ThalesVersion.TDES_LMK: 8, ThalesVersion.AES_LMK: 16}
_CIPHER_BLOCK = {ThalesVersion.TDES_LMK: 8, ThalesVersion.AES_LMK: 16}
_LENGTH_BYTES = 2  # the length of the key stands before it, and padding behind it

_BY_LETTER = {
    Algorithm.TDES: (KeyAlgorithm.TDES_2KEY, KeyAlgorithm.TDES_3KEY),
    Algorithm.AES: (KeyAlgorithm.AES_128, KeyAlgorithm.AES_192, KeyAlgorithm.AES_256),
}


def possible_algorithms(key: str) -> tuple[KeyAlgorithm, ...]:
    """
    Return what a key in wire form may be: its length is known up to a cipher block.

    Raises:
        MalformedKeyBlockError: an `S` block without a header.
    """
    if key[0] in "UX":
        return (KeyAlgorithm.TDES_2KEY,)
    if key[0] in "TY":
        return (KeyAlgorithm.TDES_3KEY,)
    header, offset = ThalesHeader.read(key[1:])
    unit = _CIPHER_BLOCK[header.version]
    field_bytes = (len(key) - 1 - offset - _AUTHENTICATOR[header.version]) // 2
    return tuple(
        algorithm
        for algorithm in _BY_LETTER.get(header.algorithm, ())
        if -(-(_LENGTH_BYTES + algorithm.size_bytes) // unit) * unit == field_bytes
    )


def variant_schemes(block: str, algorithm: KeyAlgorithm | None) -> tuple[str, ...]:
    """
    Return the schemes under which a variant LMK can keep the key of a TR-31 block.

    Args:
        block: whose payload may be padded to hide the length of its key.
        algorithm: of the key, if it is known.

    Returns:
        `U` (double length), `T` (triple length), both with the longer first, or none.
    """
    header, offset = KeyBlockHeader.read(block)
    payload_bytes = (len(block) - offset) // 2 - header.version.mac_bytes
    return tuple(
        scheme
        for scheme, each in (("T", KeyAlgorithm.TDES_3KEY), ("U", KeyAlgorithm.TDES_2KEY))
        if header.algorithm is Algorithm.TDES
        and algorithm in (each, None)
        and _LENGTH_BYTES + each.size_bytes <= payload_bytes
    )


def is_aes(key: str) -> bool:
    """Whether a key in wire form is an AES key."""
    return key[0] == "S" and ThalesHeader.parse(key).algorithm is Algorithm.AES


def check_wire_form(key: str, *, variant_lmk: bool, place: str) -> None:
    """
    Refuse what is no key of the LMK scheme; the key itself is never repeated.

    Raises:
        ConfigurationError: naming `place`.
    """
    if key[:3] == "308":
        raise ConfigurationError(
            f"{place} is a token that travelled, not a key under the LMK",
            hint="the result of that exchange names the key too: kdh_key, or KDH's wrapped key",
        )
    if variant_lmk:
        if not _VARIANT.match(key):
            raise ConfigurationError(
                f"{place} is not a key under a variant LMK",
                hint="expected U and 32, or T and 48 hex characters;"
                " set variant_lmk to false for an S block",
            )
        return
    if not _BLOCK.match(key):
        raise ConfigurationError(
            f"{place} is not a key under a key block LMK",
            hint="expected an S block; set variant_lmk to true for a U or T key",
        )
    try:
        header = ThalesHeader.parse(key)
    except MalformedKeyBlockError as error:
        raise ConfigurationError(f"{place}: {error}") from None
    if header.length != len(key) - 1:
        raise ConfigurationError(
            f"{place} is cut: its header says {header.length} characters, it has {len(key) - 1}"
        )


def check_kek(key: str, *, variant_lmk: bool, place: str, wraps: bool) -> None:
    """
    Refuse what is no key encryption key of the LMK scheme, as far as it says so itself.

    Args:
        key: in wire form.
        variant_lmk: which scheme the configuration says.
        place: for messages.
        wraps: whether it is to wrap a key (A8); else it is to unwrap one (A6).

    Raises:
        ConfigurationError: naming `place`.
    """
    check_wire_form(key, variant_lmk=variant_lmk, place=place)
    if variant_lmk:
        return
    header = ThalesHeader.parse(key)
    usages, modes = (KEK_USAGES, _WRAPS) if wraps else (IMPORT_KEK_USAGES, _UNWRAPS)
    if header.usage not in usages:
        raise ConfigurationError(
            f"{place} is a key of usage {header.usage}, which does not"
            f" {'' if wraps else 'un'}wrap keys",
            hint=f"expected one of {', '.join(usages)}",
        )
    if header.mode not in modes:
        raise ConfigurationError(
            f"{place} is a key of mode of use {header.mode.value}, which does not"
            f" {'' if wraps else 'un'}wrap keys",
            hint=f"expected one of {', '.join(mode.value for mode in modes)}",
        )


def describe_existing(
    key: str,
    *,
    variant_lmk: bool,
    usage: KeyUsage | None,
    algorithm: KeyAlgorithm | None,
    default_usage: KeyUsage,
    place: str,
) -> tuple[KeyUsage, KeyAlgorithm | None]:
    """
    Return usage and algorithm of an existing key, from its wire form and the configuration.

    Args:
        key: in wire form, with its scheme letter.
        variant_lmk: which scheme the configuration says.
        usage: as configured, if it is.
        algorithm: as configured, if it is.
        default_usage: of a variant key whose usage is not configured.
        place: for messages.

    Returns:
        The usage, and the algorithm if it is certain.

    Raises:
        ConfigurationError: the key is not of the scheme, or says something else than configured.
    """
    check_wire_form(key, variant_lmk=variant_lmk, place=place)
    possible = possible_algorithms(key)
    if not possible:
        raise ConfigurationError(f"{place} holds a key that is neither TDES nor AES")
    if algorithm is not None and algorithm not in possible:
        raise ConfigurationError(
            f"{place} is no {algorithm} key: it can be {' or '.join(possible)}",
            hint="correct key_algorithm, or leave it out",
        )
    known = algorithm or (possible[0] if len(possible) == 1 else None)
    if variant_lmk:
        return usage or default_usage, known
    header = ThalesHeader.parse(key)
    if header.exportability is Exportability.NONE:
        raise ConfigurationError(
            f"{place} is not exportable: its header says so",
            hint="only the HSM's owner can make an exportable copy",
        )
    code = exported_usage(header.usage)
    own = KeyUsage.from_code(code)
    if own is None:
        raise ConfigurationError(f"{place} is of key usage {code}, which the API has no name for")
    if usage is not None and usage is not own:
        raise ConfigurationError(
            f"{place} is a key of usage {own}, not {usage}", hint="correct key_usage"
        )
    return own, known
