"""
What proves a key of each usage: the one table, for the Region that makes a proof and the one that
checks it.

Where a key's modes of use allow both directions, one Region generates or encrypts and the other
verifies or decrypts. Where they allow one direction, and its result follows from the input, both
Regions do the same and the results are compared. Where neither is so, no operation tells.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from keyferry.crypto.digits import random_digits
from keyferry.crypto.keyblock import (
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)
from keyferry.keys import KeyAlgorithm as Alg
from keyferry.keys import KeyAttributes
from keyferry.service.replication.proof import pin_steps, steps
from keyferry.service.replication.proof.steps import Pair
from keyferry.service.replication.proof.workbench import Subject

_TDES2 = frozenset({Alg.TDES_2KEY})
_TDES3 = frozenset({Alg.TDES_3KEY})
_TDES = _TDES2 | _TDES3
_AES = frozenset({Alg.AES_128, Alg.AES_192, Alg.AES_256})
_CIPHERS = _TDES | _AES
_HMAC = frozenset(algorithm for algorithm in Alg if algorithm.is_hmac)

_TDES_KSN = "FFFF9876543210E00001"
_AES_KSN = "123456789012345600000001"
_MESSAGE_BYTES = 32  # whole blocks of every cipher


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to prove keys of some usages by use."""

    name: str  # what is made, in words
    usages: tuple[str, ...]
    algorithms: frozenset[Alg]
    modes: str  # letters; the key may do both steps with any of them
    prepare: Callable[[Subject], Awaitable[dict[str, str]]]
    pair: Pair
    # A short value is right by chance once in so many times; so often it is made.
    rounds: int = 1

    def fits(self, attributes: KeyAttributes) -> bool:
        return (
            attributes.key_usage.code in self.usages
            and attributes.key_algorithm in self.algorithms
            and attributes.modes_of_use.letter.value in self.modes
        )


def method_for(attributes: KeyAttributes) -> Method | None:
    """How a key of these attributes is proven; None where no operation of it tells."""
    return next((method for method in METHODS if method.fits(attributes)), None)


def made_up_pan(*, digits: int = 16) -> str:
    """A PAN no card has: its last digit is not the check digit of the others."""
    number = "4" + random_digits(digits - 2)
    return number + str((_check_digit(number) + 1) % 10)


def is_made_up(pan: str) -> bool:
    """Whether no card has the PAN. Whoever checks proofs could ask about cards otherwise."""
    return (
        len(pan) > 1
        and pan.isdecimal()
        and pan.isascii()
        and int(pan[-1]) != _check_digit(pan[:-1])
    )


def _check_digit(number: str) -> int:
    """The digit that follows by the Luhn formula (ISO/IEC 7812-1, annex B)."""
    doubled = (2 * int(digit) for digit in number[::-2])
    total = sum(d - 9 if d > 9 else d for d in doubled) + sum(int(d) for d in number[-2::-2])
    return -total % 10


async def _message(_: Subject) -> dict[str, str]:
    return {"message": secrets.token_hex(_MESSAGE_BYTES).upper()}


async def _cryptogram(_: Subject) -> dict[str, str]:
    return {"cryptogram": secrets.token_hex(_MESSAGE_BYTES).upper()}


async def _card(subject: Subject) -> dict[str, str]:
    return {"pan": made_up_pan()} | await _message(subject)


async def _amex_card(_: Subject) -> dict[str, str]:
    return {"pan": made_up_pan(digits=15)}


async def _card_with_pin(subject: Subject) -> dict[str, str]:
    values = await _card(subject)
    return values | await pin_steps.given_pin().run(subject, values)


async def _wrapped_key(subject: Subject) -> dict[str, str]:
    """A data key nobody knows, wrapped under the key, which is a KEK."""
    kek = subject.bench.opened(subject.record.key_id)
    kek.require_usable()
    header = KeyBlockHeader(
        version=BlockVersion.B if kek.is_tdes else BlockVersion.D,
        usage="D0",
        algorithm=Algorithm.TDES if kek.is_tdes else Algorithm.AES,
        mode=ModeOfUse.BOTH_DIRECTIONS,
        exportability=Exportability.NONE,
    )
    block = kek.kbpk().wrap(header, secrets.token_bytes(16))
    return {"block": block} | await _message(subject)


def _both_ways(
    name: str,
    usage: str,
    algorithms: frozenset[Alg],
    pair: Pair,
    *,
    modes: str,
    prepare: Callable[[Subject], Awaitable[dict[str, str]]] = _message,
    rounds: int = 1,
) -> tuple[Method, Method]:
    """For keys that may do both steps (`modes`), and for those that may only make (E or G)."""
    one_way = "E" if "B" in modes else "G"
    return (
        Method(
            name=name,
            usages=(usage,),
            algorithms=algorithms,
            modes=modes,
            prepare=prepare,
            pair=pair,
            rounds=rounds,
        ),
        Method(
            name=name,
            usages=(usage,),
            algorithms=algorithms,
            modes=one_way,
            prepare=prepare,
            pair=pair.repeated,
            rounds=rounds,
        ),
    )


METHODS: tuple[Method, ...] = (
    Method(
        name="DUKPT MAC",
        usages=("B0",),
        algorithms=_TDES2,
        modes="XN",
        prepare=_message,
        pair=steps.dukpt_mac("DukptIso9797Algorithm3", _TDES_KSN),
    ),
    Method(
        name="DUKPT MAC",
        usages=("B0",),
        algorithms=_AES,
        modes="XN",
        prepare=_message,
        pair=steps.dukpt_mac("DukptCmac", _AES_KSN),
    ),
    *_both_ways("CVV", "C0", _TDES2, steps.cvv(), modes="C", prepare=_card, rounds=2),
    *_both_ways("CSC", "C0", _TDES3, steps.csc(), modes="C", prepare=_amex_card, rounds=3),
    *_both_ways("cryptogram", "D0", _CIPHERS, steps.static_cryptogram(), modes="BN"),
    Method(
        name="cryptogram",
        usages=("D0",),
        algorithms=_CIPHERS,
        modes="D",
        prepare=_cryptogram,
        # Whatever is decrypted, both must come to the same.
        pair=Pair(steps.static_cryptogram().check, steps.static_cryptogram().check),
    ),
    Method(
        name="ARQC",
        usages=("E0",),
        algorithms=_TDES2,
        modes="X",
        prepare=_card,
        pair=steps.arqc(),
    ),
    Method(
        name="EMV cryptogram",
        usages=("E1", "E6"),
        algorithms=_TDES2,
        modes="X",
        prepare=_card,
        pair=steps.script_cryptogram(),
    ),
    Method(
        name="EMV script MAC",
        usages=("E2",),
        algorithms=_TDES2,
        modes="XN",
        prepare=_card,
        pair=steps.script_mac(),
    ),
    Method(
        name="dynamic CVC",
        usages=("E4",),
        algorithms=_TDES2,
        modes="X",
        prepare=_card,
        pair=steps.dynamic_cvc(),
        rounds=2,
    ),
    Method(
        name="wrapped key",
        usages=("K0", "K1"),
        algorithms=_CIPHERS,
        modes="DBN",
        prepare=_wrapped_key,
        pair=steps.cryptogram_under_wrapped_key(),
    ),
    *_both_ways("MAC", "M0", _TDES2, steps.static_mac("AS2805_4_1"), modes="C"),
    *_both_ways("MAC", "M1", _TDES, steps.static_mac("ISO9797_ALGORITHM1"), modes="C"),
    *_both_ways("MAC", "M3", _TDES, steps.static_mac("ISO9797_ALGORITHM3"), modes="C"),
    *_both_ways("CMAC", "M6", _CIPHERS, steps.static_mac("CMAC"), modes="C"),
    *_both_ways("HMAC", "M7", _HMAC | _CIPHERS, steps.static_mac("HMAC"), modes="C"),
    Method(
        name="PIN block",
        usages=("P0",),
        algorithms=_TDES,
        modes="BN",
        prepare=_card,
        pair=pin_steps.pin_block("ISO_FORMAT_0"),
    ),
    Method(
        name="PIN block",
        usages=("P0",),
        algorithms=_TDES,
        modes="E",
        prepare=_card,
        pair=pin_steps.natural_pin_block().repeated,
    ),
    # A block of format 4 is another every time, so a key that only encrypts is not proven by it.
    Method(
        name="PIN block",
        usages=("P0",),
        algorithms=_AES,
        modes="BN",
        prepare=_card,
        pair=pin_steps.pin_block("ISO_FORMAT_4"),
    ),
    *_both_ways("IBM 3624 PIN", "V1", _TDES, pin_steps.natural_pin(), modes="C", prepare=_card),
    Method(
        name="PVV",
        usages=("V2",),
        algorithms=_TDES,
        modes="C",
        prepare=_card,
        pair=pin_steps.pvv(),
        rounds=3,
    ),
    Method(
        name="PVV",
        usages=("V2",),
        algorithms=_TDES,
        modes="G",
        prepare=_card_with_pin,
        pair=pin_steps.pvv_of_given_pin(),
        rounds=3,
    ),
)
