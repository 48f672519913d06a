"""
What an exchange will do, decided from the configuration alone.

Everything that the configuration shows to be impossible is refused here, before any system is
called: a protocol an LMK scheme does not have, a key under a weaker one, a missing KEK.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from keyferry.crypto.kdf import KeyDerivationFunction
from keyferry.errors import ConfigurationError
from keyferry.exchange.config import (
    APC,
    Atalla,
    ExchangeConfig,
    Futurex,
    Local,
    Parties,
    PartyConfig,
    PayShield,
)
from keyferry.exchange.key_request import (
    candidates_of,
    check_strong_enough,
    key_request,
)
from keyferry.exchange.parties import atalla_keys, futurex_keys
from keyferry.exchange.parties.interface import Derivation, KeyRequest, Method
from keyferry.exchange.parties.payshield_keys import check_kek
from keyferry.exchange.parties.payshield_keys import is_aes as payshield_is_aes
from keyferry.exchange.receiving import (
    check_agreement_authority,
    check_receivable,
    check_receiver,
)
from keyferry.keys import (
    KeyAlgorithm,
    WrappingMethod,
)

NONCE_BYTES = 8
SHARED_INFO_BYTES = 16  # 32 characters: payShield's IG carries at most 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One exchange, decided."""

    method: Method
    # Kept out of representations: a wrapped key, or a clear one by mistake, may stand in them.
    kdh: PartyConfig = field(repr=False)
    krd: PartyConfig = field(repr=False)
    key: KeyRequest
    wrapping: KeyAlgorithm | None = None  # TR-34: the RSA keys; ECDH: the curve
    nonce: bytes = field(default=b"", repr=False)  # TR-34
    kdh_kek: str = field(default="", repr=False)  # TR-31
    krd_kek: str = ""  # TR-31
    derivation: Derivation | None = None  # ECDH

    @property
    def local(self) -> bool:
        """Whether the key is a clear test key, which nobody generates."""
        return isinstance(self.kdh, Local)


def make_plan(
    config: ExchangeConfig,
    *,
    method: Method,
    kdh: str,
    krd: str,
    file: str,
    test_key: bool = False,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> Plan:
    """
    Decide what an exchange will do.

    Args:
        config: the configuration.
        method: how the key travels.
        kdh: name of the sending party, as under `kdh` in the configuration.
        krd: name of the receiving party.
        file: where the configuration comes from, for messages.
        test_key: the user accepts that a clear test key is used.
        random_bytes: source of nonce and shared information.

    Raises:
        ConfigurationError: naming file and member, and what to change.
    """
    sender = _party(config.kdh, "kdh", kdh, file)
    receiver = _party(config.krd, "krd", krd, file)
    place = f"{file}: kdh.{kdh}"
    _check_sender(sender, method, place, test_key)
    check_receiver(receiver, method, f"{file}: krd.{krd}")
    key = key_request(sender, method, f"{place}.{method}")
    check_receivable(receiver, key, f"{file}: krd.{krd}")
    if method is Method.TR34:
        return _plan_tr34(sender, receiver, key, place, random_bytes)
    if method is Method.TR31:
        return _plan_tr31(sender, receiver, key, place, f"{file}: krd.{krd}")
    return _plan_ecdh(sender, receiver, key, (place, f"{file}: krd.{krd}"), random_bytes)


def _party(parties: Parties, side: str, name: str, file: str) -> PartyConfig:
    party: PartyConfig | None = getattr(parties, name, None)
    if party is None:
        raise ConfigurationError(f"{file}: {side}.{name} is missing")
    return party


def _check_sender(sender: PartyConfig, method: Method, place: str, test_key: bool) -> None:
    if isinstance(sender, PayShield) and sender.variant_lmk and method is Method.ECDH:
        raise ConfigurationError(
            f"{place}.variant_lmk: a payShield does ECDH with a key block LMK only",
            hint="set variant_lmk to false, or use tr34 or tr31",
        )
    if isinstance(sender, Atalla) and method is Method.ECDH:
        raise ConfigurationError(
            f"{place}: no public host command of an Atalla does ECDH", hint="use tr34 or tr31"
        )
    if isinstance(sender, Local):
        if not test_key:
            raise ConfigurationError(
                f"{place}: a clear key outside an HSM is for tests only",
                hint="add --test-key if it is a test key",
            )
        if sender.key_file and sender.component_files:
            raise ConfigurationError(f"{place}: key_file and component_files exclude each other")
    if isinstance(sender, APC) and sender.certificate_authority != "local":
        raise ConfigurationError(
            f"{place}.certificate_authority: the service brings its own certificates"
        )
    if isinstance(sender, PayShield):
        check_agreement_authority(sender, method, place)


def _plan_tr34(
    sender: PartyConfig,
    receiver: PartyConfig,
    key: KeyRequest,
    place: str,
    random_bytes: Callable[[int], bytes],
) -> Plan:
    # AES_128 needs RSA_3072, and whatever may travel by TR-34 travels under it.
    candidates = candidates_of(key)
    tdes = bool(candidates) and all(algorithm.is_tdes for algorithm in candidates)
    wrapping = KeyAlgorithm.RSA_2048 if tdes else KeyAlgorithm.RSA_3072
    check_strong_enough(
        key,
        wrapping,
        WrappingMethod.TR34,
        f"{place}.tr34",
        "TR-34 carries TDES and AES_128 keys; use ecdh, or tr31 under a KEK of the same strength",
    )
    nonce = _agreed("nonce", (place, sender.tr34.nonce), (place, receiver.tr34.nonce))
    return Plan(
        method=Method.TR34,
        kdh=sender,
        krd=receiver,
        key=key,
        wrapping=wrapping,
        nonce=bytes.fromhex(nonce) if nonce else random_bytes(NONCE_BYTES),
    )


def _plan_tr31(
    sender: PartyConfig, receiver: PartyConfig, key: KeyRequest, place: str, krd_place: str
) -> Plan:
    for where, kek in ((place, sender.tr31.kek), (krd_place, receiver.tr31.kek)):
        if not kek:
            raise ConfigurationError(
                f"{where}.tr31.kek is empty: TR-31 needs a KEK that both sides already share",
                hint="run keyferry exchange tr34 first: its result names the KEK on both sides",
            )
    if isinstance(sender, PayShield):
        member = f"{place}.tr31.kek"
        check_kek(sender.tr31.kek, variant_lmk=sender.variant_lmk, place=member, wraps=True)
    if isinstance(receiver, PayShield):
        member = f"{krd_place}.tr31.kek"
        check_kek(receiver.tr31.kek, variant_lmk=receiver.variant_lmk, place=member, wraps=False)
    if isinstance(sender, Futurex):
        futurex_keys.check_kek(sender.tr31.kek, place=f"{place}.tr31.kek")
    if isinstance(receiver, Futurex):
        futurex_keys.check_kek(receiver.tr31.kek, place=f"{krd_place}.tr31.kek")
    if isinstance(sender, Atalla):
        atalla_keys.check_kek(sender.tr31.kek, place=f"{place}.tr31.kek")
    return Plan(
        method=Method.TR31,
        kdh=sender,
        krd=receiver,
        key=key,
        kdh_kek=sender.tr31.kek,
        krd_kek=receiver.tr31.kek,
    )


def kek_is_aes(plan: Plan) -> bool | None:
    """Whether the KEK of a TR-31 plan is an AES key; None where neither side's name of it says."""
    for party, kek in ((plan.kdh, plan.kdh_kek), (plan.krd, plan.krd_kek)):
        if isinstance(party, PayShield) and kek:
            return payshield_is_aes(kek)
        if isinstance(party, Futurex) and kek:
            return futurex_keys.is_aes(kek)
    return None


def _plan_ecdh(
    sender: PartyConfig,
    receiver: PartyConfig,
    key: KeyRequest,
    places: tuple[str, str],
    random_bytes: Callable[[int], bytes],
) -> Plan:
    place, krd_place = places
    ours, theirs = sender.ecdh, receiver.ecdh
    curve = KeyAlgorithm.ECC_NIST_P521  # carries every key, up to AES_256
    derived_name = _agreed(
        "derive_key_algorithm",
        (place, (ours.derive_key_algorithm or "")),
        (krd_place, (theirs.derive_key_algorithm or "")),
    )
    derived = KeyAlgorithm(derived_name or KeyAlgorithm.AES_256)
    if not derived.is_tdes and not derived.is_aes:
        raise ConfigurationError(
            f"{place}.ecdh.derive_key_algorithm: {derived} keys do not wrap keys",
            hint="use a TDES or AES algorithm",
        )
    hint = "choose a stronger derive_key_algorithm"
    check_strong_enough(key, derived, WrappingMethod.TR31, f"{place}.ecdh", hint)
    function = _agreed(
        "key_derivation_function",
        (place, ours.key_derivation_function),
        (krd_place, theirs.key_derivation_function),
    )
    hash_name = _agreed(
        "hash_algorithm", (place, ours.hash_algorithm), (krd_place, theirs.hash_algorithm)
    )
    info = _agreed("shared_info", (place, ours.shared_info), (krd_place, theirs.shared_info))
    for where, party in ((place, sender), (krd_place, receiver)):
        if isinstance(party, PayShield) and len(info) > 99:
            raise ConfigurationError(
                f"{where}.ecdh.shared_info: a payShield takes at most 98 hex characters"
            )
    return Plan(
        method=Method.ECDH,
        kdh=sender,
        krd=receiver,
        key=key,
        wrapping=curve,
        derivation=Derivation(
            algorithm=derived,
            function=KeyDerivationFunction(function or KeyDerivationFunction.NIST_SP800),
            hash_name=(hash_name or "SHA_256").replace("_", ""),
            shared_info=bytes.fromhex(info) if info else _shared_info(random_bytes),
        ),
    )


def _agreed(member: str, kdh: tuple[str, str], krd: tuple[str, str]) -> str:
    """The value of a member both sides must share; either side may leave it empty."""
    (place, ours), (krd_place, theirs) = kdh, krd
    if ours and theirs and ours.upper() != theirs.upper():
        raise ConfigurationError(
            f"{place} and {krd_place}: {member} differs, both sides must use the same",
            hint="state it on one side only",
        )
    return ours or theirs


def _shared_info(random_bytes: Callable[[int], bytes]) -> bytes:
    """Fresh shared information without zero bytes, as the API's text asks."""
    info = b""
    while len(info) < SHARED_INFO_BYTES:
        info += random_bytes(SHARED_INFO_BYTES).replace(b"\0", b"")
    return info[:SHARED_INFO_BYTES]
