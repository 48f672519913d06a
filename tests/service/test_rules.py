"""The rules of the owner: the file that sets them, and the Regions they name."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from keyferry.cli.admin_client import AdminClient
from keyferry.cli.main import run
from keyferry.crypto.tr34 import Layout
from keyferry.errors import ConfigurationError, RemoteRefusedError
from keyferry.service.rules import STRICT, Rules, read_rules


def test_strict_is_what_nobody_sets() -> None:
    """Nothing is an exception, so nothing is logged."""
    assert read_rules("strict") == STRICT == Rules()
    assert STRICT.exceptions() == {}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", STRICT),
        (
            'tr34_layouts = ["aws", "cms"]',
            Rules(tr34_layouts=frozenset({Layout.AWS, Layout.CMS})),
        ),
        (
            "cryptograms_of_key_block_keys = true",
            Rules(cryptograms_of_key_block_keys=True),
        ),
        ("strength_on_tr31_import = false", Rules(strength_on_tr31_import=False)),
        ("re_encrypt_between_stored_keys = true", Rules(re_encrypt_between_stored_keys=True)),
        (
            'replication_regions = ["eu-west-1"]',
            Rules(replication_regions=frozenset({"eu-west-1"})),
        ),
        ("replication_regions = []", Rules(replication_regions=frozenset())),
        ("tr34_layouts = []", "tr34_layouts names none"),
        ('tr34_layouts = ["der"]', "'der'"),
        ('replication_regions = ["Europe"]', "'Europe' is not a Region name"),
        ("strength = false", "strength"),
        ('strength_on_tr31_import = "no"', "strength_on_tr31_import"),
        ("strength_on_tr31_import", "rules file"),
    ],
)
def test_rules_file(tmp_path: Path, content: str, expected: Rules | str) -> None:
    """What is left out is strict; unknown rules and values are refused by name."""
    path = tmp_path / "rules.toml"
    path.write_text(content)
    if isinstance(expected, Rules):
        assert read_rules(str(path)) == expected
    else:
        with pytest.raises(ConfigurationError, match=expected):
            read_rules(str(path))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """A missing file and one too large for rules are refused, and the message says which."""
    with pytest.raises(ConfigurationError, match="No such file") as caught:
        read_rules(str(tmp_path / "missing"))
    assert caught.value.hint == "expected strict or a TOML file"
    large = tmp_path / "large.toml"
    large.write_text("#" * (1 << 16) + "\n#")
    with pytest.raises(ConfigurationError, match="larger than 64 KiB"):
        read_rules(str(large))


def test_exceptions_are_named_for_the_log() -> None:
    """Only what differs, in words that can be written down."""
    rules = Rules(
        tr34_layouts=frozenset({Layout.CMS, Layout.AWS}), replication_regions=frozenset({"x-1"})
    )
    assert rules.exceptions() == {"tr34_layouts": ["aws", "cms"], "replication_regions": ["x-1"]}


def test_the_service_keeps_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Served with --rules, ReEncryptData goes from one stored key to another, and no key, old or new,
    goes to another Region; the log says why.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    file, ready = tmp_path / "rules.toml", tmp_path / "ready.json"
    file.write_text("re_encrypt_between_stored_keys = true\nreplication_regions = []")
    command = [sys.executable, "-m", "keyferry", "serve", "--dev", "--port", "0"]
    with subprocess.Popen(
        [*command, "--rules", str(file), "--ready-file", str(ready), "--log-format", "json"],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            lines: list[dict[str, Any]] = []
            for line in process.stderr:
                lines.append(json.loads(line))
                if lines[-1]["event"] == "service_ready":
                    break
            url = json.loads(ready.read_text())["url"]
            answer = _re_encrypt(url)
            client = AdminClient(endpoint_url=url, region="us-east-1")
            with contextlib.closing(client), pytest.raises(RemoteRefusedError) as caught:
                client.call("PlanBackfill", {"To": "us-west-2"})
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
    assert answer["CipherText"]
    assert "us-west-2 is no Region this service replicates keys to" in str(caught.value)
    (told,) = [line for line in lines if line["event"] == "rules_set_otherwise"]
    assert told["re_encrypt_between_stored_keys"] is True
    assert told["replication_regions"] == []
    assert told["level"] == "warning"


def _re_encrypt(url: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "endpoint_url": url,
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    attributes = {
        "KeyUsage": "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY",
        "KeyClass": "SYMMETRIC_KEY",
        "KeyAlgorithm": "AES_128",
        "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
    }
    control = boto3.client("payment-cryptography", **options)
    key = control.create_key(KeyAttributes=attributes, Exportable=False)["Key"]["KeyArn"]
    symmetric = {"Symmetric": {"Mode": "ECB"}}
    answer: dict[str, Any] = boto3.client("payment-cryptography-data", **options).re_encrypt_data(
        IncomingKeyIdentifier=key,
        OutgoingKeyIdentifier=key,
        CipherText="00" * 16,
        IncomingEncryptionAttributes=symmetric,
        OutgoingEncryptionAttributes=symmetric,
    )
    return answer


def test_a_file_that_cannot_be_used_ends_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`keyferry serve --rules` with an unknown rule: exit code 2, and the rules there are."""
    monkeypatch.setattr("keyferry.cli.logs.configure_logs", lambda **_: None)
    file = tmp_path / "rules.toml"
    file.write_text("lenient = true")
    assert run(["serve", "--dev", "--port", "0", "--rules", str(file)]) == 2
    err = capsys.readouterr().err
    assert "lenient" in err
    assert "tr34_layouts" in err
