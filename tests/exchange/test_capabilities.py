"""What devices can do: tables that hang together, decisions before any state changes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from keyferry.errors import DeviceCapabilityError
from keyferry.exchange.capabilities import TABLES, decide
from keyferry.exchange.config_file import parse_config
from keyferry.exchange.parties.interface import Method
from keyferry.exchange.plan import Plan, make_plan
from keyferry.hsm.atalla.commands import COMMANDS as ATALLA_COMMANDS
from keyferry.hsm.capabilities import Device, MasterKey, Role
from keyferry.hsm.futurex.commands import COMMANDS as FUTUREX_COMMANDS
from keyferry.hsm.payshield.commands import COMMANDS as PAYSHIELD_COMMANDS

COMMANDS = {
    "payshield": PAYSHIELD_COMMANDS,
    "futurex": FUTUREX_COMMANDS,
    "atalla": ATALLA_COMMANDS,
}
ROWS = [
    pytest.param(family, row, id=f"{family}-{row.protocol}-{row.role}-{min(row.master_keys)}")
    for family, table in TABLES.items()
    for row in table
]
PAYSHIELD = Device(family="payshield", master_keys=frozenset({MasterKey.AES_LMK}), firmware="1.14a")
ATALLA = Device(
    family="atalla",
    master_keys=frozenset({MasterKey.TDES_MFK}),
    commands=frozenset({"11A", "120", "12A", "136", "139"}),
    options=frozenset({"E2"}),
)


def _plan(method: str, kdh: str = "payshield", **flow: Any) -> Plan:
    document = {
        "kdh": {kdh: {method: flow}},
        "krd": {"apc": {"region": "us-east-1", "tr31": {"kek": "alias/kek"}}},
    }
    config = parse_config(json.dumps(document).encode(), decoder=msgspec.json.decode, name="a file")
    return make_plan(config, method=Method(method), kdh=kdh, krd="apc", file="a file")


@pytest.mark.parametrize(("family", "row"), ROWS)
def test_rows_name_commands_of_the_tables(family: str, row: Any) -> None:
    """Every command of a row is one of the family, with its layout or at least its name."""
    assert set(row.commands) <= set(COMMANDS[family])
    assert row.algorithms
    assert row.wrapping
    assert row.source
    assert set(row.block_versions) <= set("ABCD")


@pytest.mark.parametrize("family", list(TABLES))
def test_rows_do_not_overlap(family: str) -> None:
    """No two rows speak of one protocol, role and master key."""
    seen = [
        (row.protocol, row.role, master_key)
        for row in TABLES[family]
        for master_key in row.master_keys
    ]
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("method", list(Method))
def test_an_aes_lmk_does_everything(method: Method) -> None:
    """A payShield with an AES key block LMK sends by all three protocols."""
    flow = {"kek": "S00072K1TB00E0001" + "0" * 56} if method is Method.TR31 else {}
    decision = decide(_plan(method, **flow), PAYSHIELD, role=Role.SENDS, label="PAYSHIELD")
    assert [rule.rule for rule in decision.rules][:2] == ["protocol", "commands"]


REFUSALS = [
    ("ecdh", {}, {"master_keys": frozenset({MasterKey.TDES_LMK})}, "(master key)"),
    ("ecdh", {}, {"master_keys": frozenset({MasterKey.VARIANT_LMK})}, "(master key)"),
    (
        "tr34",
        {"key_algorithm": "AES_128"},
        {"master_keys": frozenset({MasterKey.TDES_LMK})},
        "(key algorithm)",
    ),
    ("ecdh", {}, {"firmware": "1.8a"}, "(key block version)"),
    ("tr34", {}, {"commands": frozenset({"EI", "A0", "EW"})}, "(commands): B8 is switched off"),
]


@pytest.mark.parametrize(("method", "flow", "changes", "words"), REFUSALS)
def test_refusals_name_rule_and_remedy(
    method: str, flow: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    """What the device says makes the difference; the hint says what to change."""
    plan = _plan(method, **flow)
    with pytest.raises(DeviceCapabilityError) as caught:
        decide(plan, replace(PAYSHIELD, **changes), role=Role.SENDS, label="PAYSHIELD")
    assert words in str(caught.value)
    assert caught.value.hint


def test_a_release_that_is_not_told_is_not_held_against_a_device() -> None:
    """Where firmware tells no release, the rule says so and the exchange may run."""
    device = replace(PAYSHIELD, firmware="1500-0023")
    decision = decide(_plan("ecdh"), device, role=Role.SENDS, label="PAYSHIELD")
    version = next(rule for rule in decision.rules if rule.rule == "key block version")
    assert "tells no release" in version.finding


def test_an_atalla_needs_its_commands() -> None:
    """With command 136 off TR-34 is refused; with all on it is not."""
    plan = _plan("tr34", "atalla")
    assert decide(plan, ATALLA, role=Role.SENDS, label="ATALLA").rules
    commands = (ATALLA.commands or frozenset()) - {"136", "139"}
    with pytest.raises(DeviceCapabilityError, match="136, 139 are switched off"):
        decide(plan, replace(ATALLA, commands=commands), role=Role.SENDS, label="ATALLA")


def test_an_atalla_receives_nothing() -> None:
    """No public command of an Atalla imports a key under a shared one."""
    with pytest.raises(DeviceCapabilityError, match="lets it receive"):
        decide(_plan("tr34"), ATALLA, role=Role.RECEIVES, label="ATALLA")


# --- from the command line ---------------------------------------------------------------------


def _config(port: int, **payshield: Any) -> dict[str, Any]:
    return {
        "kdh": {"payshield": {"port": port, **payshield}},
        "krd": {"apc": {"region": "us-east-1"}},
    }


def test_explain_changes_nothing(exchange, simulator: int, keys) -> None:
    """`--explain` asks the HSM, prints the rules, and no key exists afterwards."""
    before = keys()
    told = exchange("tr34", "payshield", _config(simulator), "--explain").result
    assert (told["possible"], told["method"], told["wrapping"]) == (True, "tr34", "RSA_2048")
    decision = told["decisions"][0]
    assert decision["party"] == "PAYSHIELD"
    assert "AES key block LMK" in decision["told"]["LMK 00 (JK)"]
    assert all(rule["finding"] for rule in decision["rules"])
    assert keys() == before


def test_explain_of_every_family(exchange, simulator: int, futurex_simulator: int, aws) -> None:
    """A Futurex is explained too, as far as it tells anything."""
    document = {
        "kdh": {"futurex": {"port": futurex_simulator}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    told = exchange("ecdh", "futurex", document, "--explain").result
    assert told["decisions"][0]["rules"][0]["rule"] == "protocol"


def test_an_lmk_that_is_not_loaded(exchange, simulator: int, keys) -> None:
    """LMK 07 is not there: refused by the HSM's first answer, with the words of explain."""
    before = keys()
    done = exchange("tr34", "payshield", _config(simulator, key_block_lmk_identifier="07"))
    assert done.code == 1
    assert json.loads(done.out)["diagnosis"]["id"] == "payshield-13"
    assert "keyferry: cause: no LMK of this identifier is loaded" in done.err
    assert keys() == before


def test_a_scheme_the_lmk_does_not_have(exchange, simulator: int, keys) -> None:
    """The identifier of an LMK of the other scheme is refused before a key is made."""
    before = keys()
    done = exchange("tr34", "payshield", _config(simulator, key_block_lmk_identifier="02"))
    assert done.code == 1
    assert "LMK 02 of the payShield is a variant LMK" in done.err
    assert "variant_lmk" in done.err
    assert json.loads(done.out)["diagnosis"]["id"] == "device-capability"
    assert keys() == before


def test_a_key_the_service_refuses_is_explained(exchange, simulator: int, aws) -> None:
    """An exception of the API comes with its usual causes."""
    document = _config(simulator, tr31={"kek": "S00072K1TB00E0001" + "0" * 56})
    document["krd"]["apc"]["tr31"] = {
        "kek": "arn:aws:payment-cryptography:us-east-1:111122223333:key/aaaaaaaaaaaaaaaa"
    }
    done = exchange("tr31", "payshield", document)
    assert done.code == 1
    assert json.loads(done.out)["diagnosis"]["id"] == "ResourceNotFoundException"
