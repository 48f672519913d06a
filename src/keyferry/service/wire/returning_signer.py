"""
A signer that comes again: the verification of `sigv4.py` with all that stays the same prepared.

Of a client's requests in a day only the date, the values of headers, the path and the body differ.
What is kept here was found in a request that verified in full. `verifies` makes the same canonical
request and the same comparison; where it answers False, be it only that something looks unusual,
the caller goes the long way, which has the words.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from hmac import compare_digest

from keyferry.service.authz.access_keys import AccessKey
from keyferry.service.wire.canonical import canonical_path
from keyferry.service.wire.http import HTTPRequest

_BLOCK_BYTES = 64  # of SHA-256, in which HMAC lays its key (RFC 2104)
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class ReturningSigner:
    """One client: an access key, a day, a Region, and the headers it signs."""

    __slots__ = (
        "_date",
        "_inner",
        "_names",
        "_outer",
        "_scope",
        "_signed",
        "_signed_line",
        "_tail",
        "_timestamp",
        "key",
    )

    def __init__(
        self,
        key: AccessKey,
        *,
        scope: str,
        signing_key: bytes,
        signed_headers: tuple[bytes, ...],
        request: HTTPRequest,
    ) -> None:
        """
        Args:
            key: whose signatures they are.
            scope: date, Region, service and terminator, as in the string to sign.
            signing_key: derived for this scope.
            signed_headers: their names, sorted; X-Amz-Date among them.
            request: one that has verified.
        """
        self.key = key
        self._scope = f"\n{scope}\n".encode()
        self._date = scope[:8].encode()
        self._signed = tuple((name, name + b":") for name in signed_headers)
        self._tail = b"\n" + b";".join(signed_headers) + b"\n"
        # What headers a request may have beside the signed ones depends on their names alone.
        self._names = tuple(request.headers)
        self._timestamp: tuple[bytes, datetime] | None = None
        padded = signing_key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER))
        self._outer = hashlib.sha256(padded.translate(_OUTER))

    def verifies(
        self, request: HTTPRequest, signature: bytes, *, now: datetime, skew: timedelta
    ) -> bool:
        """Whether the signature holds, 64 lower-case hex digits, at `now`."""
        headers = request.headers
        if request.query or tuple(headers) != self._names:
            return False
        timestamp = headers[b"x-amz-date"]
        if self._timestamp is None or self._timestamp[0] != timestamp:
            moment = _moment(timestamp)
            if moment is None or not timestamp.startswith(self._date):
                return False
            self._timestamp = timestamp, moment
        if abs(now - self._timestamp[1]) > skew:
            return False
        body_hash = hashlib.sha256(request.body).hexdigest().encode()
        if headers.get(b"x-amz-content-sha256", body_hash) != body_hash:
            return False
        lines = b"".join(
            [line for name, start in self._signed for line in (start, headers[name], b"\n")]
        )
        if b"  " in lines or b" \n" in lines or b": " in lines or b"\t" in lines:
            return False  # to be canonicalised
        path = canonical_path(request.path)
        canonical = b"".join(
            (request.method.encode(), b"\n", path, b"\n\n", lines, self._tail, body_hash)
        )
        inner = self._inner.copy()
        inner.update(
            b"".join(
                (
                    b"AWS4-HMAC-SHA256\n",
                    timestamp,
                    self._scope,
                    hashlib.sha256(canonical).hexdigest().encode(),
                )
            )
        )
        outer = self._outer.copy()
        outer.update(inner.digest())
        return compare_digest(outer.hexdigest().encode(), signature)


def _moment(timestamp: bytes) -> datetime | None:
    """The instant of an X-Amz-Date, None if it is not written as it should be."""
    if len(timestamp) != 16 or not timestamp.isalnum():
        return None
    try:
        # fromisoformat takes this form among others; of 16 characters with T and Z it is the only.
        moment = datetime.fromisoformat(timestamp.decode("ascii"))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and timestamp[8:9] == b"T" else None
