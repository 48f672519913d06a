"""A proof that does not verify ends the exchange, names the key, and takes it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keyferry.exchange.parties.apc_proof import APCProofs
from keyferry.exchange.parties.futurex_proof import FuturexProofs
from keyferry.exchange.parties.payshield_proof import PayShieldProofs
from keyferry.exchange.proof_kinds import Proof, ProofKind, UsedKey

USAGES = {
    "CVV": "TR31_C0_CARD_VERIFICATION_KEY",
    "MAC": "TR31_M3_ISO_9797_3_MAC_KEY",
    "DUKPT MAC": "TR31_B0_BASE_DERIVATION_KEY",
    "PIN block": "TR31_P0_PIN_ENCRYPTION_KEY",
    "cryptogram": "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY",
    "PIN offset": "TR31_V1_IBM3624_PIN_VERIFICATION_KEY",
    "PVV": "TR31_V2_VISA_PIN_VERIFICATION_KEY",
    "key block": "TR31_K1_KEY_BLOCK_PROTECTION_KEY",
    "ARQC": "TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS",
    "ARQC and script MAC": "TR31_E2_EMV_MKEY_INTEGRITY",
}


@pytest.fixture
def data_plane(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS conventions say where the data plane is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA", service)


@pytest.fixture
def spoilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a party computes arrives with another last digit, and a PIN block with another."""

    def other(text: str) -> str:
        return text[:-1] + ("0" if text[-1] != "0" else "1")

    for proofs in (APCProofs, FuturexProofs, PayShieldProofs):
        genuine = proofs.make

        async def make(
            self: Any,
            kind: ProofKind,
            key: UsedKey,
            companion: UsedKey | None,
            genuine: Any = genuine,
        ) -> Proof:
            proof = await genuine(self, kind, key, companion)
            return replace(proof, value=other(proof.value))

        monkeypatch.setattr(proofs, "make", make)


def _refused(done: Any, kind: str) -> None:
    assert done.code == 1
    assert f"but the {kind} that one side made under its key does not verify" in done.err
    assert "do not use the key" in done.err


@pytest.mark.parametrize("kind", USAGES)
def test_at_the_service(exchange, aws, data_plane, spoilt, keys, simulator: int, kind: str) -> None:
    """The service refuses what a payShield did not compute, and keeps no key of the run."""
    before = keys()
    flow = {"key_usage": USAGES[kind], "key_algorithm": "TDES_2KEY"}
    document = {
        "kdh": {"payshield": {"port": simulator, "ecdh": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    done = exchange("ecdh", "payshield", document, "--prove")
    _refused(done, kind)
    assert "it is being deleted" in done.err
    assert keys().keys() == before.keys()


@pytest.mark.parametrize("kind", USAGES)
def test_at_a_payshield(exchange, aws, data_plane, spoilt, keys, simulator: int, kind: str) -> None:
    """A payShield refuses what the service did not compute; nothing is left in the service."""
    before = keys()
    flow = {"key_usage": USAGES[kind], "key_algorithm": "TDES_2KEY"}
    document = {
        "kdh": {"apc": {"region": "us-east-1", "ecdh": flow}},
        "krd": {"payshield": {"port": simulator}},
    }
    done = exchange("ecdh", "apc", document, "--krd", "payshield", "--prove")
    _refused(done, kind)
    assert keys().keys() == before.keys()


@pytest.mark.parametrize("kind", ["CVV", "PIN block", "PVV", "key block"])
def test_at_a_futurex(
    exchange, aws, data_plane, spoilt, keys, futurex_simulator: int, kind: str
) -> None:
    """A Futurex refuses what the service did not compute."""
    before = keys()
    flow = {"key_usage": USAGES[kind], "key_algorithm": "TDES_2KEY"}
    document = {
        "kdh": {"apc": {"region": "us-east-1", "ecdh": flow}},
        "krd": {"futurex": {"port": futurex_simulator}},
    }
    done = exchange("ecdh", "apc", document, "--krd", "futurex", "--prove")
    _refused(done, kind)
    assert keys().keys() == before.keys()


@pytest.mark.parametrize("kind", ["PIN offset", "PVV", "ARQC"])
def test_at_an_atalla(
    exchange, aws, data_plane, spoilt, keys, atalla_simulator: int, kind: str
) -> None:
    """An Atalla that sent the key refuses what the service did not compute under it."""
    before = keys()
    flow = {"key_usage": USAGES[kind], "key_algorithm": "TDES_2KEY"}
    document = {
        "kdh": {"atalla": {"port": atalla_simulator, "tr34": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    done = exchange("tr34", "atalla", document, "--prove")
    _refused(done, kind)
    assert keys().keys() == before.keys()


def test_in_a_replica(
    exchange, aws, data_plane, keys, simulator: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What verifies in one Region and not in the other is an error too."""
    genuine = APCProofs.check
    checked: list[str] = []

    async def check(self: APCProofs, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        checked.append(key.handle)
        other = f"{(int(proof.value) + 1) % 1000:03}" if len(checked) > 1 else proof.value
        return await genuine(self, replace(proof, value=other), key, companion)

    monkeypatch.setattr(APCProofs, "check", check)
    before = keys()
    flow = {"key_usage": USAGES["CVV"], "key_algorithm": "TDES_2KEY"}
    document = {
        "kdh": {"payshield": {"port": simulator, "ecdh": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    done = exchange("ecdh", "payshield", document, "--prove", "--replicate-to", "us-west-2")
    _refused(done, "CVV")
    assert [arn.split(":")[3] for arn in checked] == ["us-east-1", "us-west-2"]
    assert keys().keys() == before.keys()
