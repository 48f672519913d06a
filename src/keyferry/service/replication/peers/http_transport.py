"""
The way from a Region to a peer that another service serves: signed JSON 1.0 over HTTP.

Requests block in a small pool of threads of the peer's own, so that one that hangs holds up nobody
else. Whatever comes back that is not an answer of the protocol is PeerUnreachableError or
PeerProtocolError, a refusal in the peer's words PeerRefusedError.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from cryptography import x509

from keyferry.crypto.certificates import load_certificate
from keyferry.errors import (
    CertificateError,
    KeyferryError,
    PeerProtocolError,
    PeerRefusedError,
    PeerUnreachableError,
)
from keyferry.service.replication import messages as m
from keyferry.service.replication.peers.circuit import Circuit
from keyferry.service.replication.peers.http_connection import Abortable, Answer, PeerConnections
from keyferry.service.replication.peers.settings import PeerAddress
from keyferry.service.wire import json10
from keyferry.service.wire.signing import RequestSigner
from keyferry.service.wire.sigv4 import ALLOWED_SKEW

TARGET = "KeyferryReplication"
SENDER_HEADER = "x-keyferry-region"
# From the call to the whole answer, waiting for a thread included.
CALL_TIMEOUT_S = 30.0
ROOT_TIMEOUT_S = 5.0  # asked for while the peer waits for us
_WORDS_CHARACTERS = 300
# What is asked only when an administrator asks. A peer that came back a moment ago answers, though
# the circuit would still hold deliveries back.
_BY_HAND = frozenset({m.DESCRIBE_REPLICAS, m.DESCRIBE_ALIASES, m.DESCRIBE_QUOTA})


class HTTPPeer:
    """
    One Region that another service serves; all Regions of this process share it.

    Args:
        threads: how many messages can be under way at once.
        clock: the time of day in UTC.
    """

    def __init__(
        self,
        address: PeerAddress,
        connections: PeerConnections,
        signer: RequestSigner,
        circuit: Circuit,
        *,
        threads: int,
        clock: Callable[[], datetime],
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self.circuit = circuit
        self.region = address.region
        self._address = address
        self._connections = connections
        self._signer = signer
        self._clock = clock
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"peer-{address.region}")
        self._under_way: set[Abortable] = set()
        self._closed = False

    async def ask(
        self, sender: str, operation: str, body: bytes, *, timeout_s: float | None = None
    ) -> bytes:
        """Send a message of `sender` and return the answer; errors as `Transport.call`."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        if self._closed:
            raise PeerUnreachableError(f"{self.region} is not asked any more: the service ends")
        request = Abortable()
        self._under_way.add(request)
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._ask, sender, operation, body, request
                )
        except TimeoutError:
            request.abort()
            raise PeerUnreachableError(
                f"{self.region} at {self._address.netloc}: no answer in {timeout_s:g} s"
            ) from None
        except asyncio.CancelledError:
            request.abort()  # or the thread would wait on
            raise
        finally:
            self._under_way.discard(request)

    def close(self) -> None:
        """Break off what is under way and close all connections."""
        self._closed = True
        for request in tuple(self._under_way):
            request.abort()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._connections.close()

    def _ask(self, sender: str, operation: str, body: bytes, request: Abortable) -> bytes:
        """What a thread does."""
        headers = self._signer.sign(
            {
                "host": self._address.netloc,
                "accept-encoding": "identity",
                "content-type": json10.CONTENT_TYPE.decode(),
                "x-amz-target": f"{TARGET}.{operation}",
                SENDER_HEADER: sender,
            },
            body,
            now=self._clock(),
        )
        where = f"{self.region} at {self._address.netloc}"
        try:
            answer = self._connections.post(headers, body, request)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PeerUnreachableError(f"{where}: {_reason(error)}") from None
        except CertificateError as error:
            raise PeerUnreachableError(f"{where}: {error}", hint=error.hint) from None
        except PeerProtocolError as error:
            raise PeerProtocolError(f"{where}: {error}") from None
        except KeyferryError as error:
            raise PeerUnreachableError(f"{where}: {error}") from None
        return self._read(answer, where, operation)

    def _read(self, answer: Answer, where: str, operation: str) -> bytes:
        if answer.status == http.client.OK:
            if answer.content_type.encode("latin-1", "replace") != json10.CONTENT_TYPE:
                raise PeerProtocolError(f"{where}: what answers is no keyferry service")
            return answer.body
        code, words = _refusal(answer.body)
        if answer.status >= 500 or code in ("ThrottlingException", "TooManyRequestsException"):
            told = f": {code}: {words}" if code else ""
            raise PeerUnreachableError(f"{where} cannot answer now ({answer.status}){told}")
        if not code:
            raise PeerProtocolError(
                f"{where}: status {answer.status} from what is no keyferry service"
            )
        difference = self._clock_difference(answer)
        if difference is not None:
            raise PeerRefusedError(
                f"{where} refused {operation}: the clocks differ by {difference} minutes",
                code=code,
                hint="set both clocks by NTP; up to 15 minutes are tolerated",
            )
        raise PeerRefusedError(f"{where} refused {operation} with {code}: {words}", code=code)

    def _clock_difference(self, answer: Answer) -> int | None:
        """Minutes between the peer's clock and ours, if they are too many for a signature."""
        if answer.date is None:
            return None
        try:
            difference = abs(parsedate_to_datetime(answer.date) - self._clock())
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        # What the signature and the way took may be the last second.
        if difference < ALLOWED_SKEW - timedelta(seconds=5):
            return None
        return round(difference.total_seconds() / 60)


class HTTPTransport:
    """The way from one Region of this process to a peer."""

    def __init__(self, peer: HTTPPeer, sender: str) -> None:
        self._peer = peer
        self._sender = sender

    @property
    def circuit(self) -> Circuit:
        """The circuit all ways to this peer share."""
        return self._peer.circuit

    async def call(self, operation: str, body: bytes) -> bytes:
        with self._peer.circuit.attempt(always=operation in _BY_HAND):
            return await self._peer.ask(self._sender, operation, body)

    async def root(self) -> x509.Certificate:
        """
        The peer's root, asked for each time: agreements are rare, and a Region whose store was
        made anew has another.

        The circuit is not asked. It may be open while a peer that is back agrees on a KEK with us,
        which waits for this answer.
        """
        message = m.encode(m.GetRootInput())
        body = await self._peer.ask(self._sender, m.GET_ROOT, message, timeout_s=ROOT_TIMEOUT_S)
        answer = m.decode(body, m.GetRootOutput)
        with contextlib.suppress(KeyferryError):
            return load_certificate(answer.certificate)
        raise PeerProtocolError(f"{self._peer.region} has a root that is no certificate")


def _reason(error: Exception) -> str:
    """What went wrong, in a few words and without what the other side sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'failed'}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return f"no HTTP answer ({type(error).__name__})"


def _refusal(body: bytes) -> tuple[str, str]:
    """Exception name and words of an error of the service; two empty texts if it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    kind = document.get("__type") if isinstance(document, dict) else None
    if not isinstance(kind, str):
        return "", ""
    words = document.get("message") or document.get("Message") or "no reason given"
    return kind.rpartition("#")[2][:64], str(words)[:_WORDS_CHARACTERS]
