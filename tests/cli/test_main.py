"""The root of the command line: versions, overviews, exit codes, errors in words."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from keyferry import __version__
from keyferry.cli import main as cli_main
from keyferry.cli.catalogue import COMMANDS, EXCHANGE_COMMANDS, KEY_COMMANDS, overview
from keyferry.cli.errors import EXIT_CODES, exit_code, report
from keyferry.errors import (
    CheckValueMismatchError,
    ConfigurationError,
    KeyferryError,
    MalformedVectorError,
)


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


_WITHOUT_CLICK = (
    "import sys; sys.argv[0] = 'keyferry'; from keyferry.__main__ import main; code = main();"
    "assert not {'click', 'cryptography', 'msgspec'} & set(sys.modules); sys.exit(code)"
)


def test_version_is_answered_without_importing_click() -> None:
    """`--version` costs no more than Python itself."""
    done = _python(_WITHOUT_CLICK, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"keyferry {__version__}\n", "")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_overview_is_answered_without_importing_click(option: str) -> None:
    """`--help` lists every command with its summary before click is there."""
    done = _python(_WITHOUT_CLICK, option)
    assert done.returncode == 0
    assert done.stdout == overview()
    for name, (_, summary) in COMMANDS.items():
        assert f"{name:<10}{summary}" in done.stdout


def test_no_command_is_a_usage_error() -> None:
    """Without a command the overview goes to standard error and the exit code is 2."""
    done = _python(_WITHOUT_CLICK)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", overview())


def test_the_installed_module_runs() -> None:
    """`python -m keyferry` is the command."""
    done = subprocess.run(
        [sys.executable, "-m", "keyferry", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"keyferry {__version__}\n"


def test_help_behind_an_option_is_the_same_text(capsys: pytest.CaptureFixture[str]) -> None:
    """`keyferry -v --help` goes through click and says the same."""
    assert cli_main.run(["-v", "--help"]) == 0
    assert capsys.readouterr().out == overview()


def _commands() -> list[tuple[str, ...]]:
    return [
        *((name,) for name in COMMANDS),
        *(("key", name) for name in KEY_COMMANDS),
        *(("exchange", name) for name in EXCHANGE_COMMANDS),
    ]


@pytest.mark.parametrize("path", _commands(), ids=" ".join)
def test_every_command_of_the_catalogue_exists(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The catalogue names commands that are there, and each explains itself."""
    assert cli_main.run([*path, "--help"]) == 0
    assert f"Usage: keyferry {' '.join(path)}" in capsys.readouterr().out


def _leaves(command: click.Command, path: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = []
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        found += _leaves(inner, (*path, name))
    return found


def test_every_leaf_has_the_global_options(capsys: pytest.CaptureFixture[str]) -> None:
    """--output, --verbose and --log-format are on every command, with their defaults."""
    leaves = _leaves(cli_main.cli, ())
    assert ("exchange", "tr34") in leaves
    for path in leaves:
        assert cli_main.run([*path, "--help"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        for option, default in (("--output", "table"), ("--log-format", "text")):
            assert option in text, path
            assert f"[default: {default}]" in text, path
        assert "-v, --verbose" in text, path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "no such command 'nonsense'"),
        (["exchange", "tr34"], "missing option '--kdh'"),
        (["key", "kcv", "--algorithm", "RSA"], "invalid value for '--algorithm'"),
    ],
)
def test_usage_errors_exit_with_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What click refuses is told in our form, with the command to ask for help."""
    assert cli_main.run(arguments) == 2
    told = capsys.readouterr().err
    assert f"keyferry: error: {said}" in told
    assert "keyferry: hint: see keyferry" in told


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (MalformedVectorError("x"), 2),
        (CheckValueMismatchError("x"), 1),
        (KeyferryError("x"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (ValueError("secret"), 1),
    ],
)
def test_exit_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each cause has the exit code of the contract."""
    assert report(error, []) == code
    assert "Traceback" not in capsys.readouterr().err


def test_every_cause_has_an_exit_code() -> None:
    """The table covers the whole tree, and names nothing outside it."""

    def tree(cause: type[KeyferryError]) -> list[type[KeyferryError]]:
        return [cause, *(inner for child in cause.__subclasses__() for inner in tree(child))]

    for cause in tree(KeyferryError):
        assert exit_code(cause.__new__(cause)) in (1, 2)
    assert set(EXIT_CODES) <= set(tree(KeyferryError))


def test_words_of_an_unexpected_error_are_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception nobody foresaw may quote what it worked on, so only its class is shown."""
    assert report(ValueError("0123456789ABCDEF"), ["key"]) == 1
    told = capsys.readouterr().err
    assert "0123456789ABCDEF" not in told
    assert "internal error: ValueError" in told
    assert "run again with -v" in told


def test_verbose_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """With -v the traceback is there, and the error line after it."""
    error = ConfigurationError("the port is missing", hint="set it")
    assert report(error, ["-v"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("keyferry.errors.ConfigurationError")
    assert told.endswith("keyferry: error: the port is missing\nkeyferry: hint: set it\n")
