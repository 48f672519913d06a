"""The first thing every flow does: find or generate the key that travels."""

from __future__ import annotations

from keyferry.exchange.parties.interface import KeyDistributionHost, TransportKey
from keyferry.exchange.plan import Plan
from keyferry.exchange.steps import Steps


async def find_sender_key(plan: Plan, kdh: KeyDistributionHost, steps: Steps) -> TransportKey:
    """
    Have the sender find or generate the key, and tell its check value.

    Raises:
        CheckValueMismatchError: an existing key has another check value than the plan states.
    """
    if plan.key.generate and plan.key.algorithm is not None and not plan.local:
        steps.begin(kdh.label, f"generate a {plan.key.algorithm} key for {plan.key.usage}")
    else:
        steps.begin(kdh.label, "find the key to send and its check value")
    key = await kdh.transport_key(plan.key)
    steps.detail(
        f"check value {key.check_value}" if key.check_value else "it is made when it is exported"
    )
    return key
