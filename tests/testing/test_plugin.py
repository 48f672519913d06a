"""The plugin in test runs of its own: what pytest sees, and what it costs who does not use it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import keyferry

SOURCE = Path(keyferry.__file__).parent
SETTINGS = """
[pytest]
asyncio_default_fixture_loop_scope = function
filterwarnings = error
addopts = -p no:cacheprovider
"""


def python(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def outcome(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The counts in pytest's last line."""
    counts = re.findall(r"(\d+) (passed|failed|error|skipped|warning)", done.stdout)
    return {name: int(count) for count, name in counts}


PROJECT = {
    "pytest.ini": SETTINGS + "keyferry_regions = eu-central-1 eu-west-1\n",
    "test_one.py": """
import pytest

@pytest.mark.parametrize("turn", range(4))
def test_keys(turn, payment_cryptography, keyferry_server, load_key, capfd):
    assert payment_cryptography.meta.region_name == "eu-central-1"
    assert keyferry_server.regions == ("eu-central-1", "eu-west-1")
    assert not payment_cryptography.list_keys()["Keys"]
    load_key("0123456789ABCDEFFEDCBA9876543210", usage="TR31_C0_CARD_VERIFICATION_KEY",
             algorithm="TDES_2KEY", alias="alias/same")
    assert capfd.readouterr() == ("", "")
""",
    "test_two.py": """
import threading

def test_simulator(payshield_simulator):
    assert payshield_simulator.port

def test_nothing_is_left_of_it():
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("keyferry") == 1
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An application's folder with tests."""
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one", "two"])
def test_a_project_of_its_own(project: Path, workers: tuple[str, ...]) -> None:
    """Warnings are errors, output is checked, and workers of a parallel run do not meet."""
    files = ["test_one.py"] if workers else []
    done = python("-m", "pytest", "-q", *workers, *files, folder=project)
    assert done.returncode == 0, done.stdout
    assert outcome(done) == {"passed": 4 if workers else 6}


def test_regions_that_are_none_are_an_error_in_words(tmp_path: Path) -> None:
    """The ini file's mistake is told as the program tells it."""
    (tmp_path / "pytest.ini").write_text(SETTINGS + "keyferry_regions = mars\n")
    (tmp_path / "test_it.py").write_text("def test_it(keyferry_server): pass\n")
    done = python("-m", "pytest", "-q", folder=tmp_path)
    assert done.returncode == 1
    assert "ConfigurationError: --regions: 'mars' is not a Region name" in done.stdout


def test_the_fixtures_are_listed_with_what_they_are(tmp_path: Path) -> None:
    """`pytest --fixtures` is where their users look."""
    done = python("-m", "pytest", "--fixtures", "-c", "/dev/null", folder=tmp_path)
    for name in (
        "keyferry_server",
        "keyferry_account",
        "keyferry_environment",
        "payment_cryptography",
        "payment_cryptography_data",
        "load_key",
        "payshield_simulator",
    ):
        assert re.search(rf"^{name}\b.*\n    \S", done.stdout, re.MULTILINE), name


def test_loading_the_plugin_costs_others_nothing(tmp_path: Path) -> None:
    """pytest loads it in every run of the environment; what is heavy waits for a fixture."""
    heavy = ["boto3", "botocore", "uvicorn", "cryptography", "msgspec", "structlog"]
    program = (
        "import sys, pytest; before = set(sys.modules); import keyferry.testing.plugin; "
        f"print(sorted((set(sys.modules) - before) & set({heavy!r})))"
    )
    done = python("-c", program, folder=tmp_path)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_without_pytest_the_error_says_so(tmp_path: Path) -> None:
    """Nobody should have to guess why an import of ours fails."""
    program = """
import importlib.util, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "pytest" else found(name, *more)
sys.modules["pytest"] = None
import keyferry.crypto, keyferry.cli
try:
    import keyferry.testing
except ImportError as error:
    print(error)
"""
    done = python("-c", program, folder=tmp_path)
    assert done.stdout == (
        "keyferry.testing is a plugin of pytest, which is not installed: pip install pytest\n"
    ), done.stderr


def imported(path: Path) -> set[str]:
    """The top-level names a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_only_the_plugin_imports_pytest() -> None:
    """The program itself runs where pytest is not installed."""
    users = {
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if "pytest" in imported(path)
    }
    assert users == {"testing/plugin.py"}
