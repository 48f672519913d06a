"""
AWS Signature Version 4, verified in full.

Steps as in "Signature Version 4 signing process" of the AWS General Reference: canonical request,
string to sign, derived signing key, comparison. The header form only; requests signed in the query
string are refused in words, because no client of these APIs makes them.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from keyferry.service.authz.access_keys import AccessKey, AccessKeys
from keyferry.service.authz.principal import Principal
from keyferry.service.errors import (
    IncompleteSignatureError,
    InvalidSignatureError,
    MissingAuthenticationError,
    UnrecognizedClientError,
)
from keyferry.service.wire.canonical import canonical_request
from keyferry.service.wire.http import HTTPRequest
from keyferry.service.wire.returning_signer import ReturningSigner

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "payment-cryptography"  # both planes sign with the same name
ALLOWED_SKEW = timedelta(minutes=15)
AUTHORIZATION_CHARACTERS = 8192
CACHED_SIGNING_KEYS = 4096
# Unsigned callers can fill this too: at most a few megabytes, and what is lost is parsed again.
KEPT_AUTHORIZATIONS = 512
# Only who has verified gets in here: a few for each client and day.
KEPT_SIGNERS = 4096

_SIGNATURE_DIGITS = 64

_SIGNED_ALWAYS = (b"x-amz-", b"x-keyferry-")

_HEADER_DATE = re.compile(r"([0-9]{8})T([0-9]{6})Z")
_HEX_64 = re.compile(r"[0-9a-f]{64}")
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True)
class Authorization:
    """
    What an Authorization header says beside its signature; nothing of it is verified yet.

    A client sends the same for a whole day, so it is parsed once and kept.
    """

    access_key_id: str
    scope_date: str  # YYYYMMDD
    region: str
    service: str
    signed_headers: tuple[bytes, ...]  # sorted, lower case

    @property
    def scope(self) -> str:
        return f"{self.scope_date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a request, and for which Region."""

    principal: Principal
    region: str


def parse_authorization(header: str) -> tuple[Authorization, str]:
    """
    Read an Authorization header.

    Returns:
        What it says, and the signature: 64 lower-case hex digits.

    Raises:
        IncompleteSignatureError: not `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
            with each part once; the message names the part.
    """
    if len(header) > AUTHORIZATION_CHARACTERS:
        raise IncompleteSignatureError("Authorization header is too long")
    # Clients write the signature last; what stands before it is the part worth keeping.
    before, name, signature = header.rpartition("Signature=")
    after = ""
    if "," in signature:
        signature, comma, after = signature.partition(",")
        after = comma + after
    signature = signature.rstrip(" ")
    authorization = _parse_without_signature(before, name, after)
    if _HEX_64.fullmatch(signature) is None:
        raise IncompleteSignatureError("Signature must be 64 lower-case hexadecimal digits")
    return authorization, signature


@functools.lru_cache(maxsize=KEPT_AUTHORIZATIONS)
def _parse_without_signature(before: str, name: str, after: str) -> Authorization:
    """Read a header whose signature was cut out from between `name` and `after`."""
    algorithm, _, rest = f"{before}{name}{after}".strip(" ").partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignatureError(f"Authorization header must start with {ALGORITHM}")
    parts: dict[str, str] = {}
    for part in rest.split(","):
        found, equals, value = part.strip(" ").partition("=")
        if not equals or found not in ("Credential", "SignedHeaders", "Signature"):
            raise IncompleteSignatureError(
                "Authorization header holds something other than Credential, SignedHeaders"
                " and Signature"
            )
        if found in parts:
            raise IncompleteSignatureError(f"Authorization header holds {found} twice")
        parts[found] = value
    for required in ("Credential", "SignedHeaders", "Signature"):
        if required not in parts:
            raise IncompleteSignatureError(f"Authorization header requires {required}")

    credential = parts["Credential"].split("/")
    if len(credential) != 5 or not all(credential) or credential[4] != "aws4_request":
        raise IncompleteSignatureError(
            "Credential must be access key id, date, Region, service and aws4_request,"
            " separated by slashes"
        )
    names = parts["SignedHeaders"].split(";")
    if any(_HEADER_NAME.fullmatch(name) is None for name in names):
        raise IncompleteSignatureError("SignedHeaders must be lower-case header names")
    if names != sorted(set(names)):
        raise IncompleteSignatureError("SignedHeaders must be sorted, each name once")
    if "host" not in names:
        raise IncompleteSignatureError("'host' must be a signed header")
    if "x-amz-date" not in names and "date" not in names:
        raise IncompleteSignatureError("'x-amz-date' or 'date' must be a signed header")
    access_key_id, scope_date, region, service, _ = credential
    signed = tuple(name.encode("ascii") for name in names)
    return Authorization(access_key_id, scope_date, region, service, signed)


class SignatureVerifier:
    """Verifies requests against a set of access keys, for the Regions that are served."""

    def __init__(self, keys: AccessKeys, regions: Container[str]) -> None:
        self._keys = keys
        self._regions = regions
        # (access key id, scope date, Region) → derived key; four HMACs saved a request.
        self._signing_keys: dict[tuple[str, str, str], tuple[AccessKey, bytes]] = {}
        # Authorization header up to the signature → what was verified with it before.
        self._returning: dict[bytes, tuple[ReturningSigner, Signer]] = {}

    def verify(self, request: HTTPRequest, *, now: datetime) -> Signer:
        """
        Return who signed `request`; `now` is UTC.

        Raises:
            MissingAuthenticationError: the request is not signed.
            IncompleteSignatureError: the Authorization header is malformed, or headers are missing.
            UnrecognizedClientError: the access key or the Region is not known here.
            InvalidSignatureError: date, scope, body hash or signature do not fit.
        """
        headers = request.headers
        header = headers.get(b"authorization")
        if header is None:
            if b"X-Amz-Signature=" in request.query or b"X-Amz-Algorithm=" in request.query:
                raise IncompleteSignatureError(
                    "requests signed in the query string are not accepted:"
                    " sign in the Authorization header"
                )
            raise MissingAuthenticationError("Missing Authentication Token")
        known = self._returning.get(header[:-_SIGNATURE_DIGITS])
        if known is not None:
            returning, signer = known
            # The access key may have been withdrawn or replaced since.
            if self._keys.get(
                signer.principal.access_key_id
            ) is returning.key and returning.verifies(
                request, header[-_SIGNATURE_DIGITS:], now=now, skew=ALLOWED_SKEW
            ):
                return signer
        return self._verify_in_full(request, header, now=now)

    def _verify_in_full(self, request: HTTPRequest, header: bytes, *, now: datetime) -> Signer:
        headers = request.headers
        authorization, signature = parse_authorization(header.decode("latin-1"))
        self._check_signed_headers(authorization, headers)

        key = self._keys.get(authorization.access_key_id)
        if key is None or (b"x-amz-security-token" in headers and not self._keys.session_tokens):
            raise UnrecognizedClientError(
                "The security token included in the request is invalid"
                if key is None
                else "the access key has no session: send no security token with it"
            )
        if authorization.region not in self._regions:
            raise UnrecognizedClientError(
                f"Region {authorization.region} is not served by this endpoint"
            )
        if authorization.service != SERVICE:
            raise InvalidSignatureError(
                f"Credential should be scoped to correct service: '{SERVICE}'"
            )
        timestamp = self._check_date(authorization, headers, now)

        body_hash = hashlib.sha256(request.body).hexdigest()
        sent_hash = headers.get(b"x-amz-content-sha256")
        if sent_hash is not None and sent_hash != body_hash.encode("ascii"):
            raise InvalidSignatureError("x-amz-content-sha256 is not the SHA-256 of the body")

        canonical = canonical_request(request, authorization.signed_headers, body_hash)
        to_sign = "\n".join(
            (ALGORITHM, timestamp, authorization.scope, hashlib.sha256(canonical).hexdigest())
        )
        signing_key = self._signing_key(key, authorization)
        expected = hmac.digest(signing_key, to_sign.encode(), "sha256").hex()
        if not hmac.compare_digest(expected, signature):
            raise InvalidSignatureError(
                "The request signature we calculated does not match the signature you provided."
                " Check your AWS Secret Access Key and signing method."
            )
        signer = Signer(key.principal, authorization.region)
        before = header[:-_SIGNATURE_DIGITS]
        if before.endswith(b"Signature=") and b"x-amz-date" in authorization.signed_headers:
            if len(self._returning) >= KEPT_SIGNERS:
                self._returning.clear()
            returning = ReturningSigner(
                key,
                scope=authorization.scope,
                signing_key=signing_key,
                signed_headers=authorization.signed_headers,
                request=request,
            )
            self._returning[before] = returning, signer
        return signer

    @staticmethod
    def _check_signed_headers(authorization: Authorization, headers: dict[bytes, bytes]) -> None:
        """Every header of AWS's or ours must be signed, and what is signed must be there."""
        signed = authorization.signed_headers
        for sent in headers:
            # An unsigned X-Amz-Target would let whoever relays the request choose the operation.
            if sent.startswith(_SIGNED_ALWAYS) and sent not in signed:
                raise IncompleteSignatureError(
                    f"'{sent.decode('latin-1')}' must be a signed header"
                )
        for name in signed:
            if name not in headers:
                raise IncompleteSignatureError(
                    f"signed header '{name.decode('ascii')}' is not in the request"
                )

    @staticmethod
    def _check_date(
        authorization: Authorization, headers: dict[bytes, bytes], now: datetime
    ) -> str:
        """Return the timestamp of the string to sign, checked against the clock and the scope."""
        if b"x-amz-date" in authorization.signed_headers:
            timestamp = headers[b"x-amz-date"].decode("latin-1").strip(" ")
            moment = _basic_date(timestamp)
        else:
            sent = headers[b"date"].decode("latin-1").strip(" ")
            moment = _basic_date(sent) if _HEADER_DATE.fullmatch(sent) else _http_date(sent)
            timestamp = moment.strftime("%Y%m%dT%H%M%SZ")
        if timestamp[:8] != authorization.scope_date:
            raise InvalidSignatureError(
                f"Date in Credential scope does not match the date of the request:"
                f" '{authorization.scope_date}' != '{timestamp[:8]}'"
            )
        if abs(now - moment) > ALLOWED_SKEW:
            clock = now.strftime("%Y%m%dT%H%M%SZ")
            if moment < now:
                raise InvalidSignatureError(
                    f"Signature expired: {timestamp} is more than 15 minutes before {clock}"
                )
            raise InvalidSignatureError(
                f"Signature not yet current: {timestamp} is more than 15 minutes after {clock}"
            )
        return timestamp

    def _signing_key(self, key: AccessKey, authorization: Authorization) -> bytes:
        cached = (authorization.access_key_id, authorization.scope_date, authorization.region)
        owner, signing_key = self._signing_keys.get(cached, (None, b""))
        if owner is not key:  # or the access key of this id was replaced
            # The date was checked before, so entries are bounded by keys, Regions and two dates;
            # of yesterday's nothing is worth keeping.
            if len(self._signing_keys) >= CACHED_SIGNING_KEYS:
                self._signing_keys.clear()
            signing_key = derive_signing_key(
                key, date=authorization.scope_date, region=authorization.region
            )
            self._signing_keys[cached] = key, signing_key
        return signing_key


def derive_signing_key(key: AccessKey, *, date: str, region: str) -> bytes:
    """The key a day's requests to one Region are signed with; `date` is YYYYMMDD."""
    signing_key = b"AWS4" + key.secret.reveal()
    for part in (date, region, SERVICE, "aws4_request"):
        signing_key = hmac.digest(signing_key, part.encode(), "sha256")
    return signing_key


def _basic_date(text: str) -> datetime:
    """Read `YYYYMMDDTHHMMSSZ`."""
    match = _HEADER_DATE.fullmatch(text)
    if match is None:
        raise IncompleteSignatureError("x-amz-date must have the form YYYYMMDDTHHMMSSZ")
    try:
        # Slicing is six times faster than strptime, which every request would pay.
        return datetime(
            int(text[0:4]),
            int(text[4:6]),
            int(text[6:8]),
            int(text[9:11]),
            int(text[11:13]),
            int(text[13:15]),
            tzinfo=UTC,
        )
    except ValueError:
        raise IncompleteSignatureError("x-amz-date is no date") from None


def _http_date(text: str) -> datetime:
    """Read the HTTP date of a Date header (RFC 9110, 5.6.7)."""
    try:
        moment = parsedate_to_datetime(text)
        # A date whose zone is unknown (`-0000`) has no zone here; HTTP dates are always GMT.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, IndexError, TypeError, OverflowError):
        raise IncompleteSignatureError("Date must be an HTTP date") from None
