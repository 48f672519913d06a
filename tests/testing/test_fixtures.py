"""The fixtures of the pytest plugin, asked for as an application's tests would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

import boto3
import botocore.exceptions
import pytest

from keyferry.errors import KeyAttributesError, KeyMaterialError
from keyferry.testing import Account, KeyferryServer, KeyLoader, PayShieldSimulator

KEY = "0123456789ABCDEFFEDCBA9876543210"
CVK = {"usage": "TR31_C0_CARD_VERIFICATION_KEY", "algorithm": "TDES_2KEY"}


@pytest.fixture(params=["first", "second"])
def turn(request: pytest.FixtureRequest) -> str:
    """Runs a test twice."""
    name: str = request.param
    return name


def test_each_test_has_an_empty_account(
    turn: str, payment_cryptography: Any, load_key: KeyLoader
) -> None:
    """The second run finds nothing of the first, and the same alias is free."""
    assert payment_cryptography.list_keys()["Keys"] == []
    assert payment_cryptography.list_aliases()["Aliases"] == []
    arn = load_key(KEY, **CVK, alias="alias/taken")
    assert payment_cryptography.get_key(KeyIdentifier="alias/taken")["Key"]["KeyArn"] == arn


def test_accounts_do_not_reach_each_other(
    keyferry_server: KeyferryServer, payment_cryptography: Any, load_key: KeyLoader
) -> None:
    """The ARN of another account's key is refused, not looked up."""
    arn = load_key(KEY, **CVK)
    stranger = keyferry_server.new_account().client()
    with pytest.raises(stranger.exceptions.AccessDeniedException):
        stranger.get_key(KeyIdentifier=arn)
    assert payment_cryptography.get_key(KeyIdentifier=arn)["Key"]["KeyArn"] == arn


def test_both_clients_are_of_one_account(
    keyferry_account: Account, payment_cryptography: Any, payment_cryptography_data: Any
) -> None:
    """Control and data plane sign with the same key, at the same endpoint."""
    for client, service in (
        (payment_cryptography, "payment-cryptography"),
        (payment_cryptography_data, "payment-cryptography-data"),
    ):
        assert client.meta.service_model.service_name == service
        assert client.meta.endpoint_url == keyferry_account.url
        assert client.meta.region_name == "us-east-1"
    key = payment_cryptography.create_key(
        KeyAttributes={
            "KeyUsage": CVK["usage"],
            "KeyClass": "SYMMETRIC_KEY",
            "KeyAlgorithm": "TDES_2KEY",
            "KeyModesOfUse": {"Generate": True, "Verify": True},
        },
        Exportable=False,
    )["Key"]["KeyArn"]
    assert f":{keyferry_account.number}:" in key
    answer = payment_cryptography_data.generate_card_validation_data(
        KeyIdentifier=key,
        PrimaryAccountNumber="4111111111111111",
        GenerationAttributes={"CardVerificationValue2": {"CardExpiryDate": "1228"}},
    )
    assert answer["KeyArn"] == key


def test_regions_are_apart(keyferry_account: Account, keyferry_server: KeyferryServer) -> None:
    """One account, one port, two Regions with keys of their own."""
    east, west = (keyferry_account.client(region=name) for name in keyferry_server.regions)
    arn = KeyLoader(west)(KEY, **CVK)
    assert ":us-west-2:" in arn
    assert east.list_keys()["Keys"] == []


@pytest.mark.parametrize(
    ("usage", "algorithm", "size"),
    [
        ("TR31_B0_BASE_DERIVATION_KEY", "TDES_2KEY", 16),
        ("TR31_P0_PIN_ENCRYPTION_KEY", "TDES_3KEY", 24),
        ("TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY", "AES_128", 16),
        ("TR31_M6_ISO_9797_5_CMAC_KEY", "AES_192", 24),
        ("TR31_K0_KEY_ENCRYPTION_KEY", "AES_256", 32),
        ("TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", "TDES_2KEY", 16),
        ("TR31_V2_VISA_PIN_VERIFICATION_KEY", "TDES_2KEY", 16),
        ("TR31_M7_HMAC_KEY", "HMAC_SHA512", 64),
    ],
)
def test_keys_of_every_strength_are_loaded(
    usage: str, algorithm: str, size: int, load_key: KeyLoader, payment_cryptography: Any
) -> None:
    """What was asked for is what is there."""
    arn = load_key(bytes(range(1, size + 1)), usage=usage, algorithm=algorithm, exportable=False)
    key = payment_cryptography.get_key(KeyIdentifier=arn)["Key"]
    assert key["KeyAttributes"]["KeyUsage"] == usage
    assert key["KeyAttributes"]["KeyAlgorithm"] == algorithm
    assert (key["Exportable"], key["KeyState"]) == (False, "CREATE_COMPLETE")


def test_a_known_key_has_its_known_check_value(
    load_key: KeyLoader, payment_cryptography: Any
) -> None:
    """Modes may be narrowed; the KCV is that of every HSM manual."""
    key = payment_cryptography.get_key(
        KeyIdentifier=load_key(KEY.lower(), **CVK, modes={"Verify"})
    )["Key"]
    assert key["KeyCheckValue"] == "08D7B4"
    modes = key["KeyAttributes"]["KeyModesOfUse"]
    assert [name for name, is_set in modes.items() if is_set] == ["Verify"]


@pytest.mark.parametrize(
    ("changed", "error", "named"),
    [
        ({"usage": "TR31_X9_NOTHING"}, KeyAttributesError, "KeyUsage: 'TR31_X9_NOTHING'"),
        ({"algorithm": "DES"}, KeyAttributesError, "KeyAlgorithm: 'DES'"),
        ({"modes": {"Sing"}}, KeyAttributesError, "KeyModesOfUse: 'Sing'"),
        ({"modes": {"Encrypt"}}, KeyAttributesError, "KeyModesOfUse: Encrypt"),
        ({"usage": "TR31_S0_ASYMMETRIC_KEY_FOR_DIGITAL_SIGNATURE"}, KeyAttributesError, "S0"),
        ({"algorithm": "TDES_3KEY"}, KeyMaterialError, "16 bytes"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    changed: dict[str, Any],
    error: type[Exception],
    named: str,
    load_key: KeyLoader,
    payment_cryptography: Any,
) -> None:
    """Before anything is sent, with the member named and the key not."""
    with pytest.raises(error) as refusal:
        load_key(KEY, **CVK | changed)
    assert named in str(refusal.value)
    assert KEY[:16] not in str(refusal.value)
    assert payment_cryptography.list_keys()["Keys"] == []


def test_the_environment_leads_plain_clients_here(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Whatever the developer's own environment says, and whatever client was made before."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "someone else's")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", object())
    account: Account = request.getfixturevalue("keyferry_environment")
    client = boto3.client("payment-cryptography")
    assert client.meta.region_name == account.region
    assert client.list_keys()["Keys"] == []
    assert boto3.client("payment-cryptography-data").meta.endpoint_url == account.url


def test_clients_read_nothing_of_the_developer(
    monkeypatch: pytest.MonkeyPatch, keyferry_account: Account
) -> None:
    """A profile that is not there and a proxy that is down do not matter."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert keyferry_account.client().list_keys()["Keys"] == []


def test_a_process_of_its_own_finds_the_service(keyferry_account: Account) -> None:
    """The variables alone are enough."""
    program = (
        "import boto3, json; "
        "print(json.dumps(boto3.client('payment-cryptography').list_keys()['Keys']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"]} | keyferry_account.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_secret_does_not_show(keyferry_account: Account) -> None:
    """An account in a failing assertion's message gives its secret away to nobody."""
    assert keyferry_account.secret_access_key not in repr(keyferry_account)


def test_a_wrong_secret_is_refused(keyferry_account: Account) -> None:
    """Signatures are verified here as they are elsewhere."""
    client = keyferry_account.client(aws_secret_access_key="guessed")
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        client.list_keys()
    assert refusal.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_the_service_writes_nowhere(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, payment_cryptography: Any
) -> None:
    """Its events go to the logger `keyferry`, so the output of a test is the application's own."""
    with caplog.at_level("INFO", logger="keyferry"):
        payment_cryptography.list_keys()
        payment_cryptography.list_aliases()
    assert capfd.readouterr() == ("", "")
    events = [record.message for record in caplog.records if record.name == "keyferry"]
    assert any("event=request" in event and "operation=ListKeys" in event for event in events)


def ask(simulator: PayShieldSimulator, message: bytes) -> bytes:
    with socket.create_connection((simulator.host, simulator.port), timeout=10) as connection:
        connection.sendall(len(message).to_bytes(2, "big") + message)
        size = int.from_bytes(connection.recv(2, socket.MSG_WAITALL), "big")
        return connection.recv(size, socket.MSG_WAITALL)


def test_a_simulated_payshield_answers(turn: str, payshield_simulator: PayShieldSimulator) -> None:
    """B2 echoes; every test has a device that has seen nothing before."""
    header = b"HEAD"
    assert ask(payshield_simulator, header + b"B20005HELLO") == header + b"B300HELLO"
    assert payshield_simulator.device.volumes == {"B2": 1}
