"""HMACs: LQ generate, LS verify."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import Constant, Fields, Number, Raw, choice
from keyferry.hsm.groups import When, equals
from keyferry.hsm.payshield.commands.pin_fields import VERIFICATION, command
from keyferry.hsm.payshield.key_field import PrivateKeyField
from keyferry.hsm.values import Values

HASHES: Final = {"05": "SHA224", "06": "SHA256", "07": "SHA384", "08": "SHA512"}

_ARGUMENTS: Final[Fields] = (
    # FF where the key block says it.
    choice("hash", *HASHES, "FF", reply="79"),
    Number("mac_bytes", 4, low=4, high=64, reply="80"),
    choice("key_format", "00", "04", reply="05"),
    PrivateKeyField("key"),
    When(equals("key_format", "00"), (Constant("delimiter", b";"),)),
)
_MESSAGE: Final[Fields] = (
    Number("length", 5, counts="message"),
    Raw("message", "length", short="80"),
)
_ERRORS: Final = {"05": "invalid key format", "79": "hash error", "80": "data length error"}


def _mac_bytes(values: Values) -> int:
    return values.maybe("mac_bytes", int) or 0


def _command(code: str, name: str, *, verifies: bool) -> Command:
    mac: Fields = (Raw("mac", "mac_bytes"),) if verifies else ()
    return command(
        code,
        name,
        (*_ARGUMENTS, *_MESSAGE, *mac),
        () if verifies else (Raw("new_mac", _mac_bytes),),
        source="aws-payment-cryptography-hsm-proxy",
        evidence=(Evidence.PARSER,),
        errors={**VERIFICATION, **_ERRORS} if verifies else _ERRORS,
    )


LQ: Final = _command("LQ", "generate HMAC", verifies=False)
LS: Final = _command("LS", "verify HMAC", verifies=True)

COMMANDS: Final = (LQ, LS)
