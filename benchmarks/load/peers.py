"""The servers a data-plane request is compared with: a plain uvicorn echo, and moto's server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import boto3

from benchmarks.load.replay import NotMeasuredError, Server

MOTO_REQUIREMENTS = Path(__file__).with_name("moto.txt")
MOTO_ENVIRONMENT = Path(__file__).parents[2] / ".venv" / "moto"
_START_S = 60

# As uvicorn is run where speed matters: uvloop, the C parser, no access log.
_ECHO = """
import sys
import uvicorn

async def echo(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ],
    })
    await send({"type": "http.response.body", "body": body})

uvicorn.run(
    echo, port=int(sys.argv[1]), loop="uvloop", http="httptools", lifespan="off",
    log_level="critical", access_log=False,
)
"""


@contextmanager
def running_echo() -> Iterator[Server]:
    """uvicorn, answering with the body it got."""
    with _running((sys.executable, "-c", _ECHO)) as server:
        yield server


@contextmanager
def running_moto() -> Iterator[Server]:
    """
    moto's server.

    Raises:
        NotMeasuredError: it cannot be installed here.
    """
    with _running((str(_moto_python()), "-m", "moto.server", "-H", "127.0.0.1", "-p")) as server:
        yield server


def _moto_python() -> Path:
    """The interpreter of moto's own environment: its server needs what nothing else here needs."""
    python = MOTO_ENVIRONMENT / "bin" / "python"
    stamp = MOTO_ENVIRONMENT / ".installed"
    wanted = MOTO_REQUIREMENTS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = (sys.executable, "-m", "uv")
        try:
            for command in (
                (*uv, "venv", "-q", "--clear", "--python", sys.executable, str(MOTO_ENVIRONMENT)),
                (
                    *(*uv, "pip", "install", "-q", "--python", str(python)),
                    *("--require-hashes", "-r", str(MOTO_REQUIREMENTS)),
                ),
            ):
                subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            told = str(getattr(error, "stderr", None) or error).strip().splitlines()
            raise NotMeasuredError(
                f"moto's server does not install from {MOTO_REQUIREMENTS.name}: {told[-1]}"
            ) from None
        stamp.write_text(wanted)
    return python


def moto_key(server: Server) -> str:
    """Make a key in moto and return its ARN."""
    client = boto3.client(
        "payment-cryptography",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    answer = client.create_key(
        Exportable=True,
        KeyAttributes={
            "KeyAlgorithm": "TDES_2KEY",
            "KeyClass": "SYMMETRIC_KEY",
            "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
            "KeyModesOfUse": {"Generate": True, "Verify": True},
        },
    )
    arn: str = answer["Key"]["KeyArn"]
    return arn


@contextmanager
def _running(command: Sequence[str]) -> Iterator[Server]:
    """A server that takes its port as last argument and is asked until it accepts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, str(port)],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        try:
            until = time.monotonic() + _START_S
            while not _accepts(port):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise RuntimeError(log.read().decode(errors="replace")[-2000:])
                time.sleep(0.05)
            yield Server(url=f"http://127.0.0.1:{port}", pids=(process.pid,))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
