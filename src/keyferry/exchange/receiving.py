"""
What a receiver's configuration shows to be impossible, refused before any call.

Which HSM imports by which protocol follows from the public host commands alone: a payShield has A6
for key blocks and nothing for TR-34; of an Atalla's imports none has a public layout that takes a
TR-31 block or a token.
"""

from __future__ import annotations

from keyferry.errors import ConfigurationError
from keyferry.exchange.config import APC, Atalla, Local, PartyConfig, PayShield
from keyferry.exchange.key_request import candidates_of, flow_of
from keyferry.exchange.parties.interface import KeyRequest, Method
from keyferry.hsm.payshield.key_types import key_type_for


def check_receiver(receiver: PartyConfig, method: Method, place: str) -> None:
    """
    Refuse a receiver that has no way in for a protocol, or whose members contradict its role.

    Raises:
        ConfigurationError: naming `place`, the rule, and what to change.
    """
    if isinstance(receiver, Local):
        raise ConfigurationError(
            f"{place}: a clear key is never a receiver: no key leaves an HSM in the clear",
            hint="use --krd apc, payshield or futurex",
        )
    if isinstance(receiver, Atalla):
        raise ConfigurationError(
            f"{place}: an Atalla receives by no protocol of an exchange: the layout of its TR-31"
            " import (117) is not public, 11B takes a bare cryptogram, and none imports TR-34",
            hint="use --krd apc, payshield or futurex; --kdh atalla sends by tr34 and tr31",
        )
    flow = flow_of(receiver, method)
    for member in ("transport_key", "transport_key_kcv"):
        if getattr(flow, member):
            raise ConfigurationError(
                f"{place}.{method}.{member}: the key comes from the kdh, so it is named there"
            )
    if isinstance(receiver, APC) and receiver.certificate_authority != "local":
        raise ConfigurationError(
            f"{place}.certificate_authority: the service brings its own certificates"
        )
    if isinstance(receiver, PayShield):
        _check_payshield(receiver, method, place)


def _check_payshield(receiver: PayShield, method: Method, place: str) -> None:
    if method is Method.TR34:
        raise ConfigurationError(
            f"{place}: no public host command of a payShield imports a TR-34 token",
            hint="use tr31 under a KEK both sides share, or ecdh with an AES key block LMK",
        )
    if method is Method.ECDH and receiver.variant_lmk:
        raise ConfigurationError(
            f"{place}.variant_lmk: a payShield does ECDH with a key block LMK only",
            hint="set variant_lmk to false, or use tr31",
        )
    check_agreement_authority(receiver, method, place)


def check_agreement_authority(party: PayShield, method: Method, place: str) -> None:
    """
    Refuse an authority that wants what a payShield key agreement key cannot give.

    Raises:
        ConfigurationError: naming `place`.
    """
    authority = party.certificate_authority
    if method is Method.ECDH and isinstance(authority, str) and authority != "local":
        raise ConfigurationError(
            f"{place}.certificate_authority: an AWS Private CA wants a request signed by the key,"
            " and a payShield key agreement key does not sign",
            hint='use "local" or the files of a CA',
        )


def check_receivable(receiver: PartyConfig, key: KeyRequest, place: str) -> None:
    """
    Refuse a key that a receiver has no place for, as far as its sender's configuration tells.

    Raises:
        ConfigurationError: naming `place`.
    """
    if not isinstance(receiver, PayShield):
        return
    candidates = candidates_of(key)
    if candidates and all(algorithm.is_hmac for algorithm in candidates):
        raise ConfigurationError(
            f"{place}: no public host command of a payShield handles HMAC keys",
            hint="use --krd apc",
        )
    if not receiver.variant_lmk:
        return
    if candidates and not any(algorithm.is_tdes for algorithm in candidates):
        raise ConfigurationError(
            f"{place}.variant_lmk: a variant LMK holds TDES keys only",
            hint="use a key block LMK for AES keys",
        )
    # The usage of an existing key counts only where it is stated; else its party tells it.
    known = key.generate or key.usage_stated
    if known and key_type_for(key.usage.code) is None:
        raise ConfigurationError(
            f"{place}.variant_lmk: a variant LMK has no key type for {key.usage}",
            hint="use a key block LMK",
        )
