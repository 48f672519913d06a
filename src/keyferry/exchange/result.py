"""What an exchange proved."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from keyferry.crypto.keyblock import Exportability, KeyBlockHeader
from keyferry.errors import CheckValueMismatchError, ExchangeError
from keyferry.exchange.parties.interface import Method, ReceivedKey, TransportKey
from keyferry.exchange.steps import Step

NOT_KEPT = "not kept"  # the mode of use of a key whose master key has no header for it
MINIMUM_CHECK_VALUE = 4  # hex characters; some HSMs are set to show no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What a key is, in the letters that travel and the names the API shows."""

    key_usage: str
    key_algorithm: str
    mode_of_use: str  # a letter, or `NOT_KEPT`
    exportable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A replica of the received key, which shows the same check value and attributes."""

    region: str
    key_arn: str
    key_check_value: str
    proof_by_use: str = ""  # empty: not asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeResult:
    """One exchange that ended well; nothing in it is secret."""

    method: Method
    kdh: str
    krd: str
    key_arn: str  # of the received key; where an HSM receives, the key under its master key
    key_check_value: str  # as the receiver reports it
    key_check_value_algorithm: str
    kdh_key_check_value: str
    kdh_key: str  # the sender's own wrapped key or key ARN
    kdh_key_generated: bool
    sent: Attributes
    received: Attributes
    wrapped_key: str  # what travelled: a key block, or a token in hex
    nonce: str = ""  # hex, TR-34 only
    kek_check_value: str = ""  # TR-31 only
    key_encryption_key: str = ""  # the receiver's KEK, TR-31 only
    proof_by_use: str = ""  # empty: not asked for
    replicas: tuple[Replica, ...] = ()  # in further Regions, each compared with the key
    notes: tuple[str, ...] = ()  # what a person should know of the received key
    cleaned_up: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


def same_check_value(left: str, right: str) -> bool:
    """
    Whether two check values can be the same key's.

    They are compared without case on their common length, which must be 4 characters at least:
    HSMs show 4, 6 or 16, the API 6.
    """
    common = min(len(left), len(right))
    if common < MINIMUM_CHECK_VALUE:
        return False
    return hmac.compare_digest(left[:common].upper(), right[:common].upper())


def check_received(key: TransportKey, header: KeyBlockHeader, received: ReceivedKey) -> None:
    """
    Compare what arrived with what was sent.

    Raises:
        CheckValueMismatchError: the check values differ, so it is another key.
        ExchangeError: an attribute differs from what the header said.
    """
    if not same_check_value(key.check_value, received.check_value):
        raise CheckValueMismatchError(
            f"the receiver shows check value {received.check_value}, the sender {key.check_value}"
        )
    sent, got = sent_attributes(key, header), received_attributes(received)
    if received.possible:
        # The receiver tells no more than this; equal check values say that the lengths are equal.
        same_algorithm = any(
            algorithm is key.algorithm
            if key.algorithm is not None
            else algorithm.block_algorithm is header.algorithm
            for algorithm in received.possible
        )
    elif key.algorithm is None:
        # Only the family is known on the sender's side.
        letter = received.attributes.key_algorithm.block_algorithm
        same_algorithm = letter is header.algorithm
    else:
        same_algorithm = sent.key_algorithm == got.key_algorithm
    for member, same in (
        ("key usage", sent.key_usage == got.key_usage),
        ("key algorithm", same_algorithm),
        ("mode of use", not received.keeps_header or sent.mode_of_use == got.mode_of_use),
        ("exportability", not received.keeps_header or sent.exportable == got.exportable),
    ):
        if not same:
            raise ExchangeError(f"the receiver shows another {member} than was sent")


def sent_attributes(key: TransportKey, header: KeyBlockHeader) -> Attributes:
    """What the header of the block or token says."""
    return Attributes(
        key_usage=header.usage,
        key_algorithm=key.algorithm.value if key.algorithm else header.algorithm.value,
        mode_of_use=header.mode.value,
        exportable=header.exportability is not Exportability.NONE,
    )


def received_attributes(received: ReceivedKey) -> Attributes:
    """What the receiver says it holds."""
    return Attributes(
        key_usage=received.attributes.key_usage.code,
        key_algorithm=" or ".join(received.possible) or received.attributes.key_algorithm.value,
        mode_of_use=received.attributes.modes_of_use.letter.value
        if received.keeps_header
        else NOT_KEPT,
        exportable=received.exportable,
    )
