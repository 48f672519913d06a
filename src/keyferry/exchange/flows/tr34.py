"""TR-34: one key under the receiver's RSA key, signed by the sender (X9 TR 34, two-pass)."""

from __future__ import annotations

import os

from keyferry.crypto.tr34 import parse_header, parse_token
from keyferry.errors import ConfigurationError
from keyferry.exchange.carried import Carried
from keyferry.exchange.flows.sender_key import find_sender_key
from keyferry.exchange.flows.travelled import Travelled
from keyferry.exchange.parties.interface import (
    KeyDistributionHost,
    KeyReceivingDevice,
    KeyRequest,
    MakesKeyOnExport,
    ReceivedKey,
    TransportKey,
)
from keyferry.exchange.plan import Plan
from keyferry.exchange.steps import Steps
from keyferry.keys import WrappingMethod, check_strength


async def run_tr34(
    plan: Plan, kdh: KeyDistributionHost, krd: KeyReceivingDevice, steps: Steps
) -> Travelled:
    """
    Bring the key of `plan` from `kdh` to `krd` in a TR-34 token.

    The key is found and its check value compared before anything is sent to the receiver.

    Raises:
        KeyStrengthError: the key does not travel by TR-34.
        KeyferryError: what one of the parties refused; it has changed nothing it will not undo.
    """
    if plan.wrapping is None:
        raise ConfigurationError("a TR-34 exchange needs an RSA algorithm")
    key = await find_sender_key(plan, kdh, steps)
    if key.algorithm is not None:
        check_strength(key.algorithm, method=WrappingMethod.TR34, wrapping=plan.wrapping)

    steps.begin(kdh.label, f"make a signing key ({plan.wrapping}) and its certificate")
    own = await kdh.signing_credential(plan.wrapping)
    steps.begin(krd.label, f"make a wrapping key ({plan.wrapping}) and its certificate")
    receiver = await krd.receiving_credential(plan.wrapping)

    steps.begin(kdh.label, "check and trust the receiver's certificate chain")
    kdh_trust = await kdh.trust(receiver)
    steps.begin(krd.label, "check and trust the sender's certificate chain")
    krd_trust = await krd.trust(own)

    steps.begin(kdh.label, "export the key as a TR-34 token (two-pass)")
    token = await kdh.export_tr34(key, own=own, peer=receiver, trust=kdh_trust, nonce=plan.nonce)
    steps.carried = Carried(
        data=token,
        nonce=plan.nonce,
        kdh_certificate=own.certificate,
        krd_certificate=receiver.certificate,
        authorities=own.authorities,
    )
    if isinstance(kdh, MakesKeyOnExport):
        key = kdh.exported_key(key)
        steps.detail(f"check value {key.check_value}")
    header = parse_header(parse_token(token).header)
    steps.begin(krd.label, "import the key from the token")
    received = await krd.import_tr34(
        token, own=receiver, peer=own, trust=krd_trust, nonce=plan.nonce
    )

    async def bring(request: KeyRequest) -> tuple[TransportKey, ReceivedKey]:
        another = await kdh.transport_key(request)
        nonce = os.urandom(len(plan.nonce))
        wrapped = await kdh.export_tr34(
            another, own=own, peer=receiver, trust=kdh_trust, nonce=nonce
        )
        if isinstance(kdh, MakesKeyOnExport):
            another = kdh.exported_key(another)
        return another, await krd.import_tr34(
            wrapped, own=receiver, peer=own, trust=krd_trust, nonce=nonce
        )

    return Travelled(
        key=key, header=header, wrapped=token.hex().upper(), received=received, bring=bring
    )
