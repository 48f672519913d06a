"""
A request and a response as plain values, between whatever server runs us and the app.

They are msgspec's structs because one of each is made for every request: a frozen dataclass of the
same members takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

HeaderList = list[tuple[bytes, bytes]]


class HTTPRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    One request, whole. `path` and `query` are the bytes of the request line, still percent-encoded;
    header names are lower case, values of a repeated header joined by a comma (RFC 9110, 5.3).
    """

    method: str
    path: bytes
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    client: str | None = None  # address of the peer
    tls_version: str | None = None  # TLSv1.3; None over plain HTTP
    cipher_suite: str | None = None
    client_certificate: bytes | None = None  # DER, as TLS verified it; None if none was shown

    def text(self, name: bytes) -> str | None:
        """A header as text, None if it was not sent."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


class HTTPResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One response, whole. Content-Length is added by `header_list`."""

    status: int
    body: bytes
    content_type: bytes
    request_id: str | None = None
    close: bool = False  # the connection ends with this response
    error_type: bytes | None = None  # x-amzn-errortype, of REST-JSON errors

    def header_list(self) -> HeaderList:
        headers = [
            (b"content-type", self.content_type),
            (b"content-length", b"%d" % len(self.body)),
        ]
        if self.request_id is not None:
            headers.append((b"x-amzn-requestid", self.request_id.encode("ascii")))
        if self.error_type is not None:
            headers.append((b"x-amzn-errortype", self.error_type))
        if self.close:
            headers.append((b"connection", b"close"))
        return headers


def joined_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name, the values of a repeated one joined in order."""
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        add_header(headers, name, value)
    return headers


def add_header(headers: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    """Add a header by its lower-case name, joined to an earlier one of the same."""
    if name in headers:
        headers[name] = headers[name].rstrip() + b"," + value.lstrip()
    else:
        headers[name] = value
