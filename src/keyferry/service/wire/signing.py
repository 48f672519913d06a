"""
AWS Signature Version 4, made: for requests of one service to another of its kind.

The canonical request is the verifier's own (`canonical.py`), so the two cannot disagree.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from keyferry.service.authz.access_keys import AccessKey
from keyferry.service.wire.canonical import canonical_request
from keyferry.service.wire.http import HTTPRequest
from keyferry.service.wire.sigv4 import ALGORITHM, SERVICE, derive_signing_key


class RequestSigner:
    """Signs requests to the root of one Region's endpoint with one access key."""

    def __init__(self, key: AccessKey, *, region: str) -> None:
        self._key = key
        self._region = region
        self._derived: tuple[str, bytes] | None = None  # date, signing key

    def sign(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> dict[str, str]:
        """
        Return the headers of a POST to `/` with date and signature; all of them are signed.

        Args:
            headers: Host among them, in lower case all.
            now: UTC.
        """
        timestamp = now.strftime("%Y%m%dT%H%M%SZ")
        date = timestamp[:8]
        signed = {**headers, "x-amz-date": timestamp}
        names = tuple(sorted(signed))
        request = HTTPRequest(
            method="POST",
            path=b"/",
            query=b"",
            headers={name.encode(): value.encode() for name, value in signed.items()},
            body=body,
        )
        body_hash = hashlib.sha256(body).hexdigest()
        canonical = canonical_request(request, tuple(n.encode() for n in names), body_hash)
        scope = f"{date}/{self._region}/{SERVICE}/aws4_request"
        to_sign = f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
        signature = hmac.digest(self._signing_key(date), to_sign.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{ALGORITHM} Credential={self._key.principal.access_key_id}/{scope},"
            f" SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return signed

    def _signing_key(self, date: str) -> bytes:
        derived = self._derived
        if derived is None or derived[0] != date:
            key = derive_signing_key(self._key, date=date, region=self._region)
            self._derived = derived = date, key
        return derived[1]
