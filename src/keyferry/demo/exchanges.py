"""
The exchanges of the demonstration, each an ordinary `keyferry exchange` command.

A TR-34 exchange brings a KEK over; its result names the KEK on both sides, and the TR-31
exchanges that follow use it. Each key is replicated to the Region it did not arrive in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keyferry.demo.processes import Processes
from keyferry.exchange.proof import NOT_PROVABLE

NEAR, FAR = "us-east-1", "us-west-2"

Results = dict[str, dict[str, Any]]
# Makes the configuration of an exchange from the results of those before it.
Configure = Callable[[Results], Mapping[str, Any]]
# By name: what a key is for.
Keys = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One line of the demonstration."""

    name: str
    method: str
    kdh: str
    source: str
    target: str
    configure: Configure
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What became of one exchange."""

    exchange: Exchange
    result: dict[str, Any] | None
    reason: str = ""

    @property
    def proven(self) -> bool:
        """
        Whether the key is proven in both Regions.

        The command says so itself, and sender, receiver and replica show the same check value; one
        side computed under its copy what the other verified, in the one Region and in the other.
        """
        result = self.result
        if result is None or not result["proven"] or len(result["replicas"]) != 1:
            return False
        (replica,) = result["replicas"]
        shown = [holder["key_check_value"] for holder in (result, replica)]
        proofs = [holder["proof_by_use"] for holder in (result, replica)]
        return (
            all(len(value) >= 6 for value in shown)
            and {value[:6] for value in shown} == {result["kdh_key_check_value"][:6]}
            and all(proof and not proof.startswith(NOT_PROVABLE) for proof in proofs)
        )


def planned(ports: Mapping[str, int]) -> list[Exchange]:
    """
    Return the exchanges in an order in which each finds what it needs.

    Args:
        ports: of the simulators, by family.
    """

    def hsm(
        family: str, method: str, *, kek: str = "", **members: Any
    ) -> tuple[str, str, Configure]:
        """An HSM as sender; what is not of the device (`variant_lmk`) belongs to the exchange."""
        device = {name: members.pop(name) for name in ("variant_lmk",) if name in members}

        def configure(results: Results) -> Mapping[str, Any]:
            krd: dict[str, Any] = {"region": NEAR}
            flow = dict(members)
            if kek:
                flow["kek"] = results[kek]["kdh_key"]
                krd["tr31"] = {"kek": results[kek]["key_arn"]}
            sender = {"port": ports[family], **device, method: flow}
            return {"kdh": {family: sender}, "krd": {"apc": krd}}

        return family, method, configure

    def region(method: str, *, kek: str = "", key: str = "", **flow: Any) -> Configure:
        def configure(results: Results) -> Mapping[str, Any]:
            krd: dict[str, Any] = {"region": FAR}
            if kek:
                flow["kek"] = results[kek]["kdh_key"]
                krd["tr31"] = {"kek": results[kek]["key_arn"]}
            if key:
                flow["transport_key"] = results[key]["key_arn"]
                flow["transport_key_kcv"] = results[key]["key_check_value"]
            return {"kdh": {"apc": {"region": NEAR, method: flow}}, "krd": {"apc": krd}}

        return configure

    pek = {"key_usage": "TR31_P0_PIN_ENCRYPTION_KEY"}
    bdk = {"key_usage": "TR31_B0_BASE_DERIVATION_KEY", "key_algorithm": "TDES_2KEY"}
    cvk = {"key_usage": "TR31_C0_CARD_VERIFICATION_KEY", "key_algorithm": "TDES_2KEY"}
    mac = {"key_usage": "TR31_M3_ISO_9797_3_MAC_KEY", "key_algorithm": "TDES_2KEY"}
    pvk = {"key_usage": "TR31_V2_VISA_PIN_VERIFICATION_KEY", "key_algorithm": "TDES_2KEY"}
    emv = {"key_usage": "TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", "key_algorithm": "TDES_2KEY"}
    key_block, variant = "payShield, key block LMK", "payShield, variant LMK"
    futurex, atalla = "Futurex", "Atalla"

    def under(family: str, prefix: str, source: str, keys: Keys, **device: Any) -> list[Exchange]:
        """TR-31 exchanges under the KEK that an exchange by TR-34 brought."""
        kek = f"{prefix}kek"
        return [
            _hsm(f"{prefix}{name}", source, hsm(family, "tr31", kek=kek, **device, **key), kek)
            for name, key in keys.items()
        ]

    return [
        _hsm("kek", key_block, hsm("payshield", "tr34")),
        *under(
            "payshield", "", key_block, {"bdk": bdk, "cvk": cvk, "mac": mac, "pvk": pvk, "emv": emv}
        ),
        _hsm("aes-kek", key_block, hsm("payshield", "ecdh")),
        _hsm(
            "pek",
            key_block,
            hsm("payshield", "tr31", kek="aes-kek", key_algorithm="AES_128", **pek),
            "aes-kek",
        ),
        _hsm("variant-kek", variant, hsm("payshield", "tr34", variant_lmk=True)),
        *under("payshield", "variant-", variant, {"bdk": bdk, "cvk": cvk}, variant_lmk=True),
        _hsm("futurex-kek", futurex, hsm("futurex", "tr34")),
        *under("futurex", "futurex-", futurex, {"cvk": cvk, "pek": pek}),
        _hsm("futurex-aes-kek", futurex, hsm("futurex", "ecdh")),
        _hsm("atalla-kek", atalla, hsm("atalla", "tr34")),
        *under("atalla", "atalla-", atalla, {"bdk": bdk, "cvk": cvk, "pek": pek}),
        _between("far-kek", "tr34", region("tr34")),
        _between("far-bdk", "tr31", region("tr31", kek="far-kek", key="bdk"), "far-kek", "bdk"),
        _between("far-pek", "ecdh", region("ecdh", key="pek"), "pek"),
    ]


def _hsm(name: str, source: str, configure: tuple[str, str, Configure], *needs: str) -> Exchange:
    family, method, make = configure
    return Exchange(
        name=name,
        method=method,
        kdh=family,
        source=source,
        target=NEAR,
        configure=make,
        needs=needs,
    )


def _between(name: str, method: str, configure: Configure, *needs: str) -> Exchange:
    return Exchange(
        name=name,
        method=method,
        kdh="apc",
        source=NEAR,
        target=FAR,
        configure=configure,
        needs=needs,
    )


def run_exchange(exchange: Exchange, results: Results, processes: Processes) -> Line:
    """Run one exchange as a command and read its result."""
    missing = [name for name in exchange.needs if name not in results]
    if missing:
        return Line(exchange=exchange, result=None, reason=f"{', '.join(missing)} did not arrive")
    config = processes.write_config(exchange.name, exchange.configure(results))
    done = processes.run(
        *("exchange", exchange.method, "--kdh", exchange.kdh, "--krd", "apc"),
        *("--config", config, "--output", "json"),
        *("--prove", "--replicate-to", FAR if exchange.target == NEAR else NEAR),
    )
    if done.returncode:
        return Line(exchange=exchange, result=None, reason=done.stderr)
    line = Line(exchange=exchange, result=json.loads(done.stdout))
    if line.result is not None and line.proven:
        results[exchange.name] = line.result
    return line
