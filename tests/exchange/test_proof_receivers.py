"""Proof by use where an HSM receives: it verifies what the sender computed, or computes itself."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.exchange.proof import NOT_PROVABLE

CVK = "TR31_C0_CARD_VERIFICATION_KEY"
PEK = "TR31_P0_PIN_ENCRYPTION_KEY"
BDK = "TR31_B0_BASE_DERIVATION_KEY"
DEK = "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY"
MAC = "TR31_M3_ISO_9797_3_MAC_KEY"
CMAC = "TR31_M6_ISO_9797_5_CMAC_KEY"
OFFSETS = "TR31_V1_IBM3624_PIN_VERIFICATION_KEY"
PVK = "TR31_V2_VISA_PIN_VERIFICATION_KEY"
MK_AC = "TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS"
MK_SMI = "TR31_E2_EMV_MKEY_INTEGRITY"
BLOCK_KEY = "TR31_K1_KEY_BLOCK_PROTECTION_KEY"

VERIFIED = "made by the sender, verified by the receiver"
OPENED = "made by the sender, opened by the receiver"
TRANSLATED = "made by the sender, translated by the receiver"
DECRYPTED = "made by the sender, decrypted by the receiver"
UNWRAPPED = "made by the sender, unwrapped by the receiver"

TO_PAYSHIELD = [
    ("apc", CVK, "TDES_2KEY", f"CVV {VERIFIED}"),
    ("apc", MAC, "TDES_3KEY", f"MAC {VERIFIED}"),
    ("apc", CMAC, "AES_256", f"MAC {VERIFIED}"),
    ("apc", PEK, "TDES_2KEY", f"PIN block {OPENED}"),
    ("apc", PEK, "AES_128", f"PIN block {OPENED}"),
    ("apc", BDK, "TDES_2KEY", f"DUKPT MAC {VERIFIED}"),
    ("apc", DEK, "TDES_3KEY", f"cryptogram {DECRYPTED}"),
    ("apc", DEK, "AES_192", f"cryptogram {DECRYPTED}"),
    ("apc", OFFSETS, "TDES_2KEY", f"PIN offset {VERIFIED}"),
    ("apc", PVK, "TDES_2KEY", f"PVV {VERIFIED}"),
    ("apc", MK_AC, "TDES_2KEY", f"ARQC {VERIFIED}"),
    ("apc", MK_SMI, "TDES_2KEY", f"ARQC and script MAC {VERIFIED}"),
    ("apc", BLOCK_KEY, "AES_256", f"key block {UNWRAPPED}"),
    ("apc", BLOCK_KEY, "TDES_3KEY", f"key block {UNWRAPPED}"),
    ("payshield", CVK, "TDES_2KEY", f"CVV {VERIFIED}"),
    ("payshield", MAC, "TDES_2KEY", f"MAC {VERIFIED}"),
    ("payshield", PEK, "AES_256", f"PIN block {OPENED}"),
    ("payshield", BDK, "TDES_2KEY", f"DUKPT MAC {VERIFIED}"),
    ("payshield", DEK, "AES_128", f"cryptogram {DECRYPTED}"),
    ("payshield", OFFSETS, "TDES_2KEY", f"PIN offset {VERIFIED}"),
    ("payshield", PVK, "TDES_3KEY", f"PVV {VERIFIED}"),
    ("payshield", BLOCK_KEY, "AES_256", f"key block {UNWRAPPED}"),
    ("futurex", CVK, "TDES_2KEY", f"CVV {VERIFIED}"),
    ("futurex", PEK, "TDES_2KEY", f"PIN block {OPENED}"),
    ("futurex", PVK, "TDES_2KEY", f"PVV {VERIFIED}"),
    ("futurex", BLOCK_KEY, "AES_256", f"key block {UNWRAPPED}"),
]
TO_FUTUREX = [
    ("apc", CVK, "TDES_2KEY", f"CVV {VERIFIED}"),
    ("apc", PEK, "TDES_3KEY", f"PIN block {TRANSLATED}"),
    ("apc", PVK, "TDES_2KEY", f"PVV {VERIFIED}"),
    ("apc", BLOCK_KEY, "AES_256", f"key block {UNWRAPPED}"),
    ("payshield", CVK, "TDES_2KEY", f"CVV {VERIFIED}"),
    ("payshield", PEK, "TDES_2KEY", f"PIN block {TRANSLATED}"),
    ("payshield", PVK, "TDES_2KEY", f"PVV {VERIFIED}"),
    ("payshield", BLOCK_KEY, "AES_256", f"key block {UNWRAPPED}"),
]
NOWHERE = [
    (
        "payshield",
        "payshield",
        MK_AC,
        "what one side computes under a key of usage E0, the other has no public command to verify",
    ),
    (
        "payshield",
        "futurex",
        MAC,
        "no public command of the FUTUREX computes under or verifies with a",
    ),
    (
        "futurex",
        "payshield",
        DEK,
        "no public command of the FUTUREX computes under or verifies with a",
    ),
]


@pytest.fixture
def data_plane(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS conventions say where the data plane is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA", service)


@pytest.fixture
def prove(
    exchange, aws, data_plane, simulator: int, second_simulator: int, futurex_simulator: int
) -> Any:
    """Bring a new key over by ECDH and return what it was proven by."""
    senders = {
        "apc": {"region": "us-east-1"},
        "payshield": {"port": simulator},
        "futurex": {"port": futurex_simulator},
    }
    receivers = {"payshield": {"port": second_simulator}, "futurex": {"port": futurex_simulator}}

    def run(kdh: str, krd: str, usage: str, algorithm: str) -> str:
        flow = {"key_usage": usage, "key_algorithm": algorithm}
        document = {"kdh": {kdh: {**senders[kdh], "ecdh": flow}}, "krd": {krd: receivers[krd]}}
        result = exchange("ecdh", kdh, document, "--krd", krd, "--prove").result
        return str(result["proof_by_use"])

    return run


@pytest.mark.parametrize(("kdh", "usage", "algorithm", "proven"), TO_PAYSHIELD)
def test_into_a_payshield(prove, kdh: str, usage: str, algorithm: str, proven: str) -> None:
    """A payShield verifies with its own commands what any sender computed."""
    assert prove(kdh, "payshield", usage, algorithm) == proven


@pytest.mark.parametrize(("kdh", "usage", "algorithm", "proven"), TO_FUTUREX)
def test_into_a_futurex(prove, kdh: str, usage: str, algorithm: str, proven: str) -> None:
    """A Futurex verifies card values and PINs, and unwraps under KEKs."""
    assert prove(kdh, "futurex", usage, algorithm) == proven


@pytest.mark.parametrize(("kdh", "krd", "usage", "reason"), NOWHERE)
def test_what_two_devices_cannot_prove(prove, kdh: str, krd: str, usage: str, reason: str) -> None:
    """The exchange ends well and says which device lacks what."""
    assert prove(kdh, krd, usage, "TDES_2KEY").startswith(f"{NOT_PROVABLE}: {reason}")


def test_into_a_variant_lmk(exchange, aws, data_plane, second_simulator: int) -> None:
    """Keys under a variant LMK verify what the service computed, by TR-31 under a shared ZMK."""
    variant = {"port": second_simulator, "variant_lmk": True}
    document: dict[str, Any] = {
        "kdh": {"payshield": variant},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    zmk = exchange("tr34", "payshield", document).result
    for usage, proven in (
        (CVK, f"CVV {VERIFIED}"),
        (PVK, f"PVV {VERIFIED}"),
        (MK_SMI, f"ARQC and script MAC {VERIFIED}"),
        (PEK, f"PIN block {OPENED}"),
    ):
        flow = {"kek": zmk["key_arn"], "key_usage": usage, "key_algorithm": "TDES_2KEY"}
        document = {
            "kdh": {"apc": {"region": "us-east-1", "tr31": flow}},
            "krd": {"payshield": {**variant, "tr31": {"kek": zmk["kdh_key"]}}},
        }
        result = exchange("tr31", "apc", document, "--krd", "payshield", "--prove").result
        assert result["proof_by_use"] == proven
