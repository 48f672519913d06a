"""
Proof by use: the HSM computes something under its copy of the key that travelled, and the receiver
verifies it under its own. Equal check values say that both hold one key; this says that both use
it alike.

The data is made up and the same in every run: nothing of a card or a customer goes into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, runtime_checkable

from keyferry.errors import ExchangeError, RemoteRefusedError
from keyferry.exchange.parties.interface import ReceivedKey, TransportKey
from keyferry.exchange.steps import Steps

PAN: Final = "4123456789012345"
EXPIRY: Final = "2912"
SERVICE_CODE: Final = "101"
MESSAGE: Final = b"keyferry proof by use 0123456789"  # whole blocks of every cipher
KSN: Final = "FFFF9876543210E00001"
KSN_DESCRIPTOR: Final = "605"

NOT_PROVABLE: Final = "not provable by use"


@dataclass(frozen=True, slots=True, kw_only=True)
class CVVProof:
    """A card verification value of `PAN`."""

    value: str
    name: str = "CVV"


@dataclass(frozen=True, slots=True, kw_only=True)
class MACProof:
    """A MAC of `MESSAGE`."""

    algorithm: str  # as the API calls it
    value: str  # hex
    name: str = "MAC"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionMACProof:
    """A MAC of `MESSAGE` under the request key of transaction `KSN`."""

    value: str  # hex
    name: str = "DUKPT MAC"


@dataclass(frozen=True, slots=True, kw_only=True)
class PINBlockProof:
    """A PIN block of a random PIN for `PAN`: format 4 under AES, format 0 under TDES."""

    value: str  # hex
    aes: bool
    name: str = "PIN block"


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptogramProof:
    """`MESSAGE` encrypted in CBC from a zero vector."""

    value: str  # hex
    iv: str  # hex
    name: str = "cryptogram"


Proof: TypeAlias = CVVProof | MACProof | TransactionMACProof | PINBlockProof | CryptogramProof


@runtime_checkable
class MakesProofs(Protocol):
    """A sender that can use the key it sent."""

    async def make_proof(self, key: TransportKey) -> Proof | None:
        """Compute something under the key; None where nothing computed under such a key tells."""
        ...


@runtime_checkable
class ChecksProofs(Protocol):
    """A receiver that can use the key it received."""

    async def check_proof(self, received: ReceivedKey, proof: Proof) -> str:
        """
        Verify what the sender computed, and return what was done in words.

        Raises:
            RemoteRefusedError: it does not verify.
        """
        ...


async def prove_by_use(
    key: TransportKey, received: ReceivedKey, *, kdh: object, krd: object, steps: Steps
) -> str:
    """
    Prove a key by use, and return what was proven in words.

    Args:
        key: as its sender holds it.
        received: as its receiver holds it.
        kdh, krd: the parties.
        steps: told what is done.

    Raises:
        ExchangeError: what the sender computed does not verify under the receiver's key.
        KeyferryError: one of the parties refused for another reason.
    """
    if not isinstance(kdh, MakesProofs) or not isinstance(krd, ChecksProofs):
        return f"{NOT_PROVABLE}: one of the parties does not use keys"
    steps.begin(kdh.label if hasattr(kdh, "label") else "KDH", "prove by use")
    proof = await kdh.make_proof(key)
    if proof is None:
        text = f"{NOT_PROVABLE}: a key of usage {key.usage.code} computes nothing on its own"
        steps.detail(text)
        return text
    try:
        done = await krd.check_proof(received, proof)
    except RemoteRefusedError as error:
        raise ExchangeError(
            f"{received.identifier} was created, but the {proof.name} the sender made under its"
            f" key does not verify under it: {error}",
            hint="do not use the key; it is being deleted",
        ) from error
    text = f"{proof.name} made by the sender, {done} by the receiver"
    steps.detail(text)
    return text
