"""Clear keys that a service was given, or made, appear nowhere it writes."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
)
from keyferry.service.store.opening import open_store
from keyferry.service.vault.binding import key_binding

REGION = "us-east-1"
ACCOUNT = "111122223333"
SECRET_ACCESS_KEY = "an-access-secret-to-look-for"
MODES = {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True}


class ServeProcess(Protocol):
    process: Any
    url: str
    log: Path

    def end(self) -> int: ...


def attributes(usage: str) -> dict[str, Any]:
    return {
        "KeyUsage": usage,
        "KeyClass": "SYMMETRIC_KEY",
        "KeyAlgorithm": "AES_128",
        "KeyModesOfUse": MODES,
    }


def import_kbpk(client: Any, clear: bytes) -> str:
    """Bring a KBPK in under the service's RSA key; return its ARN."""
    parameters = client.get_parameters_for_import(
        KeyMaterialType="KEY_CRYPTOGRAM", WrappingKeyAlgorithm="RSA_3072"
    )
    certificate = x509.load_pem_x509_certificate(
        base64.b64decode(parameters["WrappingKeyCertificate"])
    )
    public_key = certificate.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    answer = client.import_key(
        KeyMaterial={
            "KeyCryptogram": {
                "KeyAttributes": attributes("TR31_K1_KEY_BLOCK_PROTECTION_KEY"),
                "Exportable": True,
                "WrappedKeyCryptogram": public_key.encrypt(clear, oaep).hex().upper(),
                "ImportToken": parameters["ImportToken"],
                "WrappingSpec": "RSA_OAEP_SHA_256",
            }
        }
    )
    return str(answer["Key"]["KeyArn"])


def forms(secret: bytes) -> list[bytes]:
    """How a secret could be written: bytes, hex, base64 at each of its three alignments."""
    aligned = [base64.b64encode(bytes(shift) + secret)[4:-4] for shift in range(3)]
    text = repr(secret)[2:-1].encode()
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), text, *aligned]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_clear_key_is_written(
    tmp_path: Path, serve: Callable[..., ServeProcess], log_format: str
) -> None:
    """Neither stores, logs, answers to refusals, arguments, environment nor the trail hold one."""
    rng = random.Random(20260304)
    kbpk, pin_key = rng.randbytes(16), rng.randbytes(16)
    credentials = tmp_path / "credentials.toml"
    credentials.touch(0o600)
    credentials.write_text(
        f'[[access_key]]\nid = "SEARCHED"\nsecret = "{SECRET_ACCESS_KEY}"\n'
        f'account = "{ACCOUNT}"\nprincipal = "ana"\n'
    )
    data = tmp_path / "data"
    service = serve(
        *("--regions", REGION, "--data-dir", str(data), "--credentials", str(credentials)),
        *("-v", "--log-format", log_format),
    )
    client = boto3.client(
        "payment-cryptography",
        endpoint_url=service.url,
        region_name=REGION,
        aws_access_key_id="SEARCHED",
        aws_secret_access_key=SECRET_ACCESS_KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )
    refusals: list[str] = []
    kbpk_arn = import_kbpk(client, kbpk)
    header = KeyBlockHeader(
        version=BlockVersion.D,
        usage="P0",
        algorithm=Algorithm.AES,
        mode=ModeOfUse.BOTH_DIRECTIONS,
        exportability=Exportability.EXPORTABLE,
    )
    block = KBPK(Cipher.AES, kbpk).wrap(header, pin_key)
    wrapped = {"WrappingKeyIdentifier": kbpk_arn, "WrappedKeyBlock": block}
    imported = client.import_key(KeyMaterial={"Tr31KeyBlock": wrapped})["Key"]["KeyArn"]
    created = [
        client.create_key(KeyAttributes=attributes(usage), Exportable=True)["Key"]["KeyArn"]
        for usage in ("TR31_P0_PIN_ENCRYPTION_KEY", "TR31_K1_KEY_BLOCK_PROTECTION_KEY")
    ]
    exported = client.export_key(
        ExportKeyIdentifier=imported,
        KeyMaterial={"Tr31KeyBlock": {"WrappingKeyIdentifier": created[1]}},
    )
    broken = wrapped | {"WrappedKeyBlock": block[:-1] + ("0" if block[-1] != "0" else "1")}
    short = wrapped | {"WrappedKeyBlock": block[:64]}
    for material in (broken, short):
        with pytest.raises(ClientError) as refused:
            client.import_key(KeyMaterial={"Tr31KeyBlock": material})
        refusals.append(str(refused.value))
    client.delete_key(KeyIdentifier=created[0], DeleteKeyInDays=3)
    pid = service.process.pid
    outside = [Path(f"/proc/{pid}/{name}") for name in ("cmdline", "environ")]
    shown = [path.read_bytes() for path in outside if path.exists()]
    # What lies in the files while the service runs, and after it ended.
    running = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert service.end() == 0
    master_key = data / f"master-{REGION}.key"
    stores = [path for path in data.rglob("*") if path.is_file() and path != master_key]
    assert stores
    database = next(path for path in stores if path.suffix == ".sqlite3")
    with open_store(
        f"sqlite:///{database}", region=REGION, master_key=f"file:{master_key}"
    ) as store:
        materials = [
            store.vault.open(record.sealed, binding=key_binding(REGION, record))
            for _, record in store.keys(ACCOUNT, limit=100)
            if record.sealed is not None
        ]
        trail = [json.loads(record.body) for _, record in store.audit_events(ACCOUNT, limit=100)]
        assert [event["eventName"] for event in trail].count("ImportKey") == 4
        store_key = store.vault._store_key._key
    assert kbpk in materials
    assert pin_key in materials
    assert len(materials) == 4
    places = {
        "files while running": running,
        "files afterwards": b"".join(path.read_bytes() for path in stores),
        "log": service.log.read_bytes(),
        "refusals": "".join(refusals).encode(),
        "process": b"".join(shown),
        "answer": json.dumps(exported, default=str).encode(),
    }
    assert b"CreateKey" in places["log"]
    secrets = [*materials, store_key, base64.b64decode(master_key.read_bytes())]
    for name, content in places.items():
        for secret in secrets:
            for form in forms(secret):
                if name == "files while running" and form in master_key.read_bytes():
                    continue
                assert form not in content, name
        # The wrapped key is no secret, but a log is no place for it.
        if name in ("log", "refusals", "files afterwards"):
            assert block[16:].encode() not in content, name
        assert SECRET_ACCESS_KEY.encode() not in content, name
