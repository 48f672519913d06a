"""`keyferry doctor` and `keyferry explain`: words, documents, exit codes, no secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

CORPUS = Path(__file__).parent.parent / "exchange" / "doctor" / "corpus"


def _file(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CORPUS / f"{name}.json").read_text())
    return document


def _case(name: str, title: str) -> dict[str, Any]:
    case: dict[str, Any] = next(c for c in _file(name)["cases"] if c["name"] == title)
    return case


def test_a_good_block_is_told_with_what_could_not_be_checked(cli) -> None:
    """Exit 0, and the checks that lack an input are named."""
    done = cli(
        "doctor", "-", stdin=_case("key_blocks", "untouched, nothing at hand")["text"].encode()
    )
    assert done.code == 0
    assert "MAC: needs the KBPK (--kbpk-file)" in done.out
    assert "nothing wrong in what could be checked" in done.out


def test_a_broken_block_ends_in_exit_code_1(cli, tmp_path: Path) -> None:
    """The failed check, the problem, the cause and the fix, each on its line."""
    block = tmp_path / "block"
    block.write_text(_case("key_blocks", "the last ten characters lost")["text"])
    done = cli("doctor", str(block))
    assert done.code == 1
    for line in ("Failed", "Problem", "Cause", "Fix"):
        assert f"\n{line}" in done.out
    assert "(block-cut)" in done.out


def test_the_kbpk_comes_from_a_file_and_is_not_told(cli, tmp_path: Path) -> None:
    """With the KBPK the MAC and the check value are proven; the KBPK is nowhere in the output."""
    case = _case("key_blocks", "untouched, with all at hand")
    kbpk = tmp_path / "kbpk"
    kbpk.write_text(case["at_hand"]["kbpk"])
    block = tmp_path / "block"
    block.write_text(case["text"])
    options = ("--kbpk-file", str(kbpk), "--kcv", "08D7B4", "--output", "json")
    done = cli("doctor", str(block), *options)
    assert done.code == 0
    told = json.loads(done.out)
    assert {"MAC", "check value"} <= set(told["passed"])
    assert told["failed"] is None
    assert case["at_hand"]["kbpk"].upper() not in (done.out + done.err).upper()


def test_a_token_with_everything_at_hand(cli, tmp_path: Path) -> None:
    """Certificates, CA, key and nonce by option; the document names the cause."""
    document = _file("tokens")
    for name, pem in document["certificates"].items():
        (tmp_path / f"{name}.pem").write_text(pem)
    (tmp_path / "key.pem").write_text(document["private_keys"]["krd"])
    (tmp_path / "token").write_text(_case("tokens", "an older nonce")["text"])
    done = cli(
        "doctor",
        str(tmp_path / "token"),
        *("--kdh-certificate", str(tmp_path / "kdh.pem")),
        *("--krd-certificate", str(tmp_path / "krd.pem")),
        *("--krd-key-file", str(tmp_path / "key.pem"), "--ca", str(tmp_path / "ca_kdh.pem")),
        *("--nonce", "FEDCBA9876543210", "--now", "2026-06-01T00:00:00Z", "--output", "json"),
    )
    assert done.code == 1
    told = json.loads(done.out)
    assert told["failed"]["cause"] == "token-nonce"
    assert "signature" in told["passed"]


def test_a_frame_in_binary(cli) -> None:
    """An answer straight off the wire is read from standard input."""
    done = cli("doctor", "-", stdin=bytes.fromhex("0008") + b"0000A926")
    assert done.code == 1
    assert "A8 export key: invalid key scheme" in done.out


def test_a_configuration_by_its_suffix(cli, tmp_path: Path) -> None:
    """A TOML configuration is read as one."""
    file = tmp_path / "input_config.toml"
    file.write_text('[kdh.payshield]\nhots = "x"\n[krd.apc]\n')
    done = cli("doctor", str(file))
    assert done.code == 1
    assert "the nearest is kdh.payshield.host" in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor",),
        ("doctor", "/no/such/file"),
        ("doctor", "-", "--kbpk-file", "-"),
        ("doctor", "-", "--nonce", "xyz"),
        ("doctor", "-", "--now", "yesterday"),
        ("explain",),
        ("explain", "payshield"),
        ("explain", "payshield", "ZZ"),
        ("explain", "NoSuchException"),
    ],
)
def test_usage_errors(cli, arguments: tuple[str, ...]) -> None:
    """What cannot be asked ends in exit code 2, with nothing on standard output."""
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "keyferry: error:" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("payshield", "26"), "invalid key scheme"),
        (("payshield", "A4"), "key block authentication failure"),
        (("atalla", "0607"), "option E2"),
        (("futurex", "34"), "invalid token"),
        (("ValidationException",), "keyferry doctor"),
        (("apc", "ThrottlingException"), "too many calls"),
    ],
)
def test_explain(cli, arguments: tuple[str, ...], words: str) -> None:
    """A code of each system, and an exception alone."""
    done = cli("explain", *arguments)
    assert done.code == 0
    assert words in done.out
    told = json.loads(cli("explain", *arguments, "--output", "json").out)
    assert set(told) == {"system", "code", "meaning", "likely", "fix", "evidence"}
