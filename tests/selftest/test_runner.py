"""What counts as passed, failed and unsupported."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import keyferry.selftest.runner as runner
from keyferry.errors import KeySizeError, MalformedVectorError
from keyferry.selftest import FamilyReport, Status, packaged_files, run_file
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Leading

NOW = datetime(2025, 6, 1, tzinfo=UTC)
KCV = {"name": "one", "op": "kcv", "method": "legacy", "algorithm": "DES"}
KEY = "0123456789ABCDEFFEDCBA9876543210"
GOOD = KCV | {"key": KEY, "kcv": "08D7B4"}


def judge(*cases: dict[str, Any]) -> FamilyReport:
    """Run cases of a kcv file."""
    return run_file({"family": "kcv", "ops": {}, "cases": list(cases)}, now=NOW)


@pytest.fixture
def with_op(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], FamilyReport]:
    """Run one case with an op of the test's own."""

    def run(function: Any, **members: Any) -> FamilyReport:
        monkeypatch.setattr(runner, "load_family", lambda family: {"op": function})
        case = {"name": "case", "op": "op"} | members
        return run_file({"family": "any", "cases": [case]}, now=NOW)

    return run


FAMILIES = sorted(document["family"] for document in packaged_files().values())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_packaged_case_passes(family: str) -> None:
    """Must-fail cases included, and every member of every case was looked at."""
    report = run_file(packaged_files()[f"{family}.json"], now=NOW)
    failures = [(o.name, o.detail) for o in report.outcomes if o.status is not Status.PASSED]
    assert failures == []
    assert report.ok
    assert report.passed == len(report.outcomes) > 9
    assert report.unread == ()


@pytest.mark.parametrize("family", ["tr31", "tr34", "kcv", "ecdh-kdf", "rsa-wrap", "as2805"])
def test_every_expectation_is_looked_at(family: str) -> None:
    """Each expected value of each case, once spoilt, makes exactly that case fail."""
    document = packaged_files()[f"{family}.json"]
    outputs = {
        "tr31": {"key", "header", "kcv", "block", "kbek", "kbak"},
        "tr34": {"key", "header", "kcv", "layout", "version", "issuer_and_serial"},
        "kcv": {"kcv", "key", "component_kcvs", "odd_parity_key", "had_odd_parity"},
        "ecdh-kdf": {"derived", "z", "derived_key", "key", "header"},
        "rsa-wrap": {"key", "kcv"},
        "as2805": {"cryptogram", "kcv", "random_key", "random_key_receive", "kpe"},
    }[family]
    inputs = {
        "tr31": {"wrap": {"key"}, "unwrap": {"block"}, "parse_header": {"block"}},
        "kcv": {"kcv": {"key"}, "parity": {"key"}},
        "ecdh-kdf": {"kdf": {"z"}},
    }.get(family, {})
    spoilt = 0
    seen: set[tuple[str, str]] = set()
    for index, case in enumerate(document["cases"]):
        if "expect" in case:
            continue
        for member in outputs & set(case) - inputs.get(case["op"], set()):
            value = case[member]
            if value in (None, "", []) or (case["op"], member) in seen:
                continue
            seen.add((case["op"], member))
            changed = document | {"cases": [case | {member: spoil(value)}]}
            report = run_file(changed, now=NOW)
            assert report.failed == 1, f"case {index} {case['name']}: {member} was not compared"
            assert member in report.outcomes[0].detail
            spoilt += 1
    assert spoilt == len(seen) >= 2


def spoil(value: Any) -> Any:
    """Change a value into another of its kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return [spoil(value[0]), *value[1:]]
    if isinstance(value, dict):
        return value | {"usage": "ZZ"}
    first = "0" if value[0] != "0" else "1"
    return first + value[1:]


def test_a_wrong_value_fails_and_is_not_told() -> None:
    """Most values are keys, so a failure names the member only."""
    report = judge(GOOD | {"kcv": "08D7B5"})
    assert (report.passed, report.failed) == (0, 1)
    (outcome,) = report.outcomes
    assert (outcome.name, outcome.op, outcome.detail) == ("one", "kcv", "kcv differs")


@pytest.mark.parametrize("kcv", ["08", "08D7B4", "08d7b4", "08D7B4FB629D0885"])
def test_check_values_are_compared_at_the_expected_length(kcv: str) -> None:
    """A file shows as many bytes as it likes, in either case."""
    assert judge(GOOD | {"kcv": kcv}).ok


@pytest.mark.parametrize("kcv", ["08D7B4FB629D088500", "09", "08D7B4FB629D0886"])
def test_check_values_longer_than_there_are(kcv: str) -> None:
    """More than there is cannot match."""
    assert judge(GOOD | {"kcv": kcv}).failed == 1


@pytest.mark.parametrize("kcv", ["", None])
def test_an_empty_expectation_is_not_compared(kcv: Any) -> None:
    """Some algorithms have no check value."""
    assert judge(GOOD | {"kcv": kcv}).ok


def test_a_case_that_expects_nothing_fails() -> None:
    """A case without an expectation would always pass."""
    report = judge(KCV | {"key": KEY})
    assert report.failed == 1
    assert "nothing to compare" in report.outcomes[0].detail


def test_a_refusal_that_is_wanted_and_one_that_is_not() -> None:
    """Must-fail cases pass on an error of ours; others fail on it, and it is told."""
    bad = KCV | {"key": KEY[:14]}
    assert judge(bad | {"expect": "error", "reason": "size"}).ok
    report = judge(bad | {"kcv": "000000"})
    assert report.failed == 1
    assert report.outcomes[0].detail.startswith("KeySizeError: TDES key of 7 bytes")


def test_a_result_where_a_refusal_is_wanted_fails() -> None:
    """Whatever the result is."""
    report = judge(GOOD | {"expect": "error"})
    assert report.outcomes[0].detail == "expected a refusal, got a result"


@pytest.mark.parametrize("error", [ValueError, TypeError, AssertionError, KeyError, Exception])
def test_another_exception_fails_a_must_fail_case(with_op: Any, error: type[Exception]) -> None:
    """A crash is no refusal, and its words, which may hold a key, are not told."""

    def op(case: Case) -> dict[str, Any]:
        raise error("0123456789ABCDEF")

    report = with_op(op, expect="error")
    assert report.failed == 1
    assert report.outcomes[0].detail == f"raised {error.__name__}, which is not an error of ours"


def test_an_interrupt_is_not_a_failed_case(with_op: Any) -> None:
    """Ctrl-C ends the run."""

    def op(case: Case) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with_op(op)


def refuse(case: Case) -> dict[str, Any]:
    """A verification that says no."""
    raise KeySizeError


def accept(case: Case) -> dict[str, Any]:
    """A verification that says yes."""
    return {}


@pytest.mark.parametrize(
    ("op", "verified", "passes"),
    [(accept, True, True), (accept, False, False), (refuse, False, True), (refuse, True, False)],
)
def test_verified_is_met_by_raising_or_returning(
    with_op: Any, op: Any, verified: bool, passes: bool
) -> None:
    """Our verifications raise; the files say true or false."""
    assert with_op(op, verified=verified).ok is passes


@pytest.mark.parametrize(
    ("expected", "computed", "same"),
    [
        ("AB", b"\xab", True),
        ("ab", b"\xab", True),
        ("AB", b"\xab\xcd", False),
        ("AB", Leading(b"\xab\xcd"), True),
        ("AB", "AB", True),
        ("AB", "ab", False),
        (1, 1, True),
        (1, True, False),
        (True, 1, False),
        ("1", 1, False),
        (["AB", "CD"], [b"\xab", Leading(b"\xcd\xef")], True),
        (["AB"], [b"\xab", b"\xcd"], False),
        ("AB", [b"\xab"], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ([["KS", ""]], [["KS", ""]], True),
        ([["KS", ""]], [["KS", "00"]], False),
        ("AB", None, False),
        ("", b"\xab", True),
        ({}, {"a": 1}, True),
    ],
)
def test_comparison(with_op: Any, expected: Any, computed: Any, same: bool) -> None:
    """Bytes by value, everything else exactly and by type."""
    assert with_op(lambda case: {"out": computed}, out=expected).ok is same


def test_an_op_or_family_we_do_not_have_is_unsupported() -> None:
    """Neither passed nor failed, and not ok."""
    report = judge(GOOD | {"op": "divine"})
    assert (report.passed, report.failed, report.unsupported) == (0, 0, 1)
    assert not report.ok
    unknown = run_file({"family": "astrology", "cases": [GOOD]}, now=NOW)
    assert unknown.unsupported == 1


def test_members_nobody_read_are_reported() -> None:
    """An expectation under a name no op knows must not vanish."""
    report = judge(GOOD | {"mac": "00", "note": "for people"})
    assert report.ok
    assert report.unread == ("mac",)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "vector file member 'family'"),
        ({"family": ""}, "member 'family'"),
        ({"family": 5}, "member 'family'"),
        ({"family": "kcv"}, "kcv member 'cases'"),
        ({"family": "kcv", "cases": []}, "kcv member 'cases'"),
        ({"family": "kcv", "cases": {}}, "kcv member 'cases'"),
        ({"family": "kcv", "cases": [1]}, r"kcv cases\[0\]: expected an object"),
        ({"family": "kcv", "cases": [{"op": "kcv"}]}, r"kcv cases\[0\] member 'name'"),
        ({"family": "kcv", "cases": [{"name": "a"}]}, r"kcv cases\[0\] member 'op'"),
        ({"family": "kcv", "cases": [GOOD, GOOD]}, r"cases\[1\] 'one' name 'one': .* once"),
        ({"family": "kcv", "cases": [GOOD | {"expect": "no"}]}, "member 'expect'"),
        ({"family": "kcv", "cases": [GOOD | {"verified": "no"}]}, "member 'verified'"),
        ({"family": "kcv", "cases": [KCV]}, r"kcv cases\[0\] 'one' member 'key': .* be there"),
        ({"family": "kcv", "cases": [GOOD | {"key": "0"}]}, "member 'key': expected hex"),
        ({"family": "kcv", "cases": [GOOD | {"key": "01 02"}]}, "member 'key': expected hex"),
        ({"family": "kcv", "cases": [GOOD | {"key": 1}]}, "member 'key': expected hex"),
        ({"family": "kcv", "cases": [GOOD | {"kcv": "XY"}]}, "member 'kcv': expected hex"),
        ({"family": "kcv", "cases": [GOOD | {"method": 1}]}, "member 'method': expected text"),
        (
            {"family": "kcv", "cases": [{"name": "a", "op": "combine", "components": "00"}]},
            "member 'components': expected a list",
        ),
        (
            {"family": "kcv", "cases": [{"name": "a", "op": "combine", "components": ["0"]}]},
            r"member 'components\[0\]': expected hex",
        ),
    ],
)
def test_malformed_files_end_the_run(document: dict[str, Any], words: str) -> None:
    """File, place and member are named; nothing is reported as passed or refused."""
    with pytest.raises(MalformedVectorError, match=words):
        run_file(document, now=NOW)


def test_a_malformed_input_does_not_count_as_a_refusal() -> None:
    """Else a typing error in a must-fail case would pass for ever."""
    with pytest.raises(MalformedVectorError, match="expected hex"):
        judge(KCV | {"key": "0g", "expect": "error"})


def test_tables_are_looked_up_by_name() -> None:
    """Parties and private keys stand at the top of a file."""
    document = packaged_files()["tr34.json"]
    case = next(case for case in document["cases"] if case["op"] == "decode")
    for change, words in (
        ({"krd": "nobody"}, "member 'krd': expected a name in the table 'parties'"),
        ({"krd": "ca_krd"}, "member 'krd': expected a party with a private_key"),
        ({"krd": 7}, "member 'krd': expected text"),
    ):
        with pytest.raises(MalformedVectorError, match=words):
            run_file(document | {"cases": [case | change]}, now=NOW)
    broken = {"kdh": {"certificate": "3000"}}
    with pytest.raises(MalformedVectorError, match=r"party with an X\.509 certificate"):
        run_file(document | {"cases": [case], "parties": document["parties"] | broken}, now=NOW)
    wrapped = packaged_files()["rsa-wrap.json"]
    keys = dict.fromkeys(wrapped["private_keys"], "3000")
    with pytest.raises(MalformedVectorError, match="RSA private key in PKCS #8"):
        run_file(wrapped | {"private_keys": keys}, now=NOW)


def test_certificates_are_checked_at_the_given_time() -> None:
    """Nothing here reads a clock: in 2060 the parties' certificates have expired."""
    document = packaged_files()["tr34.json"]
    report = run_file(document, now=datetime(2060, 1, 1, tzinfo=UTC))
    assert report.failed > 10
    assert any("CertificateValidityError" in outcome.detail for outcome in report.outcomes)
