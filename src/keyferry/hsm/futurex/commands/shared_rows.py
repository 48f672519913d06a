"""Rows that stand in many commands with the same meaning, and the sources they come from."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.fields import choice
from keyferry.hsm.futurex.codes import KEY_TYPES, KeyPairUse, MajorKey
from keyferry.hsm.futurex.tokens import Hex, Token, digits, opaque, text

SAMPLES: Final = "AWS samples (Futurex)"
CSHARP_CLIENT: Final = "CredECard.HSMSecurity"
CPP_CLIENT: Final = "FIQCPPBASE"
PROXY: Final = "aws-payment-cryptography-hsm-proxy"
CATALOGUE: Final = "Excrypt command catalogue"
OURS: Final = "our own layout, not Futurex's"

PMK: Final = Token("FS", choice("major_key", MajorKey.PMK))
ANY_MAJOR_KEY: Final = Token("FS", choice("major_key", MajorKey.PMK, MajorKey.MFK))
MAYBE_MAJOR_KEY: Final = Token("FS", choice("major_key", MajorKey.PMK, MajorKey.MFK), True)
KEY_TYPE: Final = Token("CT", choice("key_type", *KEY_TYPES.values()))
USE: Final = Token("CZ", choice("use", *KeyPairUse))
PRIVATE_KEY: Final = Token("RC", opaque("private_key"))
MODIFIER: Final = Token("AS", digits("modifier", 1))
KEK: Final = Token("AP", opaque("kek"))
KEY: Final = Token("BG", opaque("key"))
NEW_KEY: Final = Token("BG", opaque("new_key"))
WRAPPED_KEY: Final = Token("BH", opaque("wrapped_key"))
CHECK_VALUE: Final = Token("AE", Hex("check_value", 2, 8))
MAYBE_CHECK_VALUE: Final = Token("AE", Hex("check_value", 2, 8), True)
HEADER: Final = Token("AK", text("header", 16))
PAN_DIGITS: Final = Token("AK", digits("pan_digits", 12))
PARTIAL_PAN: Final = Token("BZ", digits("partial_pan", 11))
CERTIFICATE: Final = Token("RV", Hex("certificate"))
NEW_CERTIFICATE: Final = Token("RV", Hex("new_certificate"))
