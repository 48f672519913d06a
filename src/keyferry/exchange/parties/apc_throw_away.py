"""Keys that a proof by use makes beside the proven one: deleted however the run ends."""

from __future__ import annotations

from keyferry.exchange.modes import modes_for
from keyferry.exchange.parties.apc_calls import KeyCalls, Record
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage

_WHAT = "a throw-away key of the proof by use"


class ThrowAwayKeys:
    """The throw-away keys of one run in one Region."""

    def __init__(self, keys: KeyCalls) -> None:
        self._keys = keys
        self.made: list[tuple[str, str]] = []  # ARN, and what it is

    async def make(self, usage: KeyUsage, algorithm: KeyAlgorithm) -> str:
        """Make a key and return its ARN."""
        key = await self._keys.create(
            KeyAttributes(
                key_usage=usage,
                key_class=KeyClass.SYMMETRIC_KEY,
                key_algorithm=algorithm,
                modes_of_use=modes_for(usage),
            ),
            record=Record(self.made, _WHAT),
            # It leaves in the key block that proves a KEK.
            Exportable=True,
        )
        return str(key["KeyArn"])

    async def wrap_under(self, arn: str, kek: str) -> tuple[str, str]:
        """Return a key block of a key under a KEK, and the check value of the key."""
        wrapped = await self._keys.export(arn, Tr31KeyBlock={"WrappingKeyIdentifier": kek})
        return str(wrapped["KeyMaterial"]), str(wrapped.get("KeyCheckValue", ""))

    async def unwrap_under(self, block: str, kek: str) -> str:
        """Import a key block under a KEK and return the check value of what was in it."""
        key = await self._keys.import_(
            Record(self.made, _WHAT),
            Tr31KeyBlock={"WrappingKeyIdentifier": kek, "WrappedKeyBlock": block},
        )
        return str(key.get("KeyCheckValue", ""))

    def take(self, identifier: str, made: list[tuple[str, str]]) -> None:
        """Take a key over from the list of those that are kept if the run goes well."""
        for entry in [entry for entry in made if entry[0] == identifier]:
            made.remove(entry)
            self.made.append((identifier, _WHAT))
