"""`keyferry key`: blocks and tokens at the desk."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from keyferry.crypto.certificates import CertificateUsage, create_root, encode_pem, issue_leaf

# TR-31:2018: KBPK and key of the printed examples of versions D and A.
KBPK_D = "F45185EADC5B799819DC8F4C3B58EC73"
KEY_D = "3F419E1CB7079442AA37474C2EFBF8B8"
BLOCK_D = (
    "D0112P0TE00E000013B674A99811C18AB8BCFB26D347F8449E68FC074858D85DC452E43910CDC2A5"
    "E9BFE75DC94415EC0A82072217D04E35"
)
KBPK_TDES = "89E88CF7931444F334BD7547FC3F380C"
KEY_TDES = "F039121BEC83D26B169BDCD5B22AAF8F"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a file and return its path."""

    def make(name: str, content: str) -> str:
        path = tmp_path / name
        path.write_text(content)
        return str(path)

    return make


def test_show_needs_no_key(cli) -> None:
    """The header of a block is shown with the names of its codes."""
    done = cli("key", "show", "--output", "json", stdin=BLOCK_D.encode() + b"\n")
    assert done.code == 0
    shown = json.loads(done.out)
    assert shown["version"] == "D"
    assert shown["key_usage_name"] == "TR31_P0_PIN_ENCRYPTION_KEY"
    assert shown["algorithm_name"] == "TDES"
    assert shown["mode_of_use"] == "E"
    assert shown["exportability"] == "E"


def test_show_reads_the_forms_of_a_payshield(cli) -> None:
    """An R before a TR-31 block is dropped; an S block shows its LMK identifier."""
    assert cli("key", "show", stdin=b"R" + BLOCK_D.encode()).code == 0
    block = b"S00072K0TB00E0001FB8A4952BFE42179AB8D79A81943DF1FAD67CF015117EE8528E79900"
    done = cli("key", "show", stdin=block)
    assert done.code == 0
    assert "lmk identifier" in done.out
    assert "01" in done.out


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (BLOCK_D[:-1], "key block length at offset 1: expected 111"),
        ("X" + BLOCK_D[1:], "version"),
        ("", "header"),
        ("\xff\xfe", "neither a key block nor a TR-34 token"),
    ],
)
def test_show_refuses_what_is_no_block(cli, block: str, said: str) -> None:
    """What is wrong is told with field and offset."""
    done = cli("key", "show", stdin=block.encode("latin-1"))
    assert done.code in (1, 2)
    assert said in done.err
    assert done.out == ""


def test_unwrap_opens_the_printed_example(cli, write) -> None:
    """The standard's own block opens, and its key is shown only when asked for."""
    kbpk = write("kbpk", KBPK_D)
    done = cli("key", "unwrap", "--kbpk", kbpk, "--output", "json", stdin=BLOCK_D.encode())
    assert done.code == 0
    assert "key" not in json.loads(done.out)
    assert KEY_D not in done.out + done.err
    done = cli(
        *("key", "unwrap", "--kbpk", kbpk, "--reveal", "--output", "json"), stdin=BLOCK_D.encode()
    )
    assert json.loads(done.out)["key"] == KEY_D


def test_wrong_kbpk_is_refused(cli, write) -> None:
    """Another KBPK fails the MAC: exit code 1, and a hint."""
    kbpk = write("kbpk", KBPK_D[::-1])
    done = cli("key", "unwrap", "--kbpk", kbpk, stdin=BLOCK_D.encode())
    assert done.code == 1
    assert "key block authentication failed" in done.err


@pytest.mark.parametrize("version", ["B", "D", "E"])
def test_wrap_and_unwrap(cli, write, version: str) -> None:
    """What wrap makes, unwrap opens, with the same check value."""
    kbpk = write("kbpk", KBPK_TDES if version == "B" else KBPK_D)
    key = write("key", KEY_TDES + "\n")
    wrapped = cli(
        *("key", "wrap", "--kbpk", kbpk, "--key", key, "--block-version", version),
        *("--usage", "P0", "--algorithm", "T", "--mode", "B", "--exportability", "E"),
    )
    assert wrapped.code == 0
    assert wrapped.out.startswith(version)
    opened = cli(
        *("key", "unwrap", "--kbpk", kbpk, "--reveal", "--output", "json"),
        stdin=wrapped.out.encode(),
    )
    document = json.loads(opened.out)
    assert (document["key"], document["check_value"]) == (KEY_TDES, "CB9DEA")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--algorithm", "A", "--block-version", "B"), 1, "at least as strong"),
        (("--algorithm", "T", "--block-version", "A"), 1, "legacy"),
        (("--algorithm", "T", "--block-version", "B", "--mode", "?"), 2, "--mode"),
        (("--algorithm", "T", "--block-version", "B", "--optional-block", "HM"), 2, "ID=DATA"),
    ],
)
def test_wrap_refuses(cli, write, arguments: tuple[str, ...], code: int, said: str) -> None:
    """Weak wrapping keys, legacy versions and malformed options are refused in words."""
    kbpk, key = write("kbpk", KBPK_TDES), write("key", KEY_TDES)
    options = ("--mode", "B", *arguments) if "--mode" not in arguments else arguments
    done = cli("key", "wrap", "--kbpk", kbpk, "--key", key, "--usage", "P0", *options)
    assert done.code == code
    assert said in done.err.lower() or said in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("algorithm", "key", "expected"),
    [
        ("TDES", "0123456789ABCDEFFEDCBA9876543210", "08D7B4"),
        ("TDES", "11111111111111112222222222222222", "D2B91C"),
    ],
)
def test_kcv(cli, algorithm: str, key: str, expected: str) -> None:
    """Published check values come out."""
    arguments = ("key", "kcv", "--algorithm", algorithm, "--key", "-", "--output", "json")
    done = cli(*arguments, stdin=key.encode())
    assert done.code == 0
    assert json.loads(done.out)["check_value"] == expected


def test_kcv_of_components(cli, write) -> None:
    """Components are XORed, and each has its own check value."""
    done = cli(
        *("key", "kcv", "--algorithm", "TDES", "--output", "json"),
        *("--component", write("one", "0123456789ABCDEF" * 2)),
        *("--component", write("two", "0000000000000000FFFFFFFFFFFFFFFF")),
    )
    shown = json.loads(done.out)
    assert shown["check_value"] == "08D7B4"
    assert len(shown["component_1"]) == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--key", "0123456789ABCDEFFEDCBA9876543210"), "expected the name of a file"),
        (("--key", "/nonexistent/key"), "no such file"),
        ((), "no terminal to ask on"),
        (("--key", "-", "--component", "-"), "exclude each other"),
        (("--component", "-", "--component", "-"), "only once"),
    ],
)
def test_keys_are_not_arguments(cli, arguments: tuple[str, ...], said: str) -> None:
    """A key on the command line is refused without repeating it; so is a missing source."""
    done = cli("key", "kcv", "--algorithm", "TDES", *arguments)
    assert done.code == 2
    assert said in done.err
    assert "0123456789ABCDEF" not in done.err


def test_a_key_can_be_typed_hidden(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a source the key is asked for on the terminal, without echo."""
    asked = []
    monkeypatch.setattr("keyferry.cli.prompts._is_terminal", lambda: True)
    monkeypatch.setattr(
        "getpass.getpass",
        lambda prompt, stream: (asked.append((prompt, stream is sys.stderr)), "11" * 8 + "22" * 8)[
            1
        ],
    )
    done = cli("key", "kcv", "--algorithm", "TDES", "--output", "json")
    assert json.loads(done.out)["check_value"] == "D2B91C"
    assert asked == [("key (hex): ", True)]


@pytest.fixture(scope="session")
def token_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys of a sender and a receiver, in files."""
    folder = tmp_path_factory.mktemp("tr34")
    now = datetime.now(UTC)
    times = {"not_before": now - timedelta(hours=1), "not_after": now + timedelta(days=1)}
    root_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root = create_root(root_key, common_name="Test CA", **times)
    (folder / "ca.pem").write_bytes(encode_pem(root))
    for name, usage in (
        ("kdh", CertificateUsage.DIGITAL_SIGNATURE),
        ("krd", CertificateUsage.KEY_ENCIPHERMENT),
    ):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        leaf = issue_leaf(
            key.public_key(), subject=name, issuer=root, issuer_key=root_key, usage=usage, **times
        )
        (folder / f"{name}.pem").write_bytes(encode_pem(leaf))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    return folder


@pytest.mark.parametrize("layout", ["aws", "cms"])
@pytest.mark.parametrize("nonce", [("--nonce", "0123456789ABCDEF"), ()])
def test_tokens(cli, write, token_files: Path, layout: str, nonce: tuple[str, ...]) -> None:
    """A token is made, shown and opened; the receiver's nonce decides between two forms."""
    parties = (
        *("--kdh-certificate", str(token_files / "kdh.pem")),
        *("--krd-certificate", str(token_files / "krd.pem")),
    )
    made = cli(
        *("key", "wrap", "--format", "tr34", "--layout", layout, "--key", write("key", KEY_TDES)),
        *("--usage", "K1", "--algorithm", "T", "--mode", "B", "--exportability", "E"),
        *("--kdh-key", str(token_files / "kdh.key"), *parties, *nonce),
    )
    assert made.code == 0, made.err
    seen = cli("key", "show", "--output", "json", stdin=made.out.encode())
    assert seen.code == 0, seen.err
    shown = json.loads(seen.out)
    assert shown["layout"] == layout
    assert shown["nonce"] == (nonce[1] if nonce else "none (one-pass)")
    assert shown["signer"].startswith("CN=Test CA, serial ")
    opened = cli(
        *("key", "unwrap", "--krd-key", str(token_files / "krd.key"), *parties, *nonce),
        *("--kdh-ca", str(token_files / "ca.pem"), "--reveal", "--output", "json"),
        stdin=bytes.fromhex(made.out),
    )
    document = json.loads(opened.out)
    assert (document["key"], document["check_value"]) == (KEY_TDES, "CB9DEA")


def test_a_token_for_another_nonce_is_refused(cli, write, token_files: Path) -> None:
    """The nonce agreed on must be in the token."""
    parties = (
        *("--kdh-certificate", str(token_files / "kdh.pem")),
        *("--krd-certificate", str(token_files / "krd.pem")),
    )
    made = cli(
        *("key", "wrap", "--format", "tr34", "--key", write("key", KEY_TDES), "--nonce", "AB" * 8),
        *("--usage", "K1", "--algorithm", "T", "--mode", "B"),
        *("--kdh-key", str(token_files / "kdh.key"), *parties),
    )
    opened = cli(
        *("key", "unwrap", "--krd-key", str(token_files / "krd.key"), *parties),
        *("--nonce", "CD" * 8),
        stdin=made.out.encode(),
    )
    assert opened.code == 1
    assert "nonce" in opened.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--output", "json", "key", "kcv"),
        ("key", "kcv", "--output", "json"),
        ("--output", "table", "key", "kcv", "--output", "json"),
    ],
)
def test_global_options_before_the_command(cli, arguments: tuple[str, ...]) -> None:
    """They count before and behind the command; behind it they win."""
    done = cli(*arguments, "--algorithm", "TDES", "--key", "-", stdin=KEY_TDES.encode())
    assert json.loads(done.out)["check_value"] == "CB9DEA"
