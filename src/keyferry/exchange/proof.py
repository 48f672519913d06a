"""
Proof by use: one side computes something under its copy of the key that travelled, and the other
verifies it under its own. Equal check values say that both hold one key; this says that both use
it alike.

The sender computes where it can. Some things a device only verifies, such as the cryptogram of a
card; then the receiver computes. PIN verification needs a PIN key on both sides too: a throw-away
one travels the same way and is deleted afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from keyferry.crypto.keyblock import ModeOfUse
from keyferry.errors import CheckValueMismatchError, ProofError, VerificationError
from keyferry.exchange.parties.interface import KeyRequest, ReceivedKey, TransportKey
from keyferry.exchange.proof_kinds import Proof, ProofKind, UsedKey, kinds_of, reason_against
from keyferry.exchange.result import same_check_value
from keyferry.exchange.steps import Steps
from keyferry.keys import KeyAlgorithm, KeyUsage

NOT_PROVABLE = "not provable by use"

# Brings another new key over the way the first one came, and returns it as both sides hold it.
Bring = Callable[[KeyRequest], Awaitable[tuple[TransportKey, ReceivedKey]]]


class KeyProofs(Protocol):
    """What a party can compute and verify under keys it holds."""

    def makes(self, key: UsedKey) -> frozenset[ProofKind]:
        """Return what the party has a public command to compute under such a key."""
        ...

    def checks(self, key: UsedKey) -> frozenset[ProofKind]:
        """Return what the party has a public command to verify under such a key."""
        ...

    async def make(self, kind: ProofKind, key: UsedKey, companion: UsedKey | None) -> Proof:
        """
        Compute something under a key.

        Args:
            kind: one of what the party `makes`.
            key: the key.
            companion: the second key, where the kind has one.
        """
        ...

    async def check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        """
        Verify what the other side computed, and return what was done in a word: `verified`.

        Raises:
            ProofError: it does not verify.
        """
        ...


@runtime_checkable
class UsesKeys(Protocol):
    """A party that computes under keys it holds."""

    @property
    def proofs(self) -> KeyProofs:
        """What it can compute and verify."""
        ...


@runtime_checkable
class KeepsKeys(Protocol):
    """A party that stores keys, so that a throw-away key has to be deleted there."""

    def throw_away(self, identifier: str) -> None:
        """Have a key that this run made deleted when the run ends, however it ends."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a proof: a party, and the keys as it holds them."""

    party: object
    key: UsedKey
    companion: UsedKey | None = None

    @property
    def label(self) -> str:
        return str(getattr(self.party, "label", "party"))

    @property
    def proofs(self) -> KeyProofs | None:
        return self.party.proofs if isinstance(self.party, UsesKeys) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a proof by use came to, with what is needed to hold it against a replica."""

    text: str
    proof: Proof | None = field(default=None, repr=False)
    by_receiver: bool = False  # the receiver computed, and the sender verified
    sender: Side | None = None
    companion: tuple[TransportKey, ReceivedKey] | None = None


async def prove_by_use(
    key: TransportKey,
    received: ReceivedKey,
    *,
    mode: ModeOfUse,
    kdh: object,
    krd: object,
    bring: Bring,
    steps: Steps,
) -> Proven:
    """
    Prove a key by use.

    Args:
        key: as its sender holds it.
        received: as its receiver holds it.
        mode: of its use, as it travelled.
        kdh, krd: the parties.
        bring: brings a second key over, where a proof needs one.
        steps: told what is done.

    Raises:
        ProofError: what one side computed does not verify under the key of the other.
        KeyferryError: one of the parties refused for another reason.
    """
    sender = Side(party=kdh, key=_used(key.handle, key, received, mode))
    receiver = Side(party=krd, key=_used(received.identifier, key, received, mode))
    steps.begin(sender.label, "prove by use")
    kind, by_receiver, reason = choose(sender, receiver)
    if kind is None:
        text = f"{NOT_PROVABLE}: {reason}"
        steps.detail(text)
        return Proven(text=text)
    companion = None
    if kind.companion is not None:
        steps.detail(f"a throw-away key for {kind.companion} travels the same way")
        companion = await _bring_companion(kind.companion, bring, kdh, krd)
        sender = with_companion(sender, companion[0].handle, companion)
        receiver = with_companion(receiver, companion[1].identifier, companion)
    text, proof = await _run(kind, sender, receiver, by_receiver=by_receiver)
    steps.detail(text)
    return Proven(
        text=text, proof=proof, by_receiver=by_receiver, sender=sender, companion=companion
    )


async def prove_again(
    proven: Proven,
    received: ReceivedKey,
    *,
    krd: object,
    companion: ReceivedKey | None,
    steps: Steps,
) -> str:
    """
    Hold what was proven against another copy of the received key; return the result in words.

    What the sender computed is verified as it is. What the receiver computed is computed again by
    the holder of the copy, and verified by the sender.

    Args:
        proven: of the first copy.
        received: the other copy.
        krd: who holds it.
        companion: the copy of the throw-away key there, if the proof has one.
        steps: told what is done.

    Raises: as `prove_by_use`.
    """
    proof, sender = proven.proof, proven.sender
    if proof is None or sender is None:
        return proven.text
    key = UsedKey(
        handle=received.identifier,
        usage=sender.key.usage,
        algorithms=sender.key.algorithms,
        mode=sender.key.mode,
        check_value=received.check_value,
    )
    receiver = Side(party=krd, key=key)
    if proven.companion is not None and companion is not None:
        receiver = with_companion(receiver, companion.identifier, (proven.companion[0], companion))
    steps.begin(receiver.label, "prove the replica by use")
    if proven.by_receiver:
        text, _ = await _run(proof.kind, sender, receiver, by_receiver=True)
    else:
        text = _told(proof, await _check(proof, receiver, receiver), by_receiver=False)
    steps.detail(text)
    return text


async def _run(
    kind: ProofKind, sender: Side, receiver: Side, *, by_receiver: bool
) -> tuple[str, Proof]:
    maker, checker = (receiver, sender) if by_receiver else (sender, receiver)
    assert maker.proofs is not None  # noqa: S101 (chosen because it makes this kind)
    proof = await maker.proofs.make(kind, maker.key, maker.companion)
    done = await _check(proof, checker, receiver)
    return _told(proof, done, by_receiver=by_receiver), proof


async def _check(proof: Proof, checker: Side, receiver: Side) -> str:
    """Have one side verify a proof; if it does not, the error names the key not to use."""
    assert checker.proofs is not None  # noqa: S101 (chosen because it checks this kind)
    try:
        return await checker.proofs.check(proof, checker.key, checker.companion)
    except (ProofError, VerificationError) as error:
        # A key under an HSM's own master key is not repeated in an error, and nothing stores it.
        arn = receiver.key.handle
        stored = arn.startswith("arn:")
        raise ProofError(
            f"{f'{arn} was created' if stored else 'a key arrived'}, but the {proof.kind} that"
            f" one side made under its key does not verify under the other's: {error}",
            hint="do not use the key" + ("; it is being deleted" if stored else ""),
        ) from error


def choose(sender: Side, receiver: Side) -> tuple[ProofKind | None, bool, str]:
    """Return what is computed, whether the receiver computes it; or else why nothing is."""
    if sender.proofs is None or receiver.proofs is None:
        return None, False, "one of the parties does not use keys"
    reason = reason_against(sender.key)
    if reason:
        return None, False, reason
    kinds = kinds_of(sender.key)
    for by_receiver, makes, checks in (
        (False, sender.proofs.makes(sender.key), receiver.proofs.checks(receiver.key)),
        (True, receiver.proofs.makes(receiver.key), sender.proofs.checks(sender.key)),
    ):
        for kind in kinds:
            if kind in makes & checks:
                return kind, by_receiver, ""
    for side, proofs in ((sender, sender.proofs), (receiver, receiver.proofs)):
        if not (proofs.makes(side.key) | proofs.checks(side.key)).intersection(kinds):
            algorithms = " or ".join(side.key.algorithms)
            return (
                None,
                False,
                f"no public command of the {side.label} computes under or verifies with a"
                f" {algorithms} key of usage {side.key.usage}",
            )
    return (
        None,
        False,
        f"what one side computes under a key of usage {sender.key.usage}, the other has no public"
        " command to verify",
    )


async def _bring_companion(
    usage: KeyUsage, bring: Bring, kdh: object, krd: object
) -> tuple[TransportKey, ReceivedKey]:
    """Bring a throw-away key over, to be deleted wherever it is stored when the run ends."""
    request = KeyRequest(usage=usage, algorithm=KeyAlgorithm.TDES_2KEY, usage_stated=True)
    key, received = await bring(request)
    for party, identifier in ((kdh, key.handle), (krd, received.identifier)):
        if isinstance(party, KeepsKeys):
            party.throw_away(identifier)
    if not same_check_value(key.check_value, received.check_value):
        raise CheckValueMismatchError(
            f"the throw-away key of the proof has check value {received.check_value} at the"
            f" receiver, {key.check_value} at the sender"
        )
    return key, received


def with_companion(side: Side, handle: str, companion: tuple[TransportKey, ReceivedKey]) -> Side:
    """Return a side that holds the throw-away key under `handle` too."""
    key, received = companion
    mode = received.attributes.modes_of_use.letter
    return Side(party=side.party, key=side.key, companion=_used(handle, key, received, mode))


def _used(handle: str, key: TransportKey, received: ReceivedKey, mode: ModeOfUse) -> UsedKey:
    """A key with all that both sides know of it: the check values say that it is one."""
    if not received.possible:
        algorithms: tuple[KeyAlgorithm, ...] = (received.attributes.key_algorithm,)
    elif key.algorithm is not None:
        algorithms = (key.algorithm,)
    else:
        algorithms = received.possible
    return UsedKey(
        handle=handle,
        usage=key.usage.code,
        algorithms=algorithms,
        mode=mode,
        check_value=received.check_value,
    )


def _told(proof: Proof, done: str, *, by_receiver: bool) -> str:
    maker, checker = ("receiver", "sender") if by_receiver else ("sender", "receiver")
    return f"{proof.kind} made by the {maker}, {done} by the {checker}"
