"""
Read what an Atalla key says of itself, without asking the HSM.

Keys are AKBs, whose header is in the clear. It names usage, mode and exportability; the length of
the key is hidden, and which MAC a MAC key makes is not said.
"""

from __future__ import annotations

from keyferry.crypto.keyblock.akb import AKB, AKBHeader
from keyferry.errors import ConfigurationError, MalformedKeyBlockError
from keyferry.hsm.atalla.usages import HEADERS, tr31_mode, tr31_usages
from keyferry.keys import KeyAlgorithm, KeyUsage

POSSIBLE = (KeyAlgorithm.TDES_2KEY, KeyAlgorithm.TDES_3KEY)
WRAPPING_KEY = "k"


def read_akb(key: str, *, place: str) -> AKBHeader:
    """
    Read the header of a key; the key itself is never repeated.

    Raises:
        ConfigurationError: it is no AKB of a TDES key; `place` is named.
    """
    try:
        header = AKB.parse(key).header
    except MalformedKeyBlockError as error:
        raise ConfigurationError(
            f"{place}: {error}",
            hint="expected an AKB: 8 characters, a comma, hex, a comma, 16 hex characters",
        ) from None
    if header.algorithm == "R":
        raise ConfigurationError(f"{place} is an RSA key, not a TDES key")
    return header


def check_kek(key: str, *, place: str) -> None:
    """Refuse what does not wrap TR-31 blocks, as its header says; names `place`."""
    header = read_akb(key, place=place)
    if header.usage != WRAPPING_KEY:
        raise ConfigurationError(
            f"{place} is a key of usage {header.usage}, which does not wrap TR-31 blocks",
            hint="expected a header 1kDNE000: the key that an exchange by tr34 leaves behind",
        )


def check_new(usage: KeyUsage, algorithm: KeyAlgorithm | None, *, place: str) -> None:
    """Refuse a key that the HSM cannot hold; names `place`."""
    if algorithm is not None and not algorithm.is_tdes:
        raise ConfigurationError(
            f"{place}.key_algorithm: an Atalla with a TDES master file key holds TDES keys only",
            hint="use TDES_2KEY or TDES_3KEY",
        )
    if usage.code not in HEADERS:
        raise ConfigurationError(f"{place}.key_usage: an Atalla has no key header for {usage}")


def describe_existing(
    key: str, *, usage: KeyUsage | None, algorithm: KeyAlgorithm | None, place: str
) -> tuple[KeyUsage, tuple[KeyAlgorithm, ...]]:
    """
    Return usage and possible algorithms of an existing key, from itself and the configuration.

    Args:
        key: an AKB under the MFK.
        usage, algorithm: as configured, if they are.
        place: the member `transport_key`, for messages.

    Raises:
        ConfigurationError: it is no such key, it says something else than configured, or it is a
            MAC key and the configuration does not say which MAC it makes.
    """
    header = read_akb(key, place=place)
    if header.exportability == "N":
        raise ConfigurationError(
            f"{place} is not exportable: byte 4 of its header says so",
            hint="only the HSM's owner can make an exportable copy",
        )
    codes = tr31_usages(header)
    if not codes or tr31_mode(header) is None:
        raise ConfigurationError(
            f"{place} has the header {header.encode()}, which stands for no TR-31 usage"
        )
    if usage is None and len(codes) > 1:
        raise ConfigurationError(
            f"{place} is a MAC key, and its header does not say of which algorithm",
            hint="state key_usage beside it: " + ", ".join(codes),
        )
    own = KeyUsage.from_code(codes[0]) if usage is None else usage
    if own is None:
        raise ConfigurationError(
            f"{place} is of key usage {codes[0]}, which the API has no name for"
        )
    if own.code not in codes:
        raise ConfigurationError(
            f"{place} is a key of usage {' or '.join(codes)}, not {own}", hint="correct key_usage"
        )
    return own, (algorithm,) if algorithm is not None else POSSIBLE
