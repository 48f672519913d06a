"""What travelled between the parties, kept so that a refusal of it can be explained."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A key block or a token that its sender made, and what its receiver checks it with."""

    data: bytes = field(repr=False)  # a key block in text, or a token in DER
    nonce: bytes | None = field(default=None, repr=False)
    kdh_certificate: x509.Certificate | None = None
    krd_certificate: x509.Certificate | None = None
    authorities: tuple[x509.Certificate, ...] = ()  # of the KDH's certificate
