"""What lies between two services: it cuts, repeats, delays, reorders and spoils what they say."""

from __future__ import annotations

import random
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import trustme


class Mishap(StrEnum):
    """What becomes of one message."""

    NONE = "none"
    LOST = "lost"  # it does not arrive
    CUT = "cut"  # half of it arrives
    UNANSWERED = "unanswered"  # it arrives, the answer does not
    HALF_ANSWERED = "half-answered"  # it arrives, half of the answer does
    TWICE = "twice"  # it arrives on two connections at once; the answer is one of the two
    LATE = "late"  # it seems lost, and arrives after the next one was answered
    AGAIN = "again"  # it is answered, and arrives once more after the next one was
    GARBAGE = "garbage"  # it does not arrive, and something is answered
    SPOILED = "spoiled"  # it arrives, and what is answered is something else


def garbage(rng: random.Random) -> bytes:
    """Something that is no answer of the protocol."""

    def http(
        body: bytes, *, status: str = "200 OK", kind: str = "application/x-amz-json-1.0"
    ) -> bytes:
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body

    return rng.choice(
        [
            rng.randbytes(200),
            b"220 mail.example ESMTP\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: nine\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{",
            http(b"<html>Welcome</html>", kind="text/html"),
            http(b"<html>Bad gateway</html>", status="502 Bad Gateway", kind="text/html"),
            http(b"", status="302 Found"),
            http(b"{"),
            http(b"{}"),
            http(b"[]"),
            http(b'{"Results": []}'),
            http(b'{"Results": [7], "UnknownKek": 1}'),
            http(b'{"UnknownKek": true}'),
            http(b'{"__type": "NoSuchThing"}', status="400 Bad Request"),
            http(rng.randbytes(3000)),
        ]
    )


class Way:
    """The way to one service: a port that is open whether the service runs or not."""

    def __init__(self, port: int, *, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lock = threading.Lock()
        self._target = ("127.0.0.1", port)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.run(self._accept)

    def run(self, work: Callable[..., object], *args: Any) -> threading.Thread:
        """Do something in a thread, which `close` waits for."""
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def keep(self, connection: socket.socket) -> bool:
        """Have `close` end a connection; False if that was already."""
        with self.lock:
            if not self._closed:
                self._open.add(connection)
        return not self._closed

    def forget(self, connection: socket.socket) -> None:
        with self.lock:
            self._open.discard(connection)
        connection.close()

    def connect(self) -> socket.socket:
        """A connection to the service; OSError if there is none."""
        return socket.create_connection(self._target, timeout=20)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                if not self.keep(connection):
                    connection.close()
                    return
                self.run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with suppress(OSError):
                self.serve(connection)
        finally:
            self.forget(connection)

    def serve(self, connection: socket.socket) -> None:
        """Carry what one connection says."""
        raise NotImplementedError

    def close(self) -> None:
        # A thread that waits does not notice that its socket is closed, but this it does.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self.lock:
            self._closed = True
            for connection in self._open:
                end(connection)
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


def end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Wire(Way):
    """A way that understands messages. Without a `mix` of mishaps it carries each as it is."""

    def __init__(self, port: int, *, seed: int) -> None:
        self.mix: tuple[Mishap, ...] = (Mishap.NONE,)
        self.happened: Counter[Mishap] = Counter()
        self._news = threading.Condition()
        self._held: list[bytes] = []
        super().__init__(port, seed=seed)

    def serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            while (message := read_message(reader)) is not None:
                with self.lock:
                    mishap = self.rng.choice(self.mix)
                with self._news:
                    self.happened[mishap] += 1
                    self._news.notify_all()
                if not self._carry(connection, message, mishap):
                    return

    def _carry(self, connection: socket.socket, message: bytes, mishap: Mishap) -> bool:
        """Carry one message and its answer; False if the connection ends with it."""
        match mishap:
            case Mishap.LOST:
                return False
            case Mishap.CUT:
                self._deliver(message[: self.rng.randrange(1, len(message))], whole=False)
                return False
            case Mishap.LATE:
                self._hold(message)
                return False
            case Mishap.GARBAGE:
                connection.sendall(garbage(self.rng))
                return False
        twin = self.run(self._deliver, message) if mishap is Mishap.TWICE else None
        answer = self._deliver(message)
        if twin is not None:
            twin.join()
        if answer is None:
            return False
        self._deliver_held()
        match mishap:
            case Mishap.UNANSWERED:
                return False
            case Mishap.HALF_ANSWERED:
                connection.sendall(answer[: self.rng.randrange(1, len(answer))])
                return False
            case Mishap.SPOILED:
                connection.sendall(garbage(self.rng))
                return False
            case Mishap.AGAIN:
                self._hold(message)
        connection.sendall(answer)
        return True

    def _hold(self, message: bytes) -> None:
        with self.lock:
            self._held.append(message)

    def _deliver_held(self) -> None:
        with self.lock:
            held, self._held = self._held, []
            self.rng.shuffle(held)
        for late in held:
            self._deliver(late)

    def _deliver(self, message: bytes, *, whole: bool = True) -> bytes | None:
        """Send it to the service and return the answer; None if there is none."""
        with suppress(OSError), self.connect() as there:
            there.sendall(message)
            if whole:
                with there.makefile("rb") as reader:
                    return read_message(reader)
        return None

    def wait(self, count: int) -> None:
        """Wait until so many more mishaps were met."""
        with self._news:
            wanted = self._met() + count
            assert self._news.wait_for(lambda: self._met() >= wanted, 60), self.happened

    def _met(self) -> int:
        return self.happened.total() - self.happened[Mishap.NONE]

    def calm(self) -> None:
        """No mishaps any more; what is held arrives now."""
        self.mix = (Mishap.NONE,)
        self._deliver_held()


def read_message(reader: Any) -> bytes | None:
    """One request or answer of HTTP/1.1, head and body; None at the end, or if it is not whole."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline(65536)
        if not line:
            return None
        head += line
    size = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    body = reader.read(size)
    return head + body if len(body) == size else None


class ByteWire(Way):
    """A way that sees bytes alone, as with TLS: it can cut, in the middle, and nothing else."""

    def __init__(self, port: int, *, seed: int) -> None:
        self.cutting = False
        self._cuts = 0
        self._news = threading.Condition()
        super().__init__(port, seed=seed)

    def serve(self, connection: socket.socket) -> None:
        with self.connect() as there:
            there.settimeout(None)
            if not self.keep(there):
                return
            back = self.run(self._pump, there, connection)
            self._pump(connection, there)
            back.join()
            self.forget(there)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                with self.lock:
                    cut = self.cutting and self.rng.random() < 0.1
                    place = self.rng.randrange(len(data))
                sink.sendall(data[:place] if cut else data)
                if cut:
                    with self._news:
                        self._cuts += 1
                        self._news.notify_all()
                    break
        end(source)
        end(sink)

    def wait(self, count: int) -> None:
        """Wait until so many more connections were cut."""
        with self._news:
            wanted = self._cuts + count
            assert self._news.wait_for(lambda: self._cuts >= wanted, 60), self._cuts


class Tools:
    """What test modules share, handed out by a fixture, as test files import nothing of ours."""

    bytes = ByteWire
    mishap = Mishap
    every_mishap = tuple(Mishap)


@pytest.fixture(scope="session")
def wire() -> type[Tools]:
    return Tools


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Gives a site a certificate for its host, which it shows to clients and to its peer."""
    authority = trustme.CA()
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(ca))

    def secure(region: str, site: Any) -> list[str]:
        # Certificates are for a host; on one machine two names tell two services apart.
        site.host = {"us-east-1": "127.0.0.1", "us-west-2": "localhost"}[region]
        site.tls = ssl.create_default_context(cafile=str(ca))
        issued = authority.issue_cert(site.host)
        cert, key = tmp_path / f"{region}.pem", tmp_path / f"{region}.key"
        issued.cert_chain_pems[0].write_to_path(cert)
        issued.private_key_pem.write_to_path(key)
        return [
            *("--tls-cert", str(cert), "--tls-key", str(key), "--peer-ca", str(ca)),
            *("--peer-cert", str(cert), "--peer-key", str(key)),
        ]

    return secure


@pytest.fixture
def apart(make_pair: Callable[..., Any]) -> Iterator[Callable[..., tuple[Any, dict[str, Any]]]]:
    """Makes two Regions that reach each other only over ways of ours; they are not started."""
    ways: list[Way] = []

    def make(
        kind: type[Way] = Wire, *, seed: int = 1, **options: Any
    ) -> tuple[Any, dict[str, Any]]:
        made: dict[str, Way] = {}

        def between(region: str, site: Any) -> int:
            made[region] = kind(site.port, seed=seed * 10 + len(made))
            ways.append(made[region])
            return made[region].port

        return make_pair(between=between, **options), made

    yield make
    for way in ways:
        way.close()
