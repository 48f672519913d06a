"""Broken inputs, one cause each: every one is named rightly, and good ones are left alone."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keyferry.crypto.certificates import load_certificate
from keyferry.crypto.secret import Secret
from keyferry.exchange.doctor import AtHand, diagnose

FILES = sorted((Path(__file__).parent / "corpus").glob("*.json"))
CASES = [
    pytest.param(document, case, id=f"{file.stem}: {case['name']}")
    for file in FILES
    for document in [json.loads(file.read_text())]
    for case in document["cases"]
]


def _at_hand(document: dict[str, Any], stated: dict[str, Any]) -> AtHand:
    """What lies beside a case, by the tables of its file."""
    values = dict(stated)
    values["now"] = datetime.fromisoformat(values["now"])
    if "kbpk" in values:
        values["kbpk"] = Secret(bytes.fromhex(values["kbpk"]))
    if "nonce" in values:
        values["nonce"] = bytes.fromhex(values["nonce"])
    certificates = document.get("certificates", {})
    for name in ("kdh_certificate", "krd_certificate"):
        if name in values:
            values[name] = load_certificate(certificates[values[name]].encode())
    values["authorities"] = tuple(
        load_certificate(certificates[name].encode()) for name in values.get("authorities", ())
    )
    if "krd_key" in values:
        key = load_pem_private_key(document["private_keys"][values["krd_key"]].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        values["krd_key"] = key
    return AtHand(**values)


@pytest.mark.parametrize(("document", "case"), CASES)
def test_the_cause_is_named(document: dict[str, Any], case: dict[str, Any]) -> None:
    """The first failing check has the one cause the maker of the input stated."""
    data = case["text"].encode() if "text" in case else bytes.fromhex(case["hex"])
    diagnosis = diagnose(data, _at_hand(document, case["at_hand"]), suffix=case.get("suffix", ""))
    found = diagnosis.finding.cause.id if diagnosis.finding else None
    assert found == case["cause"], diagnosis
    if diagnosis.finding:
        words = (diagnosis.finding.problem, diagnosis.finding.cause.likely)
        assert all(words)
        assert diagnosis.finding.cause.fix


def test_the_corpus_is_large_and_varied() -> None:
    """At least 60 broken inputs, and nearly as many causes."""
    causes = [parameter.values[1]["cause"] for parameter in CASES]  # type: ignore[index]
    broken = [cause for cause in causes if cause]
    assert len(broken) >= 60
    assert len(set(broken)) >= 60


@pytest.mark.parametrize(("document", "case"), CASES)
def test_no_secret_is_told(document: dict[str, Any], case: dict[str, Any]) -> None:
    """Neither the diagnosis nor what lies at hand shows the KBPK."""
    data = case["text"].encode() if "text" in case else bytes.fromhex(case["hex"])
    at_hand = _at_hand(document, case["at_hand"])
    told = repr(diagnose(data, at_hand, suffix=case.get("suffix", ""))) + repr(at_hand)
    kbpk = case["at_hand"].get("kbpk")
    assert kbpk is None or kbpk.upper() not in told.upper()
    assert "PRIVATE KEY-----" not in told
