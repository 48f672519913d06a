"""Commands known by name only: the layout of their tokens is not public."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence

_NAMES: Final = {
    "TROP": "export key by TR-34, other form",
    "PEDK": "load key remotely by TR-34",
    "RSAR": "import key under RSA",
    "GPRW": "get RSA wrapping key",
    "GMAC": "generate MAC",
    "VMAC": "verify MAC",
    "GPMC": "general MAC",
    "HMAC": "HMAC",
    "RKHM": "HMAC under a wrapped key",
    "EMVA": "EMV cryptograms",
    "EMVM": "EMV MAC",
    "DCDK": "decrypt data under DUKPT",
    "ECDK": "encrypt data under DUKPT",
    "TCDK": "translate data under DUKPT",
    "XPIN": "PIN function",
    "TPDD": "translate PIN from DUKPT to DUKPT",
    "KMAP": "list key table",
    "GPKR": "read key table",
    "VKTE": "verify key table entry",
    "GCKD": "derive from shared secret",
    "RVPC": "verify certificate",
}

COMMANDS: Final = tuple(
    Command(
        code=code,
        response_code=code,
        name=name,
        request=None,
        source="General Payment HSM Integration Guide, by name",
        evidence=(Evidence.PARSER,),
    )
    for code, name in _NAMES.items()
)
