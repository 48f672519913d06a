"""A clear test key is proven by use too: this machine computes, and the receiver verifies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KEYS = {
    "TDES_2KEY": "0123456789ABCDEFFEDCBA9876543210",
    "TDES_3KEY": "0123456789ABCDEFFEDCBA987654321089ABCDEF01234567",
    "AES_128": "000102030405060708090A0B0C0D0E0F",
    "AES_256": "603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4",
    "HMAC_SHA512": "603DEB1015CA71BE2B73AEF0857D7781" * 4,
}
VERIFIED = "made by the sender, verified by the receiver"
DECRYPTED = "made by the sender, decrypted by the receiver"

TO_SERVICE = [
    ("TR31_C0_CARD_VERIFICATION_KEY", "TDES_2KEY", f"CVV {VERIFIED}"),
    ("TR31_C0_CARD_VERIFICATION_KEY", "TDES_3KEY", f"CSC {VERIFIED}"),
    ("TR31_M0_ISO_16609_MAC_KEY", "TDES_2KEY", f"MAC {VERIFIED}"),
    ("TR31_M1_ISO_9797_1_MAC_KEY", "TDES_3KEY", f"MAC {VERIFIED}"),
    ("TR31_M3_ISO_9797_3_MAC_KEY", "TDES_2KEY", f"MAC {VERIFIED}"),
    ("TR31_M6_ISO_9797_5_CMAC_KEY", "AES_256", f"MAC {VERIFIED}"),
    ("TR31_M6_ISO_9797_5_CMAC_KEY", "TDES_2KEY", f"MAC {VERIFIED}"),
    ("TR31_M7_HMAC_KEY", "HMAC_SHA512", f"MAC {VERIFIED}"),
    (
        "TR31_P0_PIN_ENCRYPTION_KEY",
        "TDES_2KEY",
        "PIN block made by the sender, translated by the receiver",
    ),
    (
        "TR31_P0_PIN_ENCRYPTION_KEY",
        "AES_128",
        "PIN block made by the sender, translated by the receiver",
    ),
    ("TR31_B0_BASE_DERIVATION_KEY", "TDES_2KEY", f"DUKPT MAC {VERIFIED}"),
    ("TR31_B0_BASE_DERIVATION_KEY", "AES_128", f"DUKPT MAC {VERIFIED}"),
    ("TR31_B0_BASE_DERIVATION_KEY", "AES_256", f"DUKPT MAC {VERIFIED}"),
    ("TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY", "TDES_3KEY", f"cryptogram {DECRYPTED}"),
    ("TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY", "AES_256", f"cryptogram {DECRYPTED}"),
    ("TR31_V1_IBM3624_PIN_VERIFICATION_KEY", "TDES_3KEY", f"PIN offset {VERIFIED}"),
    ("TR31_V2_VISA_PIN_VERIFICATION_KEY", "TDES_2KEY", f"PVV {VERIFIED}"),
    ("TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", "TDES_2KEY", f"ARQC {VERIFIED}"),
    ("TR31_E1_EMV_MKEY_CONFIDENTIALITY", "TDES_2KEY", f"script PIN block {DECRYPTED}"),
    ("TR31_E2_EMV_MKEY_INTEGRITY", "TDES_2KEY", f"script MAC {VERIFIED}"),
    ("TR31_E4_EMV_MKEY_DYNAMIC_NUMBERS", "TDES_2KEY", f"CVC3 {VERIFIED}"),
    ("TR31_E6_EMV_MKEY_OTHER", "TDES_2KEY", f"dCVV {VERIFIED}"),
    (
        "TR31_K0_KEY_ENCRYPTION_KEY",
        "TDES_2KEY",
        "key block made by the sender, unwrapped by the receiver",
    ),
    (
        "TR31_K1_KEY_BLOCK_PROTECTION_KEY",
        "AES_256",
        "key block made by the sender, unwrapped by the receiver",
    ),
]
TO_PAYSHIELD = [
    ("TR31_C0_CARD_VERIFICATION_KEY", f"CVV {VERIFIED}"),
    ("TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", f"ARQC {VERIFIED}"),
    ("TR31_E2_EMV_MKEY_INTEGRITY", f"ARQC and script MAC {VERIFIED}"),
    ("TR31_V2_VISA_PIN_VERIFICATION_KEY", f"PVV {VERIFIED}"),
    (
        "TR31_P0_PIN_ENCRYPTION_KEY",
        "PIN block made by the sender, opened by the receiver",
    ),
]


@pytest.fixture
def data_plane(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS conventions say where the data plane is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA", service)


@pytest.fixture
def local(tmp_path: Path) -> Callable[[str, str], dict[str, Any]]:
    """Describe a clear key of a usage and an algorithm."""

    def described(usage: str, algorithm: str) -> dict[str, Any]:
        path = tmp_path / "key"
        path.write_text(KEYS[algorithm] + "\n")
        return {"key_file": str(path), "key_usage": usage, "key_algorithm": algorithm}

    return described


@pytest.mark.parametrize(("usage", "algorithm", "proven"), TO_SERVICE)
def test_to_the_service(
    exchange, aws, data_plane, local, keys, usage: str, algorithm: str, proven: str
) -> None:
    """The service verifies what this machine computed; throw-away keys do not stay."""
    before = keys()
    document = {
        "kdh": {"local": local(usage, algorithm)},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    done = exchange("ecdh", "local", document, "--test-key", "--prove")
    assert done.result["proof_by_use"] == proven
    assert keys().keys() - before.keys() == {done.result["key_arn"]}
    assert KEYS[algorithm] not in done.out + done.err


@pytest.mark.parametrize(("usage", "proven"), TO_PAYSHIELD)
def test_to_a_payshield(exchange, aws, local, simulator: int, usage: str, proven: str) -> None:
    """A payShield verifies what this machine computed."""
    document = {
        "kdh": {"local": local(usage, "TDES_2KEY")},
        "krd": {"payshield": {"port": simulator}},
    }
    options = ("--krd", "payshield", "--test-key", "--prove")
    assert exchange("ecdh", "local", document, *options).result["proof_by_use"] == proven
