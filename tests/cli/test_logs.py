"""Logs: events on standard error that refuse secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import stamina
import structlog
from hypothesis import given
from hypothesis import strategies as st

from keyferry.cli.logs import SecretInLogError, TextRenderer, configure_logs, refuse_secrets
from keyferry.crypto.secret import Secret


@pytest.fixture(autouse=True)
def _reset() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "value",
    [
        b"\x01\x23",
        bytearray(b"\x01"),
        memoryview(b"\x01"),
        Secret(b"\x01\x23"),
        [b"\x01"],
        {"inner": Secret(b"\x01")},
        ("text", (Secret(b"\x01"),)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_bytes_and_secrets_are_refused(value: object) -> None:
    """An event that holds bytes or a Secret fails, naming the member and not the value."""
    with pytest.raises(SecretInLogError, match="'key_made' member 'key'"):
        refuse_secrets(None, "info", {"event": "key_made", "key": value})


def test_other_values_pass() -> None:
    """Text, numbers and lists of them are what events are made of."""
    event = {"event": "key_made", "kcv": "08D7B4", "count": 3, "names": ["a", "b"]}
    assert refuse_secrets(None, "info", event) is event


def test_events_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is for results only."""
    configure_logs()
    structlog.get_logger().info("key_made", kcv="08D7B4")
    out, err = capsys.readouterr()
    assert out == ""
    assert "key_made" in err
    assert "kcv=08D7B4" in err


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """--log-format json writes one object a line."""
    configure_logs(log_format="json")
    structlog.get_logger().warning("key_made", kcv="08D7B4")
    event = json.loads(capsys.readouterr().err)
    assert event["event"] == "key_made"
    assert event["level"] == "warning"


@pytest.mark.parametrize(("verbose", "seen"), [(False, 0), (True, 1)])
def test_debug_events_need_verbose(
    verbose: bool, seen: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """-v lets debug events through."""
    configure_logs(verbose=verbose)
    structlog.get_logger().debug("frame_sent")
    assert capsys.readouterr().err.count("frame_sent") == seen


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_tracebacks_do_not_show_local_variables(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A local variable may be a key, so a logged exception comes without them."""
    configure_logs(log_format=log_format)

    def fail(clear_key: str) -> None:
        raise ValueError(f"of {len(clear_key)} characters")

    try:
        fail("0123456789ABCDEF"[::-1])
    except ValueError:
        structlog.get_logger().exception("failed")
    told = capsys.readouterr().err
    assert "of 16 characters" in told
    assert "FEDCBA9876543210" not in told


_PLAIN_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_COLUMNS = {"timestamp", "level", "event"}  # structlog's own, always text
_NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name not in _COLUMNS)


@given(
    members=st.dictionaries(_NAMES, _PLAIN_VALUES | st.lists(_PLAIN_VALUES, max_size=3)),
    event=st.text(max_size=40),
    level=st.sampled_from(["debug", "info", "warning", "error", "critical"]),
)
def test_text_lines_are_as_the_console_renderer_writes_them(
    members: dict[str, object], event: str, level: str
) -> None:
    """The faster renderer differs from structlog's in nothing but time."""
    line = {"timestamp": "2026-03-01T12:00:00Z", "level": level, "event": event, **members}
    console = structlog.dev.ConsoleRenderer(colors=False)
    assert TextRenderer()(None, level, dict(line)) == console(None, level, dict(line))


def test_an_event_without_time_or_with_a_traceback_is_rendered_too() -> None:
    """What is rare goes to structlog's own renderer."""
    render = TextRenderer()
    assert render(None, "info", {"event": "made", "count": 1}).split() == ["made", "count=1"]
    line = {"timestamp": "2026-03-01T12:00:00Z", "level": "error", "event": "failed"}
    assert render(None, "error", line | {"exception": "Traceback"}).endswith("\nTraceback")


def test_what_is_tried_again_is_told_without_the_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Why and when, in one event of ours; what the call was handed stays out of the log."""
    configure_logs(log_format="json")

    @stamina.retry(on=OSError, attempts=2, wait_initial=0.0, wait_jitter=0.0)
    def call(component: str) -> None:
        raise OSError(f"no way for {len(component)} characters")

    with pytest.raises(OSError, match="no way"):
        call("0123456789ABCDEF")
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["event"] == "trying_again"
    assert told["attempt"] == 2
    assert "no way for 16 characters" in told["after"]
    assert "0123456789ABCDEF" not in line
