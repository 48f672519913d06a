"""From the plan to its two parties: connections, credentials and authorities, not yet used."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from keyferry.crypto.secret import Secret
from keyferry.errors import ConfigurationError
from keyferry.exchange.authority import (
    CertificateAuthority,
    FileAuthority,
    LocalAuthority,
    PrivateCA,
)
from keyferry.exchange.aws import AWSClient, Endpoint
from keyferry.exchange.clear_key import Ask, ask_for_key, combine_keys, read_key_file
from keyferry.exchange.config import (
    APC,
    Atalla,
    AuthorityFiles,
    Futurex,
    Local,
    PartyConfig,
    PayShield,
)
from keyferry.exchange.parties.apc import APCParty
from keyferry.exchange.parties.interface import KeyDistributionHost, KeyReceivingDevice
from keyferry.exchange.parties.local import LocalParty
from keyferry.exchange.plan import Plan

_PRIVATE_CA_PREFIX = "arn:aws:acm-pca:"


def open_parties(
    plan: Plan,
    *,
    file: str,
    ask: Ask,
    keep_trust: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    terminal: bool = False,
) -> tuple[KeyDistributionHost, KeyReceivingDevice]:
    """
    Make the two parties of a plan. Nothing is called yet.

    Args:
        plan: of the exchange.
        file: where the configuration comes from, for messages.
        ask: asks a person for a key.
        keep_trust: leave the CA public keys of the run where they were imported.
        tell: tells a person what to do, and what is waited for.
        terminal: whether `ask` has somebody to ask.

    Raises:
        ConfigurationError: a file, a profile or a credential is missing.
    """
    krd = _open_receiver(plan, file, keep_trust=keep_trust)
    if isinstance(plan.kdh, APC):
        place = f"{file}: kdh.apc"
        return _open_apc(plan.kdh, place, keep_trust=keep_trust, name_region=True), krd
    if isinstance(plan.kdh, PayShield):
        from keyferry.exchange.parties.payshield import PayShieldParty

        return PayShieldParty(plan.kdh, open_authority(plan.kdh, f"{file}: kdh.payshield")), krd
    if isinstance(plan.kdh, Futurex):
        from keyferry.exchange.parties.futurex import FuturexParty

        authority = _outside_authority(plan.kdh, f"{file}: kdh.futurex")
        return FuturexParty(plan.kdh, authority), krd
    if isinstance(plan.kdh, Atalla):
        from keyferry.exchange.parties.atalla import AtallaParty
        from keyferry.hsm.atalla import Operator

        return (
            AtallaParty(
                plan.kdh,
                open_authority(plan.kdh, f"{file}: kdh.atalla"),
                method=plan.method,
                operator=Operator(tell=tell, ask=ask if terminal else None),
            ),
            krd,
        )
    if isinstance(plan.kdh, Local):
        place = f"{file}: kdh.local"
        return (
            LocalParty(
                load_key=key_loader(plan.kdh, place, ask),
                authority=open_authority(plan.kdh, place),
                place=place,
            ),
            krd,
        )
    raise ConfigurationError(f"{file}: this build cannot exchange keys with the kdh yet")


def _open_receiver(plan: Plan, file: str, *, keep_trust: bool) -> KeyReceivingDevice:
    if isinstance(plan.krd, APC):
        both_apc = isinstance(plan.kdh, APC)
        place = f"{file}: krd.apc"
        return _open_apc(plan.krd, place, keep_trust=keep_trust, name_region=both_apc)
    if isinstance(plan.krd, Futurex):
        from keyferry.exchange.parties.futurex_receiver import FuturexReceiver

        authority = _outside_authority(plan.krd, f"{file}: krd.futurex")
        both = isinstance(plan.kdh, Futurex)
        return FuturexReceiver(
            plan.krd, authority, label="FUTUREX (receiver)" if both else "FUTUREX"
        )
    if isinstance(plan.krd, PayShield):
        from keyferry.exchange.parties.payshield_receiver import PayShieldReceiver

        place = f"{file}: krd.payshield"
        label = "PAYSHIELD (receiver)" if isinstance(plan.kdh, PayShield) else "PAYSHIELD"
        return PayShieldReceiver(plan.krd, open_authority(plan.krd, place), label=label)
    raise ConfigurationError(f"{file}: this build cannot bring keys to the krd yet")


def _outside_authority(party: Futurex, place: str) -> CertificateAuthority | None:
    """Open the authority of a Futurex, or None where the HSM itself is meant."""
    inside = party.certificate_authority in ("", "local")
    return None if inside else open_authority(party, place)


def _open_apc(party: APC, place: str, *, keep_trust: bool, name_region: bool) -> APCParty:
    endpoint = endpoint_of(party, place)
    client = AWSClient("payment-cryptography", endpoint, place=place)
    label = f"APC {client.region}" if name_region else "APC"
    return APCParty(
        client,
        label=label,
        keep_trust=keep_trust,
        data_client=lambda: AWSClient("payment-cryptography-data", endpoint, place=place),
        open_region=lambda region: _open_apc(
            msgspec.structs.replace(party, region=region),
            place,
            keep_trust=keep_trust,
            name_region=True,
        ),
    )


def endpoint_of(party: APC, place: str) -> Endpoint:
    """
    Where and as whom a party of the service is called.

    Raises:
        ConfigurationError: a TLS member that the AWS client has no use for.
    """
    tls = party.tls
    if tls is not None:
        for member in ("cert_file", "key_file", "server_name"):
            if getattr(tls, member):
                raise ConfigurationError(
                    f"{place}.tls.{member}: AWS endpoints know their clients by signature",
                    hint="only ca_file is used here",
                )
    return Endpoint(
        region=party.region,
        endpoint_url=party.endpoint_url,
        profile=party.profile,
        assume_role=party.assume_role,
        ca_file=tls.ca_file if tls else "",
        timeout_s=party.timeout_seconds,
    )


def open_authority(party: PartyConfig, place: str) -> CertificateAuthority:
    """
    Open the certificate authority of a party.

    Raises:
        ConfigurationError: it is none of the three kinds, or its files cannot be used.
    """
    chosen, place = party.certificate_authority, f"{place}.certificate_authority"
    if isinstance(chosen, AuthorityFiles):
        return FileAuthority.load(
            chosen.certificate_file, chosen.key_file, chosen.chain_file, place=place
        )
    if chosen in ("", "local"):
        return LocalAuthority(now=datetime.now(UTC))
    if chosen.startswith(_PRIVATE_CA_PREFIX):
        region = chosen.split(":")[3]
        return PrivateCA(AWSClient("acm-pca", Endpoint(region=region), place=place), chosen)
    raise ConfigurationError(
        f"{place}: expected local, the ARN of an AWS Private CA, or certificate_file and key_file"
    )


def key_loader(party: Local, place: str, ask: Ask) -> Callable[[], Secret]:
    """Say how the clear test key is read: file, component files, or questions."""
    if party.key_file:
        return lambda: read_key_file(party.key_file, place=f"{place}.key_file")
    if party.component_files:
        member = f"{place}.component_files"
        return lambda: combine_keys(
            [read_key_file(path, place=member) for path in party.component_files], place=member
        )
    return lambda: ask_for_key(ask, place=place)
