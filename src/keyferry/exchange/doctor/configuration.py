"""An exchange's configuration: its form, its members, its files, and whether a plan comes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from keyferry.errors import ConfigurationError, KeyferryError
from keyferry.exchange.config import ECDH, TR31, TR34, ExchangeConfig, PartyConfig
from keyferry.exchange.config_file import parse_config
from keyferry.exchange.doctor.examination import Cause, Examination
from keyferry.exchange.parties.interface import Method
from keyferry.exchange.plan import make_plan

NAME: Final = "configuration"

SYNTAX: Final = Cause(
    "configuration-syntax",
    "a comma, a quote or a bracket is missing or one too many; or it has comments, single quotes"
    " or True, which JSON does not know",
    "correct it at that place; YAML takes comments, in a file named .yaml",
)
UNKNOWN_MEMBER: Final = Cause(
    "configuration-member",
    "a member is misspelt, or stands under another party or protocol",
    "use the nearest known name, or move it: docs/reference/exchange-configuration.md has them all",
)
VALUE: Final = Cause(
    "configuration-value",
    "a value has another form than its member takes",
    "write it in the form that is named",
)
MISSING_FILE: Final = Cause(
    "configuration-file",
    "a path is relative to another directory, or the file is not there yet",
    "correct the path, or run the command from the directory the paths start in",
)
NO_PARTY: Final = Cause(
    "configuration-parties",
    "only one side is described, or both stand under one",
    "describe the sender under kdh and the receiver under krd",
)
_PLACE: Final = re.compile(r"^configuration: (?P<place>[a-z_0-9.]+)")
_DEFAULTS: Final = {Method.TR34: TR34(), Method.TR31: TR31(), Method.ECDH: ECDH()}


def examine_configuration(
    data: bytes, examination: Examination, *, decoder: Callable[[bytes], Any] = msgspec.json.decode
) -> None:
    """Examine the text of a configuration file."""
    config = _parse(data, decoder, examination)
    senders = [name for name in ExchangeConfig().kdh.__struct_fields__ if _of(config.kdh, name)]
    receivers = [name for name in ExchangeConfig().krd.__struct_fields__ if _of(config.krd, name)]
    examination.fact("senders (kdh)", ", ".join(senders) or "none")
    examination.fact("receivers (krd)", ", ".join(receivers) or "none")
    if not senders or not receivers:
        examination.fail(
            "parties", NO_PARTY, "there is no sender" if receivers else "there is no receiver"
        )
    examination.passed("parties")
    _check_files(config, examination)
    for sender in senders:
        for receiver in receivers:
            _check_plans(config, sender, receiver, examination)


def _of(parties: Any, name: str) -> PartyConfig | None:
    party: PartyConfig | None = getattr(parties, name)
    return party


def _parse(
    data: bytes, decoder: Callable[[bytes], Any], examination: Examination
) -> ExchangeConfig:
    check = "form"
    try:
        config = parse_config(data, decoder=decoder, name=NAME)
    except ConfigurationError as error:
        text = str(error).removeprefix(f"{NAME}: ")
        cause = (
            SYNTAX
            if text.startswith(("not well-formed", "nested", "expected an object"))
            else UNKNOWN_MEMBER
            if "is not known; the nearest" in text
            else VALUE
        )
        examination.fail(check, _with_hint(cause, error), text)
    examination.passed(check)
    return config


def _check_files(config: ExchangeConfig, examination: Examination) -> None:
    check = "files"
    for place, path in _files(config):
        if path and not Path(path).is_file():
            examination.fail(check, MISSING_FILE, f"{place}: there is no file of that name")
    examination.passed(check)


def _files(config: ExchangeConfig) -> Iterator[tuple[str, str]]:
    for side in ("kdh", "krd"):
        parties = getattr(config, side)
        for name in parties.__struct_fields__:
            party = _of(parties, name)
            if party is None:
                continue
            place = f"{side}.{name}"
            for holder, at in ((party.tls, "tls"), (party.certificate_authority, "")):
                if holder is None or isinstance(holder, str):
                    continue
                inside = at or "certificate_authority"
                for member in holder.__struct_fields__:
                    if member.endswith("_file"):
                        yield f"{place}.{inside}.{member}", getattr(holder, member)
            yield f"{place}.key_file", getattr(party, "key_file", "")
            for path in getattr(party, "component_files", ()):
                yield f"{place}.component_files", path


def _check_plans(
    config: ExchangeConfig, sender: str, receiver: str, examination: Examination
) -> None:
    """Check the protocols the file speaks of; if it speaks of none, TR-34 on its defaults."""
    kdh, krd = _of(config.kdh, sender), _of(config.krd, receiver)
    spoken = [
        method
        for method, default in _DEFAULTS.items()
        if any(getattr(party, method.value) != default for party in (kdh, krd))
    ]
    for method in spoken or [Method.TR34]:
        check = f"{method} from {sender} to {receiver}"
        try:
            make_plan(config, method=method, kdh=sender, krd=receiver, file=NAME, test_key=True)
        except KeyferryError as error:
            text = str(error)
            examination.fail(check, _with_hint(_impossible(text), error), _without_name(text))
        examination.passed(check)


def _without_name(text: str) -> str:
    return text.removeprefix(f"{NAME}: ")


def _impossible(text: str) -> Cause:
    """The cause of a plan that cannot be, by the member it names."""
    place = _PLACE.match(text)
    member = place["place"].rstrip(".").rsplit(".", 1)[-1] if place else "plan"
    return Cause(
        f"configuration-{member.replace('_', '-')}",
        "the configuration asks for what device, protocol or key do not allow",
        "change the member that is named",
    )


def _with_hint(cause: Cause, error: KeyferryError) -> Cause:
    return Cause(cause.id, cause.likely, error.hint) if error.hint else cause
