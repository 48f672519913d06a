"""One module per family of vectors; each has `OPS`, its ops by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from keyferry.selftest.case import Case

# Family in the files -> module here. A family that is not listed is unsupported.
FAMILIES: Final[Mapping[str, str]] = {
    "as2805": "as2805",
    "cvv": "cvv",
    "dukpt-aes": "dukpt_aes",
    "dukpt-tdes": "dukpt_tdes",
    "ecdh-kdf": "ecdh_kdf",
    "emv": "emv",
    "kcv": "kcv",
    "mac": "mac",
    "pin-block": "pin_block",
    "pin-verify": "pin_verify",
    "rsa-wrap": "rsa_wrap",
    "tr31": "tr31",
    "tr34": "tr34",
}


def load_family(family: str) -> Mapping[str, Callable[[Case], Mapping[str, Any]]]:
    """Return the ops of a family, none if it is unknown; its module is imported only now."""
    module = FAMILIES.get(family)
    if module is None:
        return {}
    loaded = import_module(f"{__name__}.{module}")
    return cast("Mapping[str, Callable[[Case], Mapping[str, Any]]]", loaded.OPS)
