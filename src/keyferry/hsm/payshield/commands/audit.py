"""The audit log: Q2 retrieves a record, Q6 deletes what was retrieved."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Evidence
from keyferry.hsm.fields import Number, choice, hexadecimal
from keyferry.hsm.payshield.commands.pin_fields import command

_SOURCE: Final = "PayShieldPressureTest"  # payShield2Syslog, of the same author

Q2: Final = command(
    "Q2",
    "retrieve audit record",
    (),
    (hexadecimal("record", 80),),
    source=_SOURCE,
    evidence=(Evidence.CLIENT,),
    errors={"35": "no audit record", "36": "all audit records retrieved"},
    repeatable=False,
)

Q6: Final = command(
    "Q6",
    "delete audit records",
    (choice("which", "0", "1", reply="15"),),
    (Number("deleted", 4),),
    source=_SOURCE,
    evidence=(Evidence.CLIENT,),
    errors={"35": "no audit record", "36": "no record to delete"},
    repeatable=False,
)

COMMANDS: Final = (Q2, Q6)
