"""ECDH: one key in a key block under a key that both sides derive from an agreement."""

from __future__ import annotations

from keyferry.crypto.keyblock import KeyBlockHeader
from keyferry.errors import ConfigurationError, KeyStrengthError
from keyferry.exchange.carried import Carried
from keyferry.exchange.flows.sender_key import find_sender_key
from keyferry.exchange.flows.travelled import Travelled
from keyferry.exchange.parties.interface import (
    KeyDistributionHost,
    KeyReceivingDevice,
    KeyRequest,
    ReceivedKey,
    TransportKey,
)
from keyferry.exchange.plan import Plan
from keyferry.exchange.steps import Steps
from keyferry.keys import WrappingMethod, check_strength


async def run_ecdh(
    plan: Plan, kdh: KeyDistributionHost, krd: KeyReceivingDevice, steps: Steps
) -> Travelled:
    """
    Bring the key of `plan` from `kdh` to `krd` under an agreed key.

    The key is found and its check value compared before anything is sent to the receiver.

    Raises:
        KeyStrengthError: curve or derived key are weaker than the key.
        KeyferryError: what one of the parties refused; it has changed nothing it will not undo.
    """
    curve, derivation = plan.wrapping, plan.derivation
    if curve is None or derivation is None:
        raise ConfigurationError("an ECDH exchange needs a curve and a derivation")
    key = await find_sender_key(plan, kdh, steps)
    if key.algorithm is not None:
        try:
            check_strength(key.algorithm, method=WrappingMethod.ECDH, wrapping=curve)
            check_strength(key.algorithm, method=WrappingMethod.TR31, wrapping=derivation.algorithm)
        except KeyStrengthError as error:
            hint = "choose a stronger derive_key_algorithm"
            raise KeyStrengthError(str(error), hint=hint) from None

    steps.begin(kdh.label, f"make a key agreement key ({curve}) and its certificate")
    own = await kdh.agreement_credential(curve)
    steps.begin(krd.label, f"make a key agreement key ({curve}) and its certificate")
    peer = await krd.agreement_credential(curve)

    steps.begin(kdh.label, "check and trust the receiver's certificate chain")
    kdh_trust = await kdh.trust(peer)
    steps.begin(krd.label, "check and trust the sender's certificate chain")
    krd_trust = await krd.trust(own)

    steps.begin(
        kdh.label, f"derive the wrapping key ({derivation.algorithm}) and export the key under it"
    )
    block = await kdh.export_ecdh(key, own=own, peer=peer, trust=kdh_trust, derivation=derivation)
    steps.carried = Carried(data=block.encode("ascii", "replace"))
    header = KeyBlockHeader.parse(block)
    steps.begin(
        krd.label, f"derive the wrapping key ({derivation.algorithm}) and import the key under it"
    )
    received = await krd.import_ecdh(
        block, own=peer, peer=own, trust=krd_trust, derivation=derivation
    )

    async def bring(request: KeyRequest) -> tuple[TransportKey, ReceivedKey]:
        another = await kdh.transport_key(request)
        wrapped = await kdh.export_ecdh(
            another, own=own, peer=peer, trust=kdh_trust, derivation=derivation
        )
        return another, await krd.import_ecdh(
            wrapped, own=peer, peer=own, trust=krd_trust, derivation=derivation
        )

    return Travelled(key=key, header=header, wrapped=block, received=received, bring=bring)
