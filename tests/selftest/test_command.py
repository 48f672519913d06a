"""`keyferry selftest` as its users see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keyferry.selftest import packaged_files

EXCHANGE = ("tr31", "tr34", "kcv", "ecdh-kdf", "rsa-wrap", "as2805")


def keyferry(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "keyferry", "selftest", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with one family of two cases."""
    write(tmp_path)
    return tmp_path


def write(folder: Path, **changes: Any) -> None:
    """Write a kcv file; changes go into its first case."""
    case = {"name": "first", "op": "kcv", "method": "legacy", "algorithm": "DES"}
    case |= {"key": "0123456789ABCDEFFEDCBA9876543210", "kcv": "08D7B4"} | changes
    refusal = case | {"name": "second", "key": "00", "expect": "error"}
    document = {"family": "kcv", "about": "", "ops": {}, "cases": [case, refusal]}
    (folder / "any.json").write_text(json.dumps(document))


def test_the_packaged_families_of_key_exchange_pass() -> None:
    """One line a family, exit code 0."""
    done = keyferry(*(part for family in EXCHANGE for part in ("--family", family)))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(EXCHANGE)
    assert all("0 failed     0 unsupported" in line for line in lines)


def test_a_directory_of_the_same_layout_runs(folder: Path) -> None:
    """In place of the packaged files, and named as one likes."""
    done = keyferry(folder)
    assert (done.returncode, done.stdout.split()) == (
        0,
        ["kcv", "2", "passed", "0", "failed", "0", "unsupported"],
    )


def test_a_failure_is_named_and_exits_1(folder: Path) -> None:
    """By case, op and cause, without the key."""
    write(folder, kcv="000000")
    done = keyferry(folder)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1] == "  failed: first (kcv): kcv differs"
    assert "0123456789ABCDEF" not in done.stdout + done.stderr


def test_an_op_we_do_not_have_exits_1(folder: Path) -> None:
    """Unsupported is not passed."""
    write(folder, op="divine")
    done = keyferry(folder)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1] == "  unsupported: divine, 2 cases"


def test_json_is_one_document(folder: Path) -> None:
    """For machines, with the same exit codes."""
    write(folder, kcv="000000", extra="x")
    done = keyferry(folder, "--output", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "families": [
            {
                "family": "kcv",
                "passed": 1,
                "failed": 1,
                "unsupported": 0,
                "failures": [{"name": "first", "op": "kcv", "detail": "kcv differs"}],
                "unsupported_cases": [],
                "members_not_read": ["extra"],
            }
        ]
    }
    assert "kcv: members not read: extra" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing",), "missing: cannot be read"),
        ((".",), "found no *.json"),
        (("--family", "astrology"), "--family astrology: no such family, expected one of as2805"),
        (("--fmaily", "kcv"), "no such option '--fmaily'"),
    ],
)
def test_what_the_command_line_shows_to_be_wrong_exits_2(
    tmp_path: Path, arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Usage, not failure."""
    monkeypatch.chdir(tmp_path)
    done = keyferry(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.startswith("keyferry: error: ")


def test_a_malformed_file_exits_2(folder: Path) -> None:
    """File, case and member are named, and nothing is reported."""
    write(folder, key="xyz")
    done = keyferry(folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{folder / 'any.json'} cases[0] 'first' member 'key': expected hex" in done.stderr


def test_the_help_states_the_options() -> None:
    """Every option with its default."""
    done = keyferry("--help")
    assert done.returncode == 0
    for words in ("[DIR]", "--family NAME", "[default: every family]", "--output"):
        assert words in done.stdout


def test_every_packaged_case_is_counted() -> None:
    """No case is lost between file and report."""
    done = keyferry("--output", "json")
    reports = json.loads(done.stdout)["families"]
    counted = {
        report["family"]: report["passed"] + report["failed"] + report["unsupported"]
        for report in reports
    }
    assert counted == {d["family"]: len(d["cases"]) for d in packaged_files().values()}
    assert done.returncode == (
        0 if all(r["passed"] == counted[r["family"]] for r in reports) else 1
    )
