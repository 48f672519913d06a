"""The data plane through the AWS CLI: every operation once, and typed refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

CALLS = [
    call
    for call in json.loads((Path(__file__).parent / "calls.json").read_text())["calls"]
    if call.get("cli")
]
MODEL = botocore.session.Session().get_service_model("payment-cryptography-data")


def dashed(name: str) -> str:
    return xform_name(name, "-")


def flags(parameters: dict[str, Any]) -> list[str]:
    """One flag for each member, structures as JSON."""
    given: list[str] = []
    for name, value in parameters.items():
        text = json.dumps(value) if isinstance(value, dict) else str(value)
        given += [f"--{dashed(name)}", text]
    return given


def aws(environment: dict[str, str], call: dict[str, Any], values: Any) -> Any:
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("aws")),
            "payment-cryptography-data",
            dashed(call["operation"]),
            *flags(values.resolve(call["with"])),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_operation_is_called() -> None:
    """Once each."""
    names = sorted(call["operation"] for call in CALLS if "gives" in call)
    assert names == sorted(MODEL.operation_names)


@pytest.mark.parametrize("call", CALLS, ids=[call["name"].replace(" ", "-") for call in CALLS])
def test_call(call: dict[str, Any], client_environment: dict[str, str], values: Any) -> None:
    """One call, with its answer on standard output or its refusal on standard error."""
    done = aws(client_environment, call, values)
    if "gives" in call:
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        expected = values.resolve(call["gives"])
        assert {name: part(answer.get(name), value) for name, value in expected.items()} == expected
        return
    refused = call["refused"]
    assert done.returncode in (254, 255), done.stderr  # of version 2 and of version 1
    assert f"({refused['code']})" in done.stderr
    assert refused.get("text", "") in done.stderr
    assert done.stdout == ""


def part(value: Any, expected: Any) -> Any:
    """Of a structure only the members that are expected."""
    if isinstance(value, dict) and isinstance(expected, dict):
        return {name: value.get(name) for name in expected}
    return value
