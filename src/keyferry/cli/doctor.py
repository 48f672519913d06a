"""`keyferry doctor`: the first check an input fails, in words, with its cause and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from keyferry.cli.errors import FAILED
from keyferry.cli.options import OutputOptions, output_options

if TYPE_CHECKING:
    from keyferry.exchange.doctor import AtHand, Diagnosis


@click.command("doctor")
@click.argument("source", metavar="FILE")
@click.option(
    "--kbpk-file",
    metavar="FILE",
    help="Key block: its KBPK in hex; AKB: the MFK or KEK. - is standard input.  [default: none]",
)
@click.option("--ask-kbpk", is_flag=True, help="Ask for the KBPK without showing it.")
@click.option("--kbpk-kcv", metavar="HEX", help="Check value of the KBPK, as the sender shows it.")
@click.option("--kcv", metavar="HEX", help="Check value of the key, as the sender shows it.")
@click.option("--nonce", metavar="HEX", help="Token: the nonce that was agreed on.")
@click.option(
    "--ca", metavar="FILE", help="Chain, token: the authorities that are trusted, in PEM."
)
@click.option("--kdh-certificate", metavar="FILE", help="Token: the sender's certificate.")
@click.option("--krd-certificate", metavar="FILE", help="Token: the receiver's certificate.")
@click.option("--krd-key-file", metavar="FILE", help="Token: the receiver's private key, PEM.")
@click.option("--command", metavar="CODE", help="HSM answer: the command it should answer.")
@click.option(
    "--header-bytes",
    type=click.IntRange(0, 255),
    default=4,
    show_default=True,
    help="payShield answer: length of the message header.",
)
@click.option("--now", metavar="TIME", help="Check validity at this UTC time.  [default: now]")
@output_options
def doctor(options: OutputOptions, source: str, **values: Any) -> None:
    """
    Say why an import or an exchange fails: the first check that fails, its cause, the fix.

    FILE, or - for standard input, is a key block (TR-31, payShield S), a TR-34 token (DER or hex),
    certificates (PEM or DER), an AKB, an answer of an HSM (bytes, text or hex), or the
    configuration of an exchange. Checks that lack an input are named, not skipped in silence.

    Exit code 1 if something is wrong, 0 if every check that could be made passed.
    """
    from pathlib import PurePath

    from keyferry.cli.key_sources import read_input
    from keyferry.exchange.doctor import diagnose

    at_hand = _at_hand(source, values)
    suffix = "" if source == "-" else PurePath(source).suffix
    diagnosis = diagnose(read_input(source, "FILE"), at_hand, suffix=suffix)
    _print(diagnosis, options)
    if not diagnosis.is_good:
        click.get_current_context().exit(FAILED)


def _at_hand(source: str, values: dict[str, Any]) -> AtHand:
    """Read what lies beside the input."""
    from datetime import UTC, datetime

    from keyferry.cli.key_sources import only_one_stdin, read_certificate, read_key, read_rsa_key
    from keyferry.exchange.doctor import AtHand

    only_one_stdin(source, values["kbpk_file"])
    if values["kbpk_file"] and values["ask_kbpk"]:
        raise click.UsageError("--kbpk-file and --ask-kbpk exclude each other")
    wants_kbpk = bool(values["kbpk_file"] or values["ask_kbpk"])
    certificates = {
        name: read_certificate(values[name], f"--{name.replace('_', '-')}")
        if values[name]
        else None
        for name in ("kdh_certificate", "krd_certificate")
    }
    key_file = values["krd_key_file"]
    return AtHand(
        now=_moment(values["now"]) if values["now"] else datetime.now(UTC),
        kbpk=read_key(values["kbpk_file"], "--kbpk-file") if wants_kbpk else None,
        kbpk_check_value=values["kbpk_kcv"] or "",
        check_value=values["kcv"] or "",
        nonce=_nonce(values["nonce"]),
        authorities=_authorities(values["ca"]) if values["ca"] else (),
        krd_key=read_rsa_key(key_file, "--krd-key-file") if key_file else None,
        command=values["command"] or "",
        header_bytes=values["header_bytes"],
        **certificates,
    )


def _authorities(source: str) -> tuple[Any, ...]:
    import re

    from keyferry.cli.key_sources import read_input
    from keyferry.crypto.certificates import load_certificate

    data = read_input(source, "--ca")
    parts = re.findall(rb"-----BEGIN .*?-----END [^-]+-----", data, re.DOTALL) or [data]
    return tuple(load_certificate(part) for part in parts)


def _nonce(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise click.UsageError("--nonce: expected hex") from None


def _moment(text: str) -> Any:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError("--now: expected a time such as 2026-01-31T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _print(diagnosis: Diagnosis, options: OutputOptions) -> None:
    from keyferry.cli.exchange_output import print_rows

    if options.json:
        _print_json(diagnosis)
        return
    rows = [("Input", diagnosis.kind)]
    rows += [(f"  {name}", value) for name, value in diagnosis.facts]
    rows += [("Passed", check) for check in diagnosis.passed]
    rows += [
        ("Not checked", f"{unmade.check}: needs {unmade.needs}") for unmade in diagnosis.unmade
    ]
    finding = diagnosis.finding
    if finding is None:
        rows.append(("Result", "nothing wrong in what could be checked"))
    else:
        rows += [
            ("Failed", finding.check),
            ("Problem", finding.problem),
            ("Cause", f"{finding.cause.likely} ({finding.cause.id})"),
            ("Fix", finding.cause.fix),
        ]
    print_rows(rows)


def _print_json(diagnosis: Diagnosis) -> None:
    import msgspec

    finding = diagnosis.finding
    document: dict[str, Any] = {
        "good": diagnosis.is_good,
        "kind": diagnosis.kind,
        "facts": dict(diagnosis.facts),
        "passed": diagnosis.passed,
        "not_checked": [{"check": u.check, "needs": u.needs} for u in diagnosis.unmade],
        "failed": None,
    }
    if finding is not None:
        document["failed"] = {
            "check": finding.check,
            "cause": finding.cause.id,
            "problem": finding.problem,
            "likely": finding.cause.likely,
            "fix": finding.cause.fix,
        }
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
