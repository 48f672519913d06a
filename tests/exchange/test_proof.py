"""Proof by use: what the HSM computes under its copy verifies under the service's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keyferry.errors import ExchangeError, RemoteRefusedError
from keyferry.exchange.parties.interface import ReceivedKey, TransportKey
from keyferry.exchange.proof import NOT_PROVABLE, CVVProof, Proof, prove_by_use
from keyferry.exchange.steps import Steps
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
)

PROVABLE = [
    ("TR31_C0_CARD_VERIFICATION_KEY", "TDES_2KEY", "CVV", "verified"),
    ("TR31_M1_ISO_9797_1_MAC_KEY", "TDES_2KEY", "MAC", "verified"),
    ("TR31_M3_ISO_9797_3_MAC_KEY", "TDES_2KEY", "MAC", "verified"),
    ("TR31_M6_ISO_9797_5_CMAC_KEY", "AES_128", "MAC", "verified"),
    ("TR31_P0_PIN_ENCRYPTION_KEY", "TDES_3KEY", "PIN block", "translated"),
    ("TR31_P0_PIN_ENCRYPTION_KEY", "AES_256", "PIN block", "translated"),
    ("TR31_B0_BASE_DERIVATION_KEY", "TDES_2KEY", "DUKPT MAC", "verified"),
    ("TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY", "TDES_2KEY", "cryptogram", "decrypted"),
    ("TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY", "AES_192", "cryptogram", "decrypted"),
]
VARIANT = [row for row in PROVABLE if row[1] == "TDES_2KEY"]


@pytest.fixture
def data_plane(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS conventions say where the data plane is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA", service)


@pytest.mark.parametrize(("usage", "algorithm", "what", "done"), PROVABLE)
def test_key_block_lmk(
    exchange, aws, data_plane, simulator: int, usage: str, algorithm: str, what: str, done: str
) -> None:
    """Every usage under which something can be computed is proven, of every strength."""
    flow = {"key_usage": usage, "key_algorithm": algorithm}
    document = {
        "kdh": {"payshield": {"port": simulator, "ecdh": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    result = exchange("ecdh", "payshield", document, "--prove").result
    assert result["proof_by_use"] == f"{what} made by the sender, {done} by the receiver"
    assert ("PIN encryption key of the proof" in str(result["cleaned_up"])) == (what == "PIN block")


@pytest.mark.parametrize(("usage", "algorithm", "what", "done"), VARIANT)
def test_variant_lmk(
    exchange, aws, data_plane, simulator: int, usage: str, algorithm: str, what: str, done: str
) -> None:
    """Keys under a variant LMK are proven alike."""
    flow = {"key_usage": usage, "key_algorithm": algorithm}
    document = {
        "kdh": {"payshield": {"port": simulator, "variant_lmk": True, "tr34": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    result = exchange("tr34", "payshield", document, "--prove").result
    assert result["proof_by_use"] == f"{what} made by the sender, {done} by the receiver"


def test_a_key_that_computes_nothing(exchange, aws, data_plane, simulator: int) -> None:
    """A KEK wraps; the exchange says that it is not proven by use, and ends well."""
    document = {
        "kdh": {"payshield": {"port": simulator, "tr34": {}}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    result = exchange("tr34", "payshield", document, "--prove").result
    assert result["proof_by_use"].startswith(NOT_PROVABLE)


def test_nothing_is_proven_unasked(exchange, aws, simulator: int) -> None:
    """Without the option the data plane is not called."""
    document = {
        "kdh": {"payshield": {"port": simulator, "tr34": {}}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    assert exchange("tr34", "payshield", document).result["proof_by_use"] == ""


class _Sender:
    label = "SENDER"

    async def make_proof(self, key: TransportKey) -> Proof | None:
        return CVVProof(value="123")


class _Receiver:
    async def check_proof(self, received: ReceivedKey, proof: Proof) -> str:
        raise RemoteRefusedError("VerifyCardValidationData", "VerificationFailedException", "no")


def _keys() -> tuple[TransportKey, ReceivedKey]:
    usage, algorithm = KeyUsage.TR31_C0_CARD_VERIFICATION_KEY, KeyAlgorithm.TDES_2KEY
    sent = TransportKey(
        handle="U", usage=usage, algorithm=algorithm, check_value="08D7B4", generated=True
    )
    received = ReceivedKey(
        identifier="arn",
        check_value="08D7B4",
        check_value_method="ANSI_X9_24",
        attributes=KeyAttributes(
            key_usage=usage,
            key_class=KeyClass.SYMMETRIC_KEY,
            key_algorithm=algorithm,
            modes_of_use=ModesOfUse(generate=True, verify=True),
        ),
        exportable=True,
    )
    return sent, received


def _prove(kdh: Any, krd: Any) -> str:
    sent, received = _keys()
    steps = Steps(lambda _: None)
    return asyncio.run(prove_by_use(sent, received, kdh=kdh, krd=krd, steps=steps))


def test_a_proof_that_fails_names_the_key() -> None:
    """What does not verify is an error that says which key not to use."""
    with pytest.raises(ExchangeError, match="arn was created, but the CVV"):
        _prove(_Sender(), _Receiver())


def test_parties_that_do_not_use_keys() -> None:
    """A party without such commands is said to be one."""
    assert _prove(object(), _Receiver()).startswith(NOT_PROVABLE)
    assert _prove(_Sender(), object()).startswith(NOT_PROVABLE)
