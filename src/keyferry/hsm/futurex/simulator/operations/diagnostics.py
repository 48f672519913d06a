"""ECHO."""

from __future__ import annotations

from keyferry.hsm.futurex.simulator.call import Call, Result, handles
from keyferry.hsm.futurex.simulator.outcome import Answer, Status


@handles("ECHO")
def echo(call: Call) -> Result:  # noqa: ARG001 (what comes back is every command's AG)
    """Say yes; the text of AG comes back as it does from every command."""
    return Answer(status=Status.YES)
