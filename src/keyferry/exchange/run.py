"""One exchange from start to end: run the flow, prove the key, take back what was temporary."""

from __future__ import annotations

from dataclasses import replace

from keyferry.errors import CheckValueMismatchError, ExchangeError, KeyferryError
from keyferry.exchange.capabilities import Decision, ReportsDevice, decide
from keyferry.exchange.flows.ecdh import run_ecdh
from keyferry.exchange.flows.tr31 import run_tr31
from keyferry.exchange.flows.tr34 import run_tr34
from keyferry.exchange.flows.travelled import Travelled
from keyferry.exchange.parties.interface import (
    KeyDistributionHost,
    KeyReceivingDevice,
    Method,
    Party,
)
from keyferry.exchange.plan import Plan
from keyferry.exchange.proof import prove_by_use
from keyferry.exchange.replicas import check_regions, replicate_to
from keyferry.exchange.result import (
    ExchangeResult,
    check_received,
    received_attributes,
    sent_attributes,
)
from keyferry.exchange.steps import Steps
from keyferry.hsm.capabilities import Role

_FLOWS = {Method.TR34: run_tr34, Method.TR31: run_tr31, Method.ECDH: run_ecdh}


async def run_exchange(
    plan: Plan,
    kdh: KeyDistributionHost,
    krd: KeyReceivingDevice,
    steps: Steps,
    *,
    prove: bool = False,
    regions: tuple[str, ...] = (),
) -> ExchangeResult:
    """
    Run one exchange.

    Both parties are reached before either changes anything. If the exchange fails, is interrupted
    or cannot be proven, what it made on either side is taken back and kept in `steps.left`, which
    goes with the error; otherwise only what served the exchange itself is.

    Args:
        plan: of the exchange.
        kdh, krd: the parties.
        steps: told what is done.
        prove: prove the key by use too.
        regions: where the received key gets replicas, each compared and proven like the key.

    Raises:
        ConfigurationError: the receiver has no other Regions.
        CheckValueMismatchError: the key that arrived is not the key that was sent.
        KeyferryError: what one of the parties refused.
    """
    check_regions(regions, krd)
    try:
        await decide_exchange(plan, kdh, krd, steps)
        travelled = await _FLOWS[plan.method](plan, kdh, krd, steps)
        _prove(travelled)
        for note in travelled.received.notes:
            steps.detail(note)
        proven = None
        if prove:
            proven = await prove_by_use(
                travelled.key,
                travelled.received,
                mode=travelled.header.mode,
                kdh=kdh,
                krd=krd,
                bring=travelled.bring,
                steps=steps,
            )
        replicas = await replicate_to(regions, travelled.received, proven, krd=krd, steps=steps)
    except BaseException as error:
        # Also on Ctrl-C: a key whose way in was not proven must not stay behind unseen.
        left = await _clean_up((krd, kdh), failed=True)
        steps.take_back(left, tell=not isinstance(error, KeyferryError))
        raise
    cleaned_up = await _clean_up((krd, kdh), failed=False)
    return replace(
        _result(plan, kdh, krd, steps, travelled, cleaned_up),
        proof_by_use=proven.text if proven is not None else "",
        replicas=replicas,
    )


async def decide_exchange(
    plan: Plan, kdh: KeyDistributionHost, krd: KeyReceivingDevice, steps: Steps
) -> list[Decision]:
    """
    Reach both parties, ask the HSMs among them what they are, and decide. Changes nothing.

    Raises:
        DeviceCapabilityError: a device cannot do its part; names the rule and what to change.
        KeyferryError: one of the parties does not answer.
    """
    decisions: list[Decision] = []
    parties: tuple[tuple[Party, Role], ...] = ((kdh, Role.SENDS), (krd, Role.RECEIVES))
    for party, role in parties:
        steps.begin(party.label, "connect")
        steps.detail(await party.connect())
        if isinstance(party, ReportsDevice):
            device = await party.device()
            decisions.append(decide(plan, device, role=role, label=party.label))
    return decisions


async def _clean_up(parties: tuple[Party, ...], *, failed: bool) -> list[str]:
    statements: list[str] = []
    for party in parties:
        statements += await party.clean_up(failed=failed)
    return statements


def _prove(travelled: Travelled) -> None:
    """Compare both sides; a difference names the key that arrived."""
    arn = travelled.received.identifier
    # A key under an HSM's own master key is not repeated in an error, and nothing stores it.
    stored = arn.startswith("arn:")
    made = f"{arn} was created" if stored else "a key arrived"
    hint = "do not use the key" + ("; it is being deleted" if stored else "")
    try:
        check_received(travelled.key, travelled.header, travelled.received)
    except CheckValueMismatchError as error:
        raise CheckValueMismatchError(f"{made}, but {error}", hint=hint) from None
    except ExchangeError as error:
        raise ExchangeError(f"{made}, but {error}", hint=hint) from None


def _result(
    plan: Plan,
    kdh: Party,
    krd: Party,
    steps: Steps,
    travelled: Travelled,
    cleaned_up: list[str],
) -> ExchangeResult:
    key, received = travelled.key, travelled.received
    return ExchangeResult(
        method=plan.method,
        kdh=kdh.label,
        krd=krd.label,
        key_arn=received.identifier,
        key_check_value=received.check_value,
        key_check_value_algorithm=received.check_value_method,
        kdh_key_check_value=key.check_value,
        kdh_key=key.handle,
        kdh_key_generated=key.generated,
        sent=sent_attributes(key, travelled.header),
        received=received_attributes(received),
        wrapped_key=travelled.wrapped,
        nonce=plan.nonce.hex().upper(),
        kek_check_value=travelled.kek.check_value if travelled.kek else "",
        key_encryption_key=travelled.kek.handle if travelled.kek else "",
        notes=received.notes,
        cleaned_up=tuple(cleaned_up),
        steps=tuple(steps.taken),
    )
