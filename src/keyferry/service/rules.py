"""
Rules of the service that its owner may set otherwise, and the file that says so.

The real service does not publish where it draws these lines, or other systems draw them elsewhere.
The defaults are the strict side; each exception is the owner's own, and is logged at the start.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import msgspec

from keyferry.crypto.tr34 import Layout
from keyferry.errors import ConfigurationError
from keyferry.service.region_name import is_region_name

_FILE_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is refused and what is not, where that is the owner's to say."""

    # Layouts of TR-34 tokens that ImportKey reads. Every published client sends `aws`.
    tr34_layouts: frozenset[Layout] = frozenset({Layout.AWS})
    # ExportKey by KeyCryptogram or As2805KeyCryptogram of a key that arrived as exportable in key
    # blocks only (letter E): a cryptogram has no header that says so again.
    cryptograms_of_key_block_keys: bool = False
    # ImportKey by Tr31KeyBlock refuses a key under a weaker KEK.
    strength_on_tr31_import: bool = True
    # ReEncryptData between two stored symmetric keys; the real service was seen to refuse it.
    re_encrypt_between_stored_keys: bool = False
    # Regions that keys may be replicated to; None: every Region served here or by a peer.
    replication_regions: frozenset[str] | None = None

    def exceptions(self) -> dict[str, object]:
        """The rules that are not the default, for the log."""
        return {
            rule.name: sorted(value) if isinstance(value, frozenset) else value
            for rule in fields(self)
            if (value := getattr(self, rule.name)) != getattr(STRICT, rule.name)
        }


STRICT: Final = Rules()


class _RulesFile(msgspec.Struct, forbid_unknown_fields=True):
    tr34_layouts: list[Layout] | None = None
    cryptograms_of_key_block_keys: bool = False
    strength_on_tr31_import: bool = True
    re_encrypt_between_stored_keys: bool = False
    replication_regions: list[str] | None = None


def read_rules(given: str) -> Rules:
    """
    What `--rules` says: `strict`, or a TOML file with any of the members of `Rules`.

    Raises:
        ConfigurationError: the file cannot be read, or names no such rule or value.
    """
    if given == "strict":
        return STRICT
    try:
        with Path(given).open("rb") as file:
            content = file.read(_FILE_BYTES + 1)
        if len(content) > _FILE_BYTES:
            raise ConfigurationError(f"rules file {given} is larger than 64 KiB")
        said = msgspec.toml.decode(content, type=_RulesFile)
    except OSError as error:
        raise ConfigurationError(
            f"--rules {given}: {error.strerror}", hint="expected strict or a TOML file"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"rules file {given}: {error}", hint=f"rules: {', '.join(asdict(STRICT))}"
        ) from None
    layouts, regions = said.tr34_layouts, said.replication_regions
    if layouts is not None and not layouts:
        raise ConfigurationError(
            f"rules file {given}: tr34_layouts names none",
            hint=f"layouts: {', '.join(Layout)}",
        )
    for region in regions or ():
        if not is_region_name(region):
            raise ConfigurationError(
                f"rules file {given}: replication_regions: {region[:40]!r} is not a Region name"
            )
    return Rules(
        tr34_layouts=STRICT.tr34_layouts if layouts is None else frozenset(layouts),
        cryptograms_of_key_block_keys=said.cryptograms_of_key_block_keys,
        strength_on_tr31_import=said.strength_on_tr31_import,
        re_encrypt_between_stored_keys=said.re_encrypt_between_stored_keys,
        replication_regions=None if regions is None else frozenset(regions),
    )
