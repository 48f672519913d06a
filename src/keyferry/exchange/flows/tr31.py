"""TR-31: one key in a key block under a KEK that both sides already share (X9.143)."""

from __future__ import annotations

from keyferry.crypto.keyblock import KeyBlockHeader
from keyferry.errors import CheckValueMismatchError, KeyStrengthError
from keyferry.exchange.carried import Carried
from keyferry.exchange.flows.sender_key import find_sender_key
from keyferry.exchange.flows.travelled import Travelled
from keyferry.exchange.parties.interface import (
    KEK,
    KeyDistributionHost,
    KeyReceivingDevice,
    KeyRequest,
    ReceivedKey,
    TransportKey,
)
from keyferry.exchange.plan import Plan
from keyferry.exchange.result import same_check_value
from keyferry.exchange.steps import Steps
from keyferry.keys import KeyAlgorithm, WrappingMethod, check_strength


async def run_tr31(
    plan: Plan, kdh: KeyDistributionHost, krd: KeyReceivingDevice, steps: Steps
) -> Travelled:
    """
    Bring the key of `plan` from `kdh` to `krd` in a key block under the shared KEK.

    That both sides speak of the same KEK, and that it is strong enough, is checked before a key is
    generated.

    Raises:
        CheckValueMismatchError: the two KEKs are different keys.
        KeyStrengthError: the KEK is weaker than the key.
        KeyferryError: what one of the parties refused; it has changed nothing it will not undo.
    """
    steps.begin(krd.label, "look up the shared KEK")
    krd_kek = await krd.kek(plan.krd_kek)
    shown = krd_kek.check_value or "none shown"
    steps.detail(f"{krd_kek.algorithm or 'a KEK'} with check value {shown}")
    steps.begin(kdh.label, "look up the shared KEK")
    kdh_kek = await kdh.kek(plan.kdh_kek, peer=krd_kek)
    steps.detail(
        f"check value {kdh_kek.check_value}"
        if kdh_kek.check_value
        else "it shows no check value; the MAC of the key block will tell if it is another key"
    )
    known = bool(kdh_kek.check_value and krd_kek.check_value)
    if kdh_kek.aes is not krd_kek.aes or (
        known and not same_check_value(kdh_kek.check_value, krd_kek.check_value)
    ):
        raise CheckValueMismatchError(
            f"the KEKs differ: {kdh.label} shows check value {kdh_kek.check_value or 'none'},"
            f" {krd.label} {krd_kek.check_value or 'none'}",
            hint="tr31.kek must name the same key on both sides",
        )
    check_under_kek(plan.key.algorithm, krd_kek)

    key = await find_sender_key(plan, kdh, steps)
    check_under_kek(key.algorithm, krd_kek)

    steps.begin(kdh.label, "export the key as a TR-31 key block under the KEK")
    block = await kdh.export_tr31(key, kdh_kek)
    steps.carried = Carried(data=block.encode("ascii", "replace"))
    header = KeyBlockHeader.parse(block)
    steps.begin(krd.label, "import the key from the key block")
    received = await krd.import_tr31(block, krd_kek, algorithm=key.algorithm)

    async def bring(request: KeyRequest) -> tuple[TransportKey, ReceivedKey]:
        another = await kdh.transport_key(request)
        wrapped = await kdh.export_tr31(another, kdh_kek)
        return another, await krd.import_tr31(wrapped, krd_kek, algorithm=another.algorithm)

    return Travelled(
        key=key, header=header, wrapped=block, received=received, kek=krd_kek, bring=bring
    )


def check_under_kek(algorithm: KeyAlgorithm | None, kek: KEK) -> None:
    """
    Refuse a key that is stronger than the KEK, as far as both are known.

    Raises:
        KeyStrengthError: with what to do instead.
    """
    if algorithm is None or kek.algorithm is None:
        return
    try:
        check_strength(algorithm, method=WrappingMethod.TR31, wrapping=kek.algorithm)
    except KeyStrengthError as error:
        raise KeyStrengthError(
            str(error), hint="establish a stronger KEK first, or use ecdh"
        ) from None
