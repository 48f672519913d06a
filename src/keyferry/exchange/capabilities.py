"""
Whether a device can do its part of a plan: decided from its family's table and what it says.

The decision falls before any state changes. Each rule is told with what it found and how well the
fact is known, so that `--explain` can show the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, Protocol, runtime_checkable

from keyferry.errors import DeviceCapabilityError
from keyferry.exchange.key_request import candidates_of
from keyferry.exchange.parties.interface import Method
from keyferry.exchange.plan import Plan, kek_is_aes
from keyferry.hsm import capabilities as hsm
from keyferry.hsm.atalla.capabilities import CAPABILITIES as ATALLA
from keyferry.hsm.capabilities import Capability, Device, MasterKey, Role
from keyferry.hsm.futurex.capabilities import CAPABILITIES as FUTUREX
from keyferry.hsm.payshield.capabilities import CAPABILITIES as PAYSHIELD
from keyferry.keys import KeyAlgorithm

TABLES = {"payshield": PAYSHIELD, "futurex": FUTUREX, "atalla": ATALLA}

_ENABLE = {
    "payshield": "at the console (CONFIGCMDS), and licensed",
    "futurex": "in its function blocking",
    "atalla": "by 108/109, or at its administration screen",
}


@runtime_checkable
class ReportsDevice(Protocol):
    """A party that can ask its device what it is."""

    async def device(self) -> Device:
        """Ask the device; changes nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a decision."""

    rule: str
    finding: str
    evidence: str = ""  # how well the fact behind it is known; empty: the configuration or a device


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why a device can do its part; a refusal is an error instead."""

    label: str
    device: Device
    rules: tuple[Rule, ...]


def decide(plan: Plan, device: Device, *, role: Role, label: str) -> Decision:
    """
    Hold a plan against a device.

    Args:
        plan: of the exchange.
        device: what it says of itself.
        role: which side it takes.
        label: what steps call it.

    Returns:
        The rules it stands.

    Raises:
        DeviceCapabilityError: naming the rule, and what to change.
    """
    return Decision(label=label, device=device, rules=tuple(_rules(plan, device, role, label)))


def _rules(plan: Plan, device: Device, role: Role, label: str) -> Iterator[Rule]:
    row = _row(plan.method, device, role, label)
    words = f"{row.evidence.words}: {row.source}"
    side = "sends" if role is Role.SENDS else "receives"
    yield Rule(
        rule="protocol",
        finding=f"{plan.method} {side} under {_names(device.master_keys)}",
        evidence=words,
    )
    yield _check_commands(row, device, label)
    if row.options:
        yield _check_options(row, device, label)
    yield _check_algorithm(plan, row, label, words)
    if plan.wrapping is not None:
        yield _check_wrapping(plan, plan.wrapping, row, label, words)
    yield _check_version(plan, row, device, role, label)
    if row.activities:
        yield Rule(
            rule="authorisation",
            finding=f"may be needed, which no status tells: {', '.join(row.activities)}",
            evidence=words,
        )


def _row(method: Method, device: Device, role: Role, label: str) -> Capability:
    """Return the row of the device's master key; of several it may have, the most capable."""
    rows = [
        row
        for row in TABLES[device.family]
        if row.protocol.value == method.value and row.role is role
    ]
    side = "send" if role is Role.SENDS else "receive"
    if not rows:
        _refuse(
            label,
            "protocol",
            f"no public command of such an HSM lets it {side} by {method}",
            "use another protocol, as the guide of the HSM says",
        )
    fitting = [row for row in rows if row.master_keys & device.master_keys]
    if not fitting:
        possible = frozenset[MasterKey]().union(*(row.master_keys for row in rows))
        _refuse(
            label,
            "master key",
            f"{method} does not {side} keys under {_names(device.master_keys)}",
            f"use {_names(possible)}, or another protocol",
        )
    return max(fitting, key=lambda row: len(row.algorithms))


def _check_commands(row: Capability, device: Device, label: str) -> Rule:
    commands = ", ".join(row.commands)
    if device.commands is None:
        return Rule(rule="commands", finding=f"needs {commands}; the device does not say")
    missing = [command for command in row.commands if command not in device.commands]
    if missing:
        _refuse(
            label,
            "commands",
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} switched off, or not in"
            f" firmware {device.firmware or 'of this device'}",
            f"have {commands} enabled {_ENABLE[device.family]}",
        )
    return Rule(rule="commands", finding=f"needs {commands}: all are switched on")


def _check_options(row: Capability, device: Device, label: str) -> Rule:
    options = ", ".join(row.options)
    if device.options is None:
        return Rule(rule="options", finding=f"needs {options}; the device does not say")
    missing = [option for option in row.options if option not in device.options]
    if missing:
        _refuse(
            label,
            "options",
            f"option {', '.join(missing)} is off: the HSM would answer 0607",
            "have the administrator switch it on (108/109)",
        )
    return Rule(rule="options", finding=f"needs {options}: on")


def _check_algorithm(plan: Plan, row: Capability, label: str, words: str) -> Rule:
    candidates = candidates_of(plan.key)
    if not candidates:
        return Rule(rule="key algorithm", finding="only the HSM can tell it", evidence=words)
    possible = [algorithm for algorithm in candidates if algorithm in row.algorithms]
    if not possible:
        _refuse(
            label,
            "key algorithm",
            f"{' or '.join(candidates)} does not travel by {plan.method} under this master key",
            f"use one of {', '.join(sorted(row.algorithms))}, or an HSM with a stronger master key",
        )
    return Rule(rule="key algorithm", finding=" or ".join(possible), evidence=words)


def _check_wrapping(
    plan: Plan, wrapping: KeyAlgorithm, row: Capability, label: str, words: str
) -> Rule:
    if wrapping not in row.wrapping:
        _refuse(
            label,
            "wrapping key",
            f"it does not do {plan.method} with {wrapping}",
            f"it does with {', '.join(sorted(row.wrapping))}",
        )
    derived = f", derived {plan.derivation.algorithm}" if plan.derivation else ""
    return Rule(rule="wrapping key", finding=f"{wrapping}{derived}", evidence=words)


def _check_version(plan: Plan, row: Capability, device: Device, role: Role, label: str) -> Rule:
    """Check the key block version, as far as the plan fixes it."""
    rule = "key block version"
    version = _version(plan)
    if version is None:
        return Rule(rule=rule, finding=f"follows the KEK: one of {', '.join(row.block_versions)}")
    if version not in row.block_versions:
        # A Futurex writes D into every token, and in a token the letter means nothing.
        if plan.method is Method.TR34:
            return Rule(rule=rule, finding=f"{row.block_versions} inside the token, a formality")
        _refuse(
            label,
            rule,
            f"version {version} is not one it {'writes' if role is Role.SENDS else 'reads'}",
            f"choose a wrapping key for version {' or '.join(row.block_versions)}",
        )
    first = dict(row.since).get(version)
    if first is None:
        return Rule(rule=rule, finding=version)
    seen = f"seen on firmware {first[0]}.{first[1]}, refused by older ones"
    if device.release is None:
        return Rule(
            rule=rule,
            finding=f"{version}, {seen}; {device.firmware or 'the firmware'} tells no release",
        )
    if device.release < first:
        _refuse(
            label,
            rule,
            f"firmware {device.firmware} is older than {first[0]}.{first[1]}, the first seen to"
            f" {'write' if role is Role.SENDS else 'know'} version {version}",
            "update the firmware, or send a TDES key under a TDES key (version B)",
        )
    return Rule(rule=rule, finding=f"{version}, {seen}")


def _version(plan: Plan) -> str | None:
    if plan.derivation is not None:
        return "D" if plan.derivation.algorithm.is_aes else "B"
    if plan.method is Method.TR34:
        candidates = candidates_of(plan.key)
        if not candidates:
            return None
        return "D" if all(algorithm in hsm.AES for algorithm in candidates) else "B"
    aes = kek_is_aes(plan)
    return None if aes is None else "D" if aes else "B"


def _names(master_keys: frozenset[MasterKey]) -> str:
    return " or ".join(f"a{'n' if key[0] == 'A' else ''} {key}" for key in sorted(master_keys))


def _refuse(label: str, rule: str, problem: str, remedy: str) -> NoReturn:
    raise DeviceCapabilityError(f"{label} cannot do this exchange ({rule}): {problem}", hint=remedy)
