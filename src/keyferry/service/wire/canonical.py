"""
The canonical form of a request, over which AWS Signature Version 4 is made.

Signers URI-encode the path once more than it is encoded on the wire and remove dot segments and
empty segments before (every service but S3), so that is what is verified.
"""

from __future__ import annotations

import functools
import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

from keyferry.service.wire.http import HTTPRequest

_KEPT_PATH_BYTES = 512
_SPACES = re.compile(rb"[ \t]+")


def canonical_request(
    request: HTTPRequest, signed_headers: tuple[bytes, ...], body_hash: str
) -> bytes:
    """The canonical request; every name in `signed_headers` must be in the request."""
    lines = [
        request.method.encode("ascii", "replace"),
        canonical_path(request.path),
        canonical_query(request.query) if request.query else b"",
    ]
    lines += [name + b":" + canonical_value(request.headers[name]) for name in signed_headers]
    lines += [b"", b";".join(signed_headers), body_hash.encode("ascii")]
    return b"\n".join(lines)


def canonical_value(value: bytes) -> bytes:
    """A header value: trimmed, runs of blanks as one space."""
    value = value.strip(b" \t")
    if b"  " in value or b"\t" in value:
        value = _SPACES.sub(b" ", value)
    return value


def canonical_path(path: bytes) -> bytes:
    """The path as signers write it: dot and empty segments removed, encoded once more."""
    # Whoever calls can fill what is kept, so nothing long is.
    return _kept_path(path) if len(path) <= _KEPT_PATH_BYTES else _canonical_path(path)


def _canonical_path(path: bytes) -> bytes:
    if path in (b"", b"/"):
        return b"/"
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    normal = b"/" + b"/".join(kept)
    if kept and path.endswith(b"/"):
        normal += b"/"
    return quote_from_bytes(normal, safe="/-_.~").encode("ascii")


# Paths of operations, or of keys: the same ones again and again.
_kept_path = functools.lru_cache(maxsize=1024)(_canonical_path)


def canonical_query(query: bytes) -> bytes:
    """The query: names and values encoded, pairs sorted."""
    pairs: list[tuple[str, str]] = []
    for pair in query.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs)).encode("ascii")


def _encoded(part: bytes) -> str:
    return quote_from_bytes(unquote_to_bytes(part), safe="-_.~")
