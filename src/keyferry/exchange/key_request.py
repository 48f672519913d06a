"""Which key is to travel, decided from the configuration of its sender."""

from __future__ import annotations

from keyferry.errors import ConfigurationError, KeyAttributesError, KeyStrengthError
from keyferry.exchange.config import Atalla, FlowConfig, Futurex, Local, PartyConfig, PayShield
from keyferry.exchange.modes import modes_for
from keyferry.exchange.parties import atalla_keys, futurex_keys
from keyferry.exchange.parties.interface import KeyRequest, Method
from keyferry.exchange.parties.payshield_keys import describe_existing, possible_algorithms
from keyferry.hsm.payshield.key_types import key_type_for
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    WrappingMethod,
    check_attributes,
    check_strength,
)

_DEFAULT_USAGE = {
    Method.TR34: KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY,
    Method.TR31: KeyUsage.TR31_B0_BASE_DERIVATION_KEY,
    Method.ECDH: KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY,
}
_DEFAULT_ALGORITHM = {
    Method.TR34: KeyAlgorithm.TDES_3KEY,
    Method.TR31: KeyAlgorithm.TDES_3KEY,
    Method.ECDH: KeyAlgorithm.AES_256,
}


def flow_of(party: PartyConfig, method: Method) -> FlowConfig:
    """Return a party's share of a method."""
    flow: FlowConfig = getattr(party, method.value)
    return flow


def key_request(sender: PartyConfig, method: Method, place: str) -> KeyRequest:
    """
    Say which key is to travel.

    Args:
        sender: the sending party.
        method: how the key travels.
        place: the party's member for this method, for messages.

    Raises:
        ConfigurationError: the configuration describes no key that exists, or one that the sender
            cannot have; `place` and the member are named.
    """
    flow = flow_of(sender, method)
    local = isinstance(sender, Local)  # its key is named by files, so a check value may stand alone
    if flow.transport_key_kcv and not flow.transport_key and not local:
        raise ConfigurationError(
            f"{place}.transport_key_kcv is given, but not the key it belongs to",
            hint="set transport_key too, or leave both empty to generate a key",
        )
    usage = flow.key_usage or _DEFAULT_USAGE[method]
    algorithm = flow.key_algorithm
    if isinstance(sender, Local):
        usage, algorithm = _local_key(sender, flow, place)
    elif algorithm is None and not flow.transport_key:
        algorithm = _DEFAULT_ALGORITHM[method]
        if isinstance(sender, PayShield) and sender.variant_lmk:
            algorithm = KeyAlgorithm.TDES_2KEY
    if algorithm is not None:
        _check_key(usage, algorithm, place)
    possible: tuple[KeyAlgorithm, ...] = ()
    if isinstance(sender, Futurex):
        if algorithm is not None and algorithm.is_hmac:
            raise ConfigurationError(
                f"{place}.key_algorithm: no public host command of a Futurex makes HMAC keys"
            )
        if flow.transport_key:
            usage, possible = futurex_keys.describe_existing(
                flow.transport_key,
                usage=flow.key_usage,
                algorithm=algorithm,
                place=f"{place}.transport_key",
            )
            algorithm = possible[0] if len(possible) == 1 else None
    if isinstance(sender, Atalla):
        atalla_keys.check_new(usage, algorithm, place=place)
        if flow.transport_key:
            usage, possible = atalla_keys.describe_existing(
                flow.transport_key,
                usage=flow.key_usage,
                algorithm=algorithm,
                place=f"{place}.transport_key",
            )
            algorithm = possible[0] if len(possible) == 1 else None
    if isinstance(sender, PayShield):
        if flow.transport_key:
            usage, algorithm = describe_existing(
                flow.transport_key,
                variant_lmk=sender.variant_lmk,
                usage=flow.key_usage,
                algorithm=algorithm,
                default_usage=_DEFAULT_USAGE[method],
                place=f"{place}.transport_key",
            )
            possible = possible_algorithms(flow.transport_key)
        _check_payshield_key(sender, usage, algorithm, place)
    return KeyRequest(
        usage=usage,
        algorithm=algorithm,
        transport_key=flow.transport_key,
        expected_check_value=flow.transport_key_kcv.upper(),
        usage_stated=flow.key_usage is not None,
        possible=possible,
    )


def _check_payshield_key(
    sender: PayShield, usage: KeyUsage, algorithm: KeyAlgorithm | None, place: str
) -> None:
    """Refuse a key that the device has no public command or no key type for."""
    if algorithm is not None and algorithm.is_hmac:
        raise ConfigurationError(
            f"{place}.key_algorithm: no public host command of a payShield handles HMAC keys"
        )
    if not sender.variant_lmk:
        return
    if algorithm is not None and not algorithm.is_tdes:
        raise ConfigurationError(
            f"{place}.key_algorithm: a variant LMK holds TDES keys only",
            hint="use a key block LMK for AES keys",
        )
    if key_type_for(usage.code) is None:
        raise ConfigurationError(
            f"{place}.key_usage: a variant LMK has no key type for {usage}",
            hint="use a key block LMK",
        )


def _local_key(sender: Local, flow: FlowConfig, place: str) -> tuple[KeyUsage, KeyAlgorithm]:
    party_place = place.rsplit(".", 1)[0]
    if flow.transport_key:
        raise ConfigurationError(
            f"{place}.transport_key: a local key comes from a file or a prompt",
            hint=f"use {party_place.split(': ')[-1]}.key_file or component_files",
        )
    usage = flow.key_usage or sender.key_usage
    algorithm = flow.key_algorithm or sender.key_algorithm
    if usage is None:
        raise ConfigurationError(f"{party_place}.key_usage is missing: a clear key does not tell")
    if algorithm is None:
        raise ConfigurationError(
            f"{party_place}.key_algorithm is missing: a clear key does not tell"
        )
    return usage, algorithm


def _check_key(usage: KeyUsage, algorithm: KeyAlgorithm, place: str) -> None:
    try:
        check_attributes(
            KeyAttributes(
                key_usage=usage,
                key_class=KeyClass.SYMMETRIC_KEY,
                key_algorithm=algorithm,
                modes_of_use=modes_for(usage),
            )
        )
    except KeyAttributesError as error:
        raise ConfigurationError(f"{place}: {error}") from None


def check_strong_enough(
    key: KeyRequest, wrapping: KeyAlgorithm, method: WrappingMethod, place: str, hint: str
) -> None:
    """Refuse if no algorithm the key may have is allowed under `wrapping`."""
    refusal = None
    for algorithm in candidates_of(key):
        try:
            check_strength(algorithm, method=method, wrapping=wrapping)
        except KeyStrengthError as error:
            refusal = error
        else:
            return
    if refusal is not None:
        raise ConfigurationError(f"{place}: {refusal}", hint=hint)


def candidates_of(key: KeyRequest) -> tuple[KeyAlgorithm, ...]:
    """The algorithms the key may have; none if only its party can tell."""
    return (key.algorithm,) if key.algorithm is not None else key.possible
