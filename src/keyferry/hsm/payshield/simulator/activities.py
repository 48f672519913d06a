"""
Authorised activities: what officers have allowed the host to do, as `activity.key.interface`.

`key` is `rsa`, a key type in small letters under a variant LMK, a key usage under a key block
LMK; `*` stands for every key. Source: the public extract of the authorisation table.
"""

from __future__ import annotations

from typing import Final

from keyferry.errors import ConfigurationError

ACTIVITIES: Final = ("generate", "component", "import", "export", "eckai", "diag", "pin")
INTERFACES: Final = ("host", "console")
EVERY_KEY: Final = "*"

# What key exchanges need; a clear PIN (NG) leaves only where officers have said so.
DEFAULT: Final = frozenset(
    f"{activity}.{EVERY_KEY}.host" for activity in ACTIVITIES if activity != "pin"
)

# Import is restricted for few types, export for all but the ZMK (public extract of the key type
# table); generation and components for every one.
RESTRICTED_IMPORTS: Final = frozenset({"rsa", "000", "107", "207", "00a", "00c", "00d"})
FREE_EXPORTS: Final = frozenset({"000"})


def check_activity(text: str) -> str:
    """
    Return an activity if it is well formed.

    Raises:
        ConfigurationError: it is not `activity.key.interface`.
    """
    activity, _, rest = text.partition(".")
    key, _, interface = rest.rpartition(".")
    if activity not in ACTIVITIES or interface not in INTERFACES or not key:
        raise ConfigurationError(
            f"activity {text[:40]!r}: expected ACTIVITY.KEY.INTERFACE, e.g. eckai.K1.host",
            hint="activities: " + ", ".join(ACTIVITIES),
        )
    return text


def is_restricted(activity: str, key: str) -> bool:
    """Whether an activity on a key needs authorisation at all."""
    if activity == "import":
        return key.lower() in RESTRICTED_IMPORTS
    return not (activity == "export" and key in FREE_EXPORTS)


def is_authorised(authorised: frozenset[str], refused: frozenset[str], name: str) -> bool:
    """Whether `name` is authorised: named or covered by `*`, and not taken away again."""
    activity, interface = name.split(".")[0], name.rpartition(".")[2]
    every = f"{activity}.{EVERY_KEY}.{interface}"
    return (name in authorised or every in authorised) and not (name in refused or every in refused)
