"""PINs under the LMK: JA generate, BA and NG, to and from PIN blocks, BG, QK; LO for tables."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import REST, Run, Text, digits
from keyferry.hsm.groups import Group
from keyferry.hsm.payshield.commands import tails
from keyferry.hsm.payshield.commands.pin_fields import (
    PAN12,
    PIN,
    PIN_DIGITS,
    TABLE,
    MarkedText,
    account,
    command,
    pin_block,
    pin_characters,
    pin_format,
)
from keyferry.hsm.payshield.key_field import KeyField

_LIBRARY: Final = "thalessimulatorlibrary"
_CODEC: Final = "ut-codec-payshield"
_CAPTURE: Final = (Evidence.CAPTURE, Evidence.SIMULATOR)
_SIMULATOR: Final = (Evidence.SIMULATOR,)
_SEALED: Final = Text("sealed_pin", REST)

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

BA: Final = command(
    "BA",
    "encrypt clear PIN",
    (Text("clear_pin", pin_characters, PIN_DIGITS), PAN12),
    (_SEALED,),
    source=_LIBRARY,
    evidence=_SIMULATOR,
)

NG: Final = command(
    "NG",
    "decrypt PIN",
    (PAN12, PIN),
    # The PIN, filled with F to the width of a PIN under the LMK, and twelve digits of reference.
    (Run("clear_pin_and_reference", PIN_DIGITS, 17, 25),),
    source=_LIBRARY,
    evidence=_SIMULATOR,
)


def _from_block(code: str, name: str, key: str, evidence: tuple[Evidence, ...]) -> Command:
    return command(
        code,
        name,
        (KeyField(key), pin_block("block", key), pin_format("format"), account("format")),
        (_SEALED,),
        source=f"{_CODEC}, {_LIBRARY}",
        evidence=evidence,
    )


JC: Final = _from_block("JC", "PIN from TPK to LMK", "tpk", _SIMULATOR)
JE: Final = _from_block("JE", "PIN from ZPK to LMK", "zpk", _CAPTURE)

JG: Final = command(
    "JG",
    "PIN from LMK to ZPK",
    (KeyField("zpk"), pin_format("format"), account("format"), PIN),
    (pin_block("block", "zpk"),),
    source=f"{_LIBRARY}, Payshield_test",
    evidence=(Evidence.CLIENT, Evidence.SIMULATOR),
)

BG: Final = command(
    "BG", "PIN from LMK to LMK", (PAN12, PIN), (_SEALED,), source=_LIBRARY, evidence=_SIMULATOR
)

QK: Final = command(
    "QK",
    "change the account of a PIN",
    (PIN, digits("old_account", 12), digits("new_account", 12)),
    (_SEALED,),
    source=_LIBRARY,
    evidence=_SIMULATOR,
)

LO: Final = command(
    "LO",
    "decimalisation table from old to new LMK",
    (TABLE,),
    (MarkedText("new_table", TABLE.marked, TABLE.size, TABLE.alphabet),),
    source=_CODEC,
    evidence=(Evidence.FIELD_TABLE,),
)

COMMANDS: Final = (JA, BA, NG, JC, JE, JG, BG, QK, LO)
