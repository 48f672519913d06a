"""The AWS CLI takes a key through its whole life with only the endpoint changed."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
KCV = "08D7B4"  # TDES-ECB of zeros under KEY; the value most HSM manuals print
BOTH_WAYS = "KeyModesOfUse={Encrypt=true,Decrypt=true,Wrap=true,Unwrap=true}"


def run_aws(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("aws")), "payment-cryptography", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def aws(environment: dict[str, str], *arguments: str) -> dict:
    done = run_aws(environment, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else {}


def attributes(usage: str, algorithm: str) -> str:
    return f"KeyUsage={usage},KeyClass=SYMMETRIC_KEY,KeyAlgorithm={algorithm},{BOTH_WAYS}"


def test_the_aws_cli_takes_a_key_through_its_life(client_environment: dict[str, str]) -> None:
    """Create, import, export, alias, tag, delete and restore answer as the API describes."""
    env = client_environment
    kek = aws(
        env,
        "create-key",
        "--exportable",
        "--key-attributes",
        attributes("TR31_K1_KEY_BLOCK_PROTECTION_KEY", "AES_256"),
        "--tags",
        "Key=owner,Value=payments",
    )["Key"]
    assert kek["KeyState"] == "CREATE_COMPLETE"

    parameters = aws(
        env,
        "get-parameters-for-import",
        "--key-material-type",
        "KEY_CRYPTOGRAM",
        "--wrapping-key-algorithm",
        "RSA_2048",
    )
    certificate = x509.load_pem_x509_certificate(
        base64.b64decode(parameters["WrappingKeyCertificate"])
    )
    public_key = certificate.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    material = {
        "KeyCryptogram": {
            "KeyAttributes": {
                "KeyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
                "KeyClass": "SYMMETRIC_KEY",
                "KeyAlgorithm": "TDES_2KEY",
                "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
            },
            "Exportable": True,
            "WrappedKeyCryptogram": public_key.encrypt(KEY, oaep).hex().upper(),
            "ImportToken": parameters["ImportToken"],
        }
    }
    imported = aws(env, "import-key", "--key-material", json.dumps(material))["Key"]
    assert imported["KeyCheckValue"] == KCV
    assert imported["KeyOrigin"] == "EXTERNAL"

    exported = aws(
        env,
        "export-key",
        "--export-key-identifier",
        imported["KeyArn"],
        "--key-material",
        json.dumps({"Tr31KeyBlock": {"WrappingKeyIdentifier": kek["KeyArn"]}}),
    )["WrappedKey"]
    assert exported["KeyCheckValue"] == KCV
    assert exported["KeyMaterial"].startswith("D0112P0TB00S")

    aws(env, "create-alias", "--alias-name", "alias/cli", "--key-arn", imported["KeyArn"])
    assert aws(env, "get-key", "--key-identifier", "alias/cli")["Key"] == imported
    aws(env, "tag-resource", "--resource-arn", kek["KeyArn"], "--tags", "Key=stage,Value=test")
    tags = aws(env, "list-tags-for-resource", "--resource-arn", kek["KeyArn"])["Tags"]
    assert tags == [{"Key": "owner", "Value": "payments"}, {"Key": "stage", "Value": "test"}]

    pending = aws(env, "delete-key", "--key-identifier", kek["KeyArn"])["Key"]
    assert pending["KeyState"] == "DELETE_PENDING"
    again = run_aws(env, "delete-key", "--key-identifier", kek["KeyArn"])
    assert again.returncode != 0
    assert "ValidationException" in again.stderr
    assert "not in CREATE_COMPLETE state." in again.stderr
    restored = aws(env, "restore-key", "--key-identifier", kek["KeyArn"])["Key"]
    assert (restored["KeyState"], restored["Enabled"]) == ("CREATE_COMPLETE", False)


def test_a_region_is_chosen_by_the_signature_alone(client_environment: dict[str, str]) -> None:
    """A key made in one Region is not found in the other on the same port."""
    key = aws(
        client_environment,
        "create-key",
        "--no-exportable",
        "--key-attributes",
        attributes("TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY", "AES_128"),
        "--region",
        "us-west-2",
    )["Key"]
    assert ":us-west-2:" in key["KeyArn"]
    listed = aws(client_environment, "list-keys", "--region", "us-east-1")["Keys"]
    assert key["KeyArn"] not in [entry["KeyArn"] for entry in listed]
