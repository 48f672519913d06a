"""Keys into a Futurex HSM: from the service, from a payShield, from another Futurex."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

TO_FUTUREX = ("--krd", "futurex")


@pytest.fixture
def config(futurex_simulator: int, simulator: int, aws) -> Callable[..., dict[str, Any]]:
    """Make a configuration of a sender and a simulated Futurex that receives."""
    sender = {
        "apc": {"region": "us-east-1"},
        "payshield": {"port": simulator},
        "futurex": {"port": futurex_simulator},
    }

    def make(kdh: str, method: str, *, krd_kek: str = "", **flow: Any) -> dict[str, Any]:
        receiver = {"port": futurex_simulator, "tr31": {"kek": krd_kek}}
        return {"kdh": {kdh: {**sender[kdh], method: flow}}, "krd": {"futurex": receiver}}

    return make


@pytest.mark.parametrize("kdh", ["apc", "payshield", "futurex"])
@pytest.mark.parametrize("method", ["tr34", "ecdh"])
def test_a_kek_and_a_key_under_it(exchange, config, kdh: str, method: str) -> None:
    """A KEK arrives with the sender's check value, and a working key under it by TR-31."""
    kek = exchange(method, kdh, config(kdh, method), *TO_FUTUREX).result
    assert kek["key_check_value"] == kek["kdh_key_check_value"]
    assert kek["key_arn"].startswith("D01")
    assert kek["received"]["key_usage"] == "K1"
    flow = {"kek": kek["kdh_key"], "key_algorithm": "TDES_3KEY"}
    document = config(kdh, "tr31", krd_kek=kek["key_arn"], **flow)
    result = exchange("tr31", kdh, document, *TO_FUTUREX).result
    assert result["key_check_value"] == result["kdh_key_check_value"]
    assert result["received"]["key_usage"] == "B0"
    assert result["received"]["key_algorithm"] == "TDES_2KEY or TDES_3KEY"


def test_there_and_back(exchange, config) -> None:
    """A key of the service travels into the HSM, and on into the other Region as the same key."""
    out = exchange("ecdh", "apc", config("apc", "ecdh"), *TO_FUTUREX).result
    port = config("apc", "ecdh")["krd"]["futurex"]["port"]
    flow = {"transport_key": out["key_arn"], "transport_key_kcv": out["key_check_value"]}
    document = {
        "kdh": {"futurex": {"port": port, "ecdh": flow}},
        "krd": {"apc": {"region": "us-west-2"}},
    }
    back = exchange("ecdh", "futurex", document).result
    assert back["key_check_value"] == out["kdh_key_check_value"]


def test_a_kek_the_hsm_does_not_share(exchange, config) -> None:
    """Two KEKs mixed up: exit code 1 before a key is exported."""
    one, other = (
        exchange("tr34", "apc", config("apc", "tr34"), *TO_FUTUREX).result for _ in range(2)
    )
    document = config("apc", "tr31", krd_kek=other["key_arn"], kek=one["kdh_key"])
    done = exchange("tr31", "apc", document, *TO_FUTUREX)
    assert done.code == 1
    assert "the KEKs differ" in done.err
    assert other["key_arn"] not in done.err


def test_the_key_is_named_at_the_sender(exchange, config) -> None:
    """A receiver's transport_key, or a KEK that is none, is refused before any call."""
    document = config("apc", "tr34")
    document["krd"]["futurex"]["tr34"] = {"transport_key": "D0112"}
    done = exchange("tr34", "apc", document, *TO_FUTUREX)
    assert done.code == 2
    assert "krd.futurex.tr34.transport_key" in done.err
    document = config("apc", "tr31", krd_kek="D0112P0TB00E0000" + "0" * 96, kek="alias/x")
    done = exchange("tr31", "apc", document, *TO_FUTUREX)
    assert done.code == 2
    assert "which does not wrap keys" in done.err
