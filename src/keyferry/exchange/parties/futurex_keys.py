"""
Read what a Futurex key says of itself, without asking the HSM.

A key under the PMK is a TR-31 block of version D, whose header is in the clear. A reference to the
key table (`BD` and a slot) says nothing.
"""

from __future__ import annotations

import re

from keyferry.crypto.keyblock import Algorithm, BlockVersion, Exportability, KeyBlockHeader
from keyferry.errors import ConfigurationError, KeyBlockError
from keyferry.keys import KeyAlgorithm, KeyUsage

KEK_USAGES = ("K0", "K1")

_SLOT = re.compile(r"^BD[0-9]{1,6}$")
_LENGTH_BYTES = 2  # the length of the key stands before it, and padding behind it
_PADDED_TO = 24  # bytes: shorter keys are padded to the length of three-key TDES
_CIPHER_BLOCK = 16
_BY_LETTER = {
    Algorithm.TDES: (KeyAlgorithm.TDES_2KEY, KeyAlgorithm.TDES_3KEY),
    Algorithm.AES: (KeyAlgorithm.AES_128, KeyAlgorithm.AES_192, KeyAlgorithm.AES_256),
}


def is_slot(key: str) -> bool:
    """Whether a key is a reference to the key table."""
    return _SLOT.match(key) is not None


def possible_algorithms(key: str) -> tuple[KeyAlgorithm, ...]:
    """
    Return what a key block may hold: its length is known up to the padding.

    Raises:
        KeyBlockError: `key` is no key block.
    """
    header, offset = KeyBlockHeader.read(key)
    payload_bytes = (len(key) - offset) // 2 - header.version.mac_bytes
    family = _BY_LETTER.get(header.algorithm, ())
    exact = tuple(a for a in family if _payload_bytes(a) == payload_bytes)
    # Another HSM or firmware may pad further: then every key that fits is possible.
    return exact or tuple(a for a in family if _payload_bytes(a) < payload_bytes)


def _payload_bytes(algorithm: KeyAlgorithm) -> int:
    size = _LENGTH_BYTES + max(algorithm.size_bytes, _PADDED_TO)
    return -(-size // _CIPHER_BLOCK) * _CIPHER_BLOCK


def read_block(key: str, *, place: str) -> KeyBlockHeader:
    """
    Read the header of a key under the PMK; the key itself is never repeated.

    Raises:
        ConfigurationError: it is none; `place` is named.
    """
    hint = "expected a key block as GPGS returns it, D and 4 digits first, or BD and a slot"
    try:
        header = KeyBlockHeader.parse(key)
    except KeyBlockError as error:
        raise ConfigurationError(f"{place}: {error}", hint=hint) from None
    if header.version is not BlockVersion.D:
        raise ConfigurationError(
            f"{place} is a key block of version {header.version}, not one under a PMK", hint=hint
        )
    if header.length != len(key):
        raise ConfigurationError(
            f"{place} is cut: its header says {header.length} characters, it has {len(key)}"
        )
    return header


def check_kek(key: str, *, place: str) -> None:
    """Refuse what is no key encryption key, as far as it says so itself; names `place`."""
    if is_slot(key):
        raise ConfigurationError(
            f"{place} is a slot, which does not say what its key is",
            hint="give the key block itself",
        )
    usage = read_block(key, place=place).usage
    if usage not in KEK_USAGES:
        raise ConfigurationError(
            f"{place} is a key of usage {usage}, which does not wrap keys",
            hint=f"expected one of {', '.join(KEK_USAGES)}",
        )


def is_aes(key: str) -> bool:
    """Whether a key block holds an AES key."""
    return KeyBlockHeader.parse(key).algorithm is Algorithm.AES


def describe_existing(
    key: str, *, usage: KeyUsage | None, algorithm: KeyAlgorithm | None, place: str
) -> tuple[KeyUsage, tuple[KeyAlgorithm, ...]]:
    """
    Return usage and possible algorithms of an existing key, from itself and the configuration.

    Args:
        key: a key block under the PMK, or `BD` and a slot.
        usage, algorithm: as configured, if they are.
        place: the member `transport_key`, for messages.

    Raises:
        ConfigurationError: it is no such key, it says something else than configured, or it is a
            slot and the configuration does not say what is in it.
    """
    if is_slot(key):
        if usage is None or algorithm is None:
            raise ConfigurationError(
                f"{place} is a slot, which does not say what its key is",
                hint="state key_usage and key_algorithm beside it",
            )
        return usage, (algorithm,)
    header = read_block(key, place=place)
    possible = possible_algorithms(key)
    if not possible:
        raise ConfigurationError(f"{place} holds a key that is neither TDES nor AES")
    if algorithm is not None and algorithm not in possible:
        raise ConfigurationError(
            f"{place} is no {algorithm} key: it can be {' or '.join(possible)}",
            hint="correct key_algorithm, or leave it out",
        )
    if header.exportability is Exportability.NONE:
        raise ConfigurationError(
            f"{place} is not exportable: its header says so",
            hint="only the HSM's owner can make an exportable copy",
        )
    own = KeyUsage.from_code(header.usage)
    if own is None:
        raise ConfigurationError(
            f"{place} is of key usage {header.usage}, which the API has no name for"
        )
    if usage is not None and usage is not own:
        raise ConfigurationError(
            f"{place} is a key of usage {own}, not {usage}", hint="correct key_usage"
        )
    return own, (algorithm,) if algorithm is not None else possible
