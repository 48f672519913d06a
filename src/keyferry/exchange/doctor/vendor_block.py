"""Keys under a payShield's own LMK, which travel nowhere: `S` blocks and variant keys."""

from __future__ import annotations

import re
from typing import Final

from keyferry.crypto.keyblock.thales import ThalesHeader
from keyferry.errors import MalformedKeyBlockError
from keyferry.exchange.doctor.examination import Cause, Examination

_COPY: Final = "copy it again, from the S to the end its length states"

HEADER: Final = Cause("s-block-header", "the header was cut or edited", _COPY)
LENGTH: Final = Cause("s-block-length", "the block was cut, or something follows it", _COPY)
NOT_EXPORTABLE: Final = Cause(
    "s-block-not-exportable",
    "the key was made with exportability N",
    "generate a key with E or S, e.g. #K1T3N00E00; nobody can change it afterwards",
)
FOR_LMK_ONLY: Final = Cause(
    "lmk-key",
    "it is a key under a variant LMK, which only its HSM opens: the API cannot import it",
    "name it as transport_key of an exchange, or export it as TR-31 (A8, scheme R)",
)
VARIANT_SIZE: Final = Cause(
    "lmk-key-size",
    "digits were lost: U and X have 32, T and Y have 48",
    "copy it again, with its scheme letter",
)
_SIZES: Final = {"U": 32, "X": 32, "T": 48, "Y": 48}


def examine_thales_block(text: str, examination: Examination) -> None:
    """Examine an `S` block: header, length, and whether its key may leave."""
    check = "header"
    try:
        header = ThalesHeader.parse(text)
    except MalformedKeyBlockError as error:
        examination.fail(check, HEADER, str(error))
    for name, value in (
        ("made under", f"{'AES' if header.version == '1' else 'TDES'} LMK {header.lmk_id}"),
        ("key usage", header.usage),
        ("algorithm", header.algorithm.value),
        ("exportability", header.exportability.value),
    ):
        examination.fact(name, value)
    examination.passed(check)
    if header.length != len(text) - 1:
        examination.fail(
            "length",
            LENGTH,
            f"the header says {header.length} characters behind the S, there are {len(text) - 1}",
        )
    examination.passed("length")
    if header.exportability.value == "N":
        examination.fail("exportability", NOT_EXPORTABLE, "its header says N: it may not leave")
    examination.passed("exportability")
    examination.unmade("MAC and check value", "the HSM that made it (BU)")


def examine_variant_key(text: str, examination: Examination) -> None:
    """Examine a key in variant form: whole, and what it is not."""
    size = _SIZES[text[0]]
    examination.fact("scheme", text[0])
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{size}}}", text[1:]):
        examination.fail(
            "length", VARIANT_SIZE, f"scheme {text[0]} has {size} digits, there are {len(text) - 1}"
        )
    examination.passed("length")
    examination.fail("kind", FOR_LMK_ONLY, "the key is under an LMK, not under a shared key")
