"""ECHO: whether the HSM answers."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.futurex.commands import shared_rows as rows

ECHO: Final = Command(
    code="ECHO",
    response_code="ECHO",
    name="echo",
    request=(),
    source=f"{rows.PROXY}, {rows.CATALOGUE}, {rows.CPP_CLIENT}",
    evidence=(Evidence.CLIENT,),
)

COMMANDS: Final = (ECHO,)
