"""The Futurex as a party where the device shows less than the simulator does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from keyferry.errors import CheckValueMismatchError, ExchangeError
from keyferry.exchange.config import Futurex
from keyferry.exchange.flows.tr31 import run_tr31
from keyferry.exchange.parties.futurex import FuturexParty
from keyferry.exchange.parties.interface import KEK, KeyRequest, Method, TransportKey
from keyferry.exchange.plan import Plan
from keyferry.exchange.steps import Steps
from keyferry.hsm.futurex import FuturexDriver
from keyferry.hsm.futurex.simulator import Device
from keyferry.hsm.futurex.simulator.running import serve
from keyferry.keys import KeyAlgorithm, KeyUsage

BLOCK = "D0112B0TX00E0000" + "0" * 96
REQUEST = {
    "usage": KeyUsage.TR31_B0_BASE_DERIVATION_KEY,
    "algorithm": KeyAlgorithm.TDES_3KEY,
    "transport_key": BLOCK,
}


@asynccontextmanager
async def silent_device() -> AsyncIterator[FuturexParty]:
    """A device whose TWKA answers with the block alone, as in the samples' traces."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while frame := await reader.readuntil(b"]"):
                is_new = frame.startswith(b"[AOGPGS")
                writer.write(b"[AOGPGS;BGD0144;AE112233;]" if is_new else b"[AOTWKA;BHB0096;]")
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    party = FuturexParty(Futurex(port=server.sockets[0].getsockname()[1]), None)
    try:
        yield party
    finally:
        await party.close()
        server.close()
        await server.wait_closed()


async def test_the_stated_check_value_stands_in() -> None:
    """Where the device shows none, the configured one goes on to be compared by the receiver's."""
    async with silent_device() as party:
        key = await party.transport_key(KeyRequest(**REQUEST, expected_check_value="AABBCC"))
        assert key.check_value == "AABBCC"
        assert key.generated is False


async def test_without_any_check_value_nothing_is_sent() -> None:
    """Nothing could be proven, so the exchange ends, and says what to state."""
    async with silent_device() as party:
        with pytest.raises(ExchangeError, match="shows no check value") as caught:
            await party.transport_key(KeyRequest(**REQUEST))
        assert "transport_key_kcv" in str(caught.value.hint)


async def test_a_kek_that_may_not_leave_has_no_check_value() -> None:
    """The HSM refuses the export that would show it; the party says that it cannot tell."""
    async with serve(Device()) as server:
        async with FuturexDriver("127.0.0.1", server.port) as driver:
            made = await driver.generate_key(
                usage="K0", algorithm=KeyAlgorithm.AES_256, mode="B", exportability="N"
            )
        party = FuturexParty(Futurex(port=server.port), None)
        kek = await party.kek(made.key)
        await party.close()
    assert kek.check_value == ""
    assert kek.algorithm is KeyAlgorithm.AES_256
    assert kek.aes


class Stub:
    """A party of which a flow asks for its KEK only."""

    def __init__(self, label: str, check_value: str, *, aes: bool = True) -> None:
        self.label = label
        self._kek = KEK(
            handle="kek", algorithm=KeyAlgorithm.AES_256, check_value=check_value, aes=aes
        )

    async def kek(self, identifier: str, *, peer: KEK | None = None) -> KEK:
        return self._kek

    async def transport_key(self, request: KeyRequest) -> TransportKey:
        raise ExchangeError("reached the key")


@pytest.mark.parametrize(
    ("ours", "theirs", "aes", "error"),
    [
        ("", "112233", True, ExchangeError),
        ("112233", "", True, ExchangeError),
        ("112233", "112233", True, ExchangeError),
        ("112233", "445566", True, CheckValueMismatchError),
        ("", "112233", False, CheckValueMismatchError),
    ],
)
async def test_keks_are_compared_as_far_as_they_are_known(
    ours: str, theirs: str, aes: bool, error: type[Exception]
) -> None:
    """An unknown check value is left to the MAC of the block; another family never is."""
    told: list[str] = []
    make: Callable[..., Any] = Plan
    plan = make(
        method=Method.TR31,
        kdh=Futurex(),
        krd=Futurex(),
        key=KeyRequest(**{**REQUEST, "transport_key": ""}),
        kdh_kek="kek",
        krd_kek="kek",
    )
    sender: Any = Stub("ONE", ours, aes=aes)
    receiver: Any = Stub("OTHER", theirs)
    with pytest.raises(error) as caught:
        await run_tr31(plan, sender, receiver, Steps(told.append))
    assert ("reached the key" in str(caught.value)) is (error is ExchangeError)
    if not ours:
        assert any("the MAC of the key block will tell" in line for line in told)
