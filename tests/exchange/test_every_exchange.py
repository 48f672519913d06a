"""Every exchange of every HSM family by the command line, with a new and with an existing key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CVK = "TR31_C0_CARD_VERIFICATION_KEY"
FAMILIES = {
    "payshield": ("payshield", {}, ("tr34", "tr31", "ecdh")),
    "payshield-variant": ("payshield", {"variant_lmk": True}, ("tr34", "tr31")),
    "futurex": ("futurex", {}, ("tr34", "tr31", "ecdh")),
    "atalla": ("atalla", {}, ("tr34", "tr31")),
}
EXCHANGES = [(name, method) for name, (_, _, methods) in FAMILIES.items() for method in methods]
IMPOSSIBLE = [("payshield-variant", "ecdh"), ("atalla", "ecdh")]

Run = Callable[..., Any]


@pytest.fixture
def data_plane(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS conventions say where the data plane is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA", service)


@pytest.fixture
def bring(
    exchange, aws, data_plane, simulator: int, futurex_simulator: int, atalla_simulator: int
) -> Run:
    """Bring a key out of a family by a method, proven by use, under a KEK where it needs one."""
    ports = {
        "payshield": simulator,
        "futurex": futurex_simulator,
        "atalla": atalla_simulator,
    }

    def run(name: str, method: str, *, kek: dict[str, Any] | None = None, **flow: str) -> Any:
        family, device, _ = FAMILIES[name]
        receiver: dict[str, Any] = {"region": "us-east-1"}
        if kek is not None:
            flow["kek"] = kek["kdh_key"]
            receiver["tr31"] = {"kek": kek["key_arn"]}
        document = {
            "kdh": {family: {"port": ports[family], **device, method: flow}},
            "krd": {"apc": receiver},
        }
        return exchange(method, family, document, "--prove")

    return run


@pytest.mark.parametrize(("name", "method"), EXCHANGES)
def test_new_and_existing_keys(bring: Run, name: str, method: str) -> None:
    """Check values are equal and the proof by use holds; the existing key is the same key again."""
    kek = bring(name, "tr34").result if method == "tr31" else None
    made = bring(name, method, kek=kek, key_usage=CVK, key_algorithm="TDES_2KEY").result
    again = bring(
        name,
        method,
        kek=kek,
        transport_key=made["kdh_key"],
        transport_key_kcv=made["key_check_value"],
        key_usage=CVK,
    ).result
    for result in (made, again):
        assert result["proven"]
        assert result["key_check_value"][:6] == result["kdh_key_check_value"][:6]
        assert len(result["key_check_value"]) >= 6
        assert result["proof_by_use"] == "CVV made by the sender, verified by the receiver"
        assert result["received"]["key_usage"] == "C0"
        assert result["received"]["key_algorithm"] == "TDES_2KEY"
    assert made["kdh_key_generated"]
    assert not again["kdh_key_generated"]
    assert again["key_check_value"] == made["key_check_value"]
    assert again["kdh_key"] == made["kdh_key"]
    assert again["key_arn"] != made["key_arn"]


@pytest.mark.parametrize(("name", "method"), EXCHANGES)
def test_another_check_value_than_stated(bring: Run, name: str, method: str) -> None:
    """An existing key with another check value than stated is refused before anything is sent."""
    kek = bring(name, "tr34").result if method == "tr31" else None
    made = bring(name, method, kek=kek, key_usage=CVK, key_algorithm="TDES_2KEY").result
    wrong = "000000" if made["key_check_value"] != "000000" else "111111"
    done = bring(
        name,
        method,
        kek=kek,
        transport_key=made["kdh_key"],
        transport_key_kcv=wrong,
        key_usage=CVK,
    )
    assert done.code == 1
    assert f"not {wrong}" in done.err
    assert "import the key" not in done.err


@pytest.mark.parametrize(("name", "method"), IMPOSSIBLE)
def test_what_a_device_cannot_do(bring: Run, name: str, method: str) -> None:
    """A method the device has no public command for is refused by the configuration alone."""
    done = bring(name, method)
    assert done.code == 2
    assert "Step" not in done.err
