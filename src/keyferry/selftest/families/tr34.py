"""The ops of tr34.json: key tokens."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import load_certificate
from keyferry.crypto.tr34 import issuer_and_serial, open_token, parse_header, parse_key_block
from keyferry.errors import CertificateError, TokenBindingError, UnsupportedAlgorithmError
from keyferry.selftest.case import Case
from keyferry.selftest.compare import Value
from keyferry.selftest.families.key_values import block_kcv
from keyferry.selftest.families.private_keys import load_rsa_private_key


def _certificate(case: Case, member: str) -> x509.Certificate:
    party = case.entry("parties", member)
    encoded = case.bytes_of(_part(case, party, "certificate", member), member)
    try:
        return load_certificate(encoded)
    except (CertificateError, UnsupportedAlgorithmError):
        # A party nobody can read is a fault of the file, not a refusal of the token.
        raise case.refuse(member, "a party with an X.509 certificate") from None


def _private_key(case: Case, member: str) -> rsa.RSAPrivateKey:
    party = case.entry("parties", member)
    return load_rsa_private_key(case, _part(case, party, "private_key", member), member)


def _part(case: Case, party: Any, part: str, member: str) -> Any:
    if not isinstance(party, dict) or part not in party:
        raise case.refuse(member, f"a party with a {part}")
    return party[part]


def decode(case: Case) -> dict[str, Value]:
    """Open a token, with every check a KRD makes."""
    opened = open_token(
        case.hex("token"),
        kdh_certificate=_certificate(case, "kdh"),
        krd_certificate=_certificate(case, "krd"),
        krd_private_key=_private_key(case, "krd"),
        nonce=case.optional_hex("nonce"),
        kdh_ca=_certificate(case, "kdh_ca"),
        now=case.now,
    )
    return {
        "key": opened.key,
        "header": opened.header,
        "layout": opened.layout.value,
        "kcv": block_kcv(parse_header(opened.header).algorithm, opened.key),
    }


def key_block(case: Case) -> dict[str, Value]:
    """Parse the block inside an envelope, and check that the KDH made it."""
    block = parse_key_block(case.hex("key_block"))
    if block.kdh_id != issuer_and_serial(_certificate(case, "kdh")):
        raise TokenBindingError("TR-34 key block names another KDH")
    return {"version": block.version, "key": block.key, "header": block.header}


def certificate_id(case: Case) -> dict[str, Value]:
    """Take issuer and serial number out of a certificate."""
    return {"issuer_and_serial": issuer_and_serial(load_certificate(case.hex("certificate")))}


OPS = {"decode": decode, "key_block": key_block, "issuer_and_serial": certificate_id}
