"""PINs under the LMK: JA generate."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import REST, Run, Text, digits
from keyferry.hsm.groups import Group
from keyferry.hsm.payshield.commands import tails

JA: Final = Command(
    code="JA",
    response_code="JB",
    name="generate random PIN",
    request=(
        # Twelve digits of the account, with or without a PIN length of two digits behind them; or
        # a whole account number, when the PIN length follows after `;` (AES LMK).
        Run("account", high=19, low=12),
        Group(b";", "PIN length group", (digits("pin_length", 2),)),
        tails.LMK,
    ),
    response=(Text("pin", REST),),
    source="ut-codec-payshield, Payshield_test",
    evidence=(Evidence.CAPTURE, Evidence.CLIENT),
)

COMMANDS: Final = (JA,)
