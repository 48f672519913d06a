"""
The step that takes two people: the HSM trusts a foreign public key only under dual control (12A).

The host asks, the HSM answers with a challenge, two administrators approve it on the HSM's own
administration screen, and the host comes back with the answer shown there. Which screen that is
and how the answer reaches the host is the operator's business; this module tells him what to do,
waits, and goes on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from keyferry.errors import ApprovalTimeoutError, HSMRefusedError
from keyferry.hsm.values import Values

# What the HSM says of an answer that came too late or was mistyped: a new challenge may begin.
_BEGIN_AGAIN = frozenset({"24", "27"})
_ATTEMPTS = 3


class Caller(Protocol):
    """Sends commands."""

    async def call(
        self, code: str, values: dict[str, object] | None = None, *, timeout_s: float | None = None
    ) -> Values:
        """Send a command and return the fields of its response."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The person who sees to the approval."""

    tell: Callable[[str], None] = lambda _: None
    # Asks for the answer shown on the administration screen, and blocks until it is given. None:
    # nobody can be asked, so the HSM is asked again from time to time whether it was approved.
    ask: Callable[[str], str] | None = None
    wait_s: float = 600.0  # a challenge is not open for longer (inferred)
    poll_s: float = 1.0


async def trust_public_key(
    caller: Caller, *, header: str, exponent: bytes, modulus: bytes, operator: Operator
) -> str:
    """
    Have the HSM trust an RSA public key, and return its AKB.

    Raises:
        HSMRefusedError: the HSM refuses, or three answers in a row were wrong.
        ApprovalTimeoutError: nobody approved in time.
    """
    key: dict[str, object] = {"header": header, "exponent": exponent, "modulus": modulus}
    for attempt in range(1, _ATTEMPTS + 1):
        asked = await caller.call("12A", key)
        if asked.text("outcome") == "OK":
            return asked.text("new_public_key")
        answer = await _answer(caller, key, asked, operator)
        try:
            done = await caller.call("12A", {**key, "answer": answer})
        except HSMRefusedError as error:
            if error.code[:2] not in _BEGIN_AGAIN or attempt == _ATTEMPTS:
                raise
            operator.tell(f"the HSM did not accept the answer ({error.meaning}); once more")
            continue
        if done.text("outcome") == "OK":
            return done.text("new_public_key")
    raise HSMRefusedError("12A trust RSA public key", "2400", "no answer was accepted")


async def _answer(caller: Caller, key: dict[str, object], asked: Values, operator: Operator) -> str:
    """Return the answer to a challenge, once there is one."""
    revealed = asked.maybe("revealed_answer", str)
    if revealed is not None:
        return revealed
    challenge = asked.text("challenge")
    operator.tell(f"dual control: the HSM asks to approve challenge {challenge}")
    operator.tell(
        "two administrators approve it on the HSM's administration screen"
        f" (simulator: keyferry simulate atalla approve {challenge})"
    )
    if operator.ask is not None:
        ask = operator.ask
        typed = await _in_thread(lambda: ask(f"answer to challenge {challenge}"))
        return typed.strip().upper()
    return await _poll(caller, key, challenge, operator)


async def _poll(caller: Caller, key: dict[str, object], challenge: str, operator: Operator) -> str:
    operator.tell(f"waiting up to {operator.wait_s:g} s for the approval")
    try:
        async with asyncio.timeout(operator.wait_s):
            while True:
                await asyncio.sleep(operator.poll_s)
                again = await caller.call("12A", key)
                revealed = again.maybe("revealed_answer", str)
                if revealed is not None:
                    operator.tell("approved; going on")
                    return revealed
                if again.maybe("challenge", str) != challenge:
                    # Asking again opened another challenge, so asking is no way to wait here.
                    break
    except TimeoutError:
        raise ApprovalTimeoutError(
            f"nobody approved challenge {challenge} within {operator.wait_s:g} s",
            hint="run the exchange again when two administrators are at hand",
        ) from None
    raise ApprovalTimeoutError(
        f"challenge {challenge} is over, or its answer is shown on the HSM's screen only",
        hint="run the exchange at a terminal, where the answer can be typed in",
    )


async def _in_thread(question: Callable[[], str]) -> str:
    """Run a question that blocks beside the loop, in a thread that an interrupt leaves behind."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()

    def deliver(value: str | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value or "")

    def run() -> None:
        try:
            value = question()
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
            loop.call_soon_threadsafe(deliver, None, error)
        else:
            loop.call_soon_threadsafe(deliver, value, None)

    threading.Thread(target=run, daemon=True, name="dual-control").start()
    return await done
