"""Simulated devices, and ways to ask them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from keyferry.crypto.certificates import CertificateUsage, create_root, issue_leaf
from keyferry.crypto.variant_lmk import TEST_LMK
from keyferry.hsm.payshield.simulator import Device, LMKRecord, Settings, State, fresh_state

HEADER = "0001"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Ask = Callable[..., bytes]


@pytest.fixture
def ask() -> Ask:
    """Ask a device and return its answer from the response code on; the header must come back."""

    def question(device: Device, request: str | bytes, *, port_lmk: str | None = None) -> bytes:
        body = request if isinstance(request, bytes) else request.encode("latin-1")
        answer = device.answer(HEADER.encode() + body, port_lmk=port_lmk)
        if not isinstance(answer, bytes):

            async def wait(pending: object) -> bytes:
                assert inspect.isawaitable(pending)
                answered = await pending
                assert isinstance(answered, bytes)
                return answered

            answer = asyncio.run(wait(answer))
        assert answer[:4] == HEADER.encode()
        return answer[4:]

    return question


@pytest.fixture
def state() -> State:
    """What a fresh device remembers."""
    return fresh_state()


@pytest.fixture
def device(state: State) -> Device:
    """A device with published settings: LMK 00 key block, 02 the public variant set."""
    return Device(state, now=lambda: NOW)


@pytest.fixture
def open_device() -> Device:
    """A device whose settings allow what the published exchanges of old simulators do."""
    return Device(
        settings=Settings(
            default_lmk="02",
            trusted_format_only=False,
            x917_import=True,
            x917_export=True,
            restrict_check_values=False,
            zmk_translate=True,
            import_zmk=True,
            export_zmk=True,
        ),
        now=lambda: NOW,
    )


@pytest.fixture
def migrating(state: State) -> Device:
    """A device whose key block LMK has replaced the variant LMK, which is still in storage."""
    variant = next(record for record in state.lmks if record.id == "02")
    state.old_lmks = [LMKRecord(id="00", scheme=variant.scheme)]
    return Device(state, now=lambda: NOW)


@pytest.fixture
def under_test_lmk() -> Callable[[str, str, str], str]:
    """Encrypt a clear key under the public test LMK: hex key, key type, scheme."""

    def encrypt(key: str, key_type: str, scheme: str) -> str:
        return TEST_LMK.encrypt(bytes.fromhex(key), key_type=key_type, scheme=scheme)

    return encrypt


class Authority:
    """A certificate authority and a key receiving device of a test."""

    def __init__(self) -> None:
        self.now = NOW
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.root = create_root(
            self.key,
            common_name="test root",
            not_before=NOW - timedelta(days=1),
            not_after=NOW + timedelta(days=30),
        )
        self.krd_key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        self.krd = self.leaf(self.krd_key.public_key(), "krd", CertificateUsage.KEY_ENCIPHERMENT)

    def leaf(
        self, public_key: rsa.RSAPublicKey, name: str, usage: CertificateUsage
    ) -> x509.Certificate:
        """Issue a certificate."""
        return issue_leaf(
            public_key,
            subject=name,
            issuer=self.root,
            issuer_key=self.key,
            not_before=NOW - timedelta(days=1),
            not_after=NOW + timedelta(days=30),
            usage=usage,
        )


@pytest.fixture(scope="session")
def authority() -> Authority:
    """One authority for all tests: RSA keys take time."""
    return Authority()
