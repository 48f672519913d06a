"""Codes in words: every public code has a meaning, a cause and a remedy."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.errors import (
    ApprovalTimeoutError,
    ConfigurationError,
    EndpointUnreachableError,
    ExchangeError,
    HSMConnectionError,
    HSMFrameError,
    HSMRefusedError,
    HSMTimeoutError,
    ProofError,
    RemoteRefusedError,
    UnknownOutcomeError,
)
from keyferry.exchange.carried import Carried
from keyferry.exchange.doctor import explain, explain_failure
from keyferry.exchange.doctor.explanations import atalla, aws, futurex, payshield
from keyferry.hsm.atalla import refusals as atalla_refusals
from keyferry.hsm.futurex import refusals as futurex_refusals
from keyferry.hsm.host_connection import NotSentError, OutOfStepError, TLSRefusedError
from keyferry.hsm.payshield import refusals as payshield_refusals

CODES = [
    *(("payshield", code) for code in payshield_refusals.MEANINGS),
    *(("futurex", code) for code in (*futurex_refusals.MEANINGS, *futurex.STATUS_MEANINGS)),
    *(("atalla", code) for code in (*atalla_refusals.MEANINGS, "0607", "0304")),
    *(("apc", name) for name in aws.EXCEPTIONS),
]


@pytest.mark.parametrize(("system", "code"), CODES)
def test_every_public_code_is_explained(system: str, code: str) -> None:
    """Meaning, cause, fix and source are words, none is empty."""
    found = explain(system, code)
    assert found.system == system
    assert all((found.meaning, found.likely, found.fix, found.evidence))
    assert found.meaning == found.meaning.strip(". ")


def test_advice_is_for_codes_that_exist() -> None:
    """No advice waits for a code the vendor's list does not have."""
    assert set(payshield.ADVICE) <= set(payshield_refusals.MEANINGS)
    assert set(atalla.ADVICE) <= {*atalla_refusals.MEANINGS, "0607"}


def test_every_exception_of_the_api_is_explained() -> None:
    """All error shapes of both planes' service descriptions are there."""
    session = botocore.session.get_session()
    for service in ("payment-cryptography", "payment-cryptography-data"):
        names = session.get_service_model(service).shape_names
        shapes = {name for name in names if name.endswith("Exception")}
        assert shapes
        assert shapes <= set(aws.EXCEPTIONS), service


def test_codes_a_command_gives_its_own_meaning() -> None:
    """80 of B2 is about its length, 01 of NI is no verification."""
    assert "B2 echo" in explain("payshield", "80", command="B2").meaning
    assert "invalid report" in explain("payshield", "01", command="NI").meaning


@pytest.mark.parametrize(
    ("system", "code"),
    [("payshield", "ZZ"), ("atalla", "95"), ("atalla", "x"), ("apc", "Validation"), ("dec", "1")],
)
def test_unknown_codes_are_refused(system: str, code: str) -> None:
    """What nobody has published is not explained; known ones are named."""
    with pytest.raises(ConfigurationError) as caught:
        explain(system, code)
    assert caught.value.hint


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_is_explained_or_refused(system: str, code: str) -> None:
    """No text raises anything but the one documented error."""
    try:
        explain(system, code)
    except ConfigurationError:
        return


NOW = datetime(2026, 6, 1, tzinfo=UTC)
FAILURES = [
    (HSMRefusedError("A8 export key", "AA", "invalid export field"), "payshield-AA"),
    (HSMRefusedError("TRTP build", "77", "unheard of"), "futurex-77"),
    (HSMRefusedError("11A export key", "0607", "security violation"), "atalla-0607"),
    (RemoteRefusedError("ImportKey", "ValidationException", "no"), "ValidationException"),
    (RemoteRefusedError("ImportKey", "NewException", "no"), "apc-unknown-code"),
    (HSMRefusedError("A8 export key", "#4", "unknown error code"), "hsm-unknown-code"),
    (HSMTimeoutError("no answer"), "hsm-timeout"),
    (ApprovalTimeoutError("nobody approved"), "dual-control"),
    (NotSentError("cannot be reached"), "hsm-connection"),
    (TLSRefusedError("CERTIFICATE_VERIFY_FAILED"), "hsm-tls"),
    (HSMConnectionError("the HSM closed the connection"), "hsm-connection-lost"),
    (OutOfStepError("an answer came that belongs to another request"), "hsm-frame"),
    (HSMFrameError("field 1: expected printable characters"), "hsm-frame"),
    (EndpointUnreachableError("ListKeys: cannot be reached"), "endpoint"),
    (UnknownOutcomeError("ImportKey: no answer"), "endpoint-unknown-outcome"),
    (ProofError("the CVV does not verify"), "proof-by-use"),
    (ExchangeError("something"), "failure"),
]


@pytest.mark.parametrize(("error", "identifier"), FAILURES)
def test_failures_are_explained(error: ExchangeError, identifier: str) -> None:
    """An error names its system by its command, whichever party raised it."""
    systems = ("payshield", "futurex", "atalla", "apc")
    found = explain_failure(error, systems=systems, now=NOW)
    assert found.id == identifier
    assert found.likely
    assert found.fix


def test_what_travelled_explains_a_refusal() -> None:
    """A block the receiver refused is examined; its own fault says more than the exception."""
    file = Path(__file__).parent / "corpus" / "key_blocks.json"
    cases = {case["name"]: case for case in json.loads(file.read_text())["cases"]}
    refused = RemoteRefusedError("ImportKey", "ValidationException", "no")

    def explained(name: str) -> str:
        carried = Carried(data=cases[name]["text"].encode())
        return explain_failure(refused, systems=("payshield",), carried=carried, now=NOW).id

    assert explained("a BDK that encrypts") == "mode-for-usage"
    assert explained("untouched, nothing at hand") == "ValidationException"
