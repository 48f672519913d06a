"""The driver against the simulator, and against HSMs that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from keyferry.crypto.certificates import CertificateUsage
from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.ecdh import agree
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.tr34 import issuer_and_serial, open_token
from keyferry.errors import (
    ConfigurationError,
    HSMConnectionError,
    HSMFrameError,
    HSMRefusedError,
    UnsupportedAlgorithmError,
)
from keyferry.hsm.host_server import server_tls
from keyferry.hsm.payshield import (
    LMKScheme,
    LMKSelection,
    PayShieldDriver,
    TR31Attributes,
    WireKey,
    client_tls,
)
from keyferry.hsm.payshield.commands import COMMANDS
from keyferry.hsm.payshield.refusals import refusal
from keyferry.hsm.payshield.simulator import Device, Settings
from keyferry.hsm.payshield.simulator.server import SimulatorServer

KEY_BLOCK = LMKSelection(scheme=LMKScheme.KEY_BLOCK, identifier="00")
VARIANT = LMKSelection(scheme=LMKScheme.VARIANT, identifier="02")
SCHEMES = pytest.mark.parametrize("lmk", [KEY_BLOCK, VARIANT], ids=["key block", "variant"])


@pytest.fixture
async def driver(device: Device) -> AsyncIterator[PayShieldDriver]:
    """A driver connected to a simulator with published settings."""
    async with (
        SimulatorServer(device) as server,
        PayShieldDriver("127.0.0.1", server.port) as driver,
    ):
        yield driver


# --- with a device that behaves -----------------------------------------------------------------


@SCHEMES
async def test_keys_there_and_back(driver: PayShieldDriver, lmk: LMKSelection) -> None:
    """Generate, export, import, generate and export: one check value all the way."""
    pin_key = TR31Attributes(usage="P0", mode="B") if lmk.is_variant else None
    kek = await driver.generate_key(lmk, usage="K1", algorithm="T2")
    key = await driver.generate_key(lmk, usage="P0", algorithm="T2", mode="B")
    assert key.key[0] == ("U" if lmk.is_variant else "S")
    assert await driver.check_value(lmk, key=key.key, key_type="001") == key.check_value
    exported = await driver.export_key_tr31(
        lmk, zmk=kek.key, key=key.key, key_type="001", attributes=pin_key, version="B"
    )
    assert exported.block.startswith("B0080P0TB00")
    assert exported.check_value == key.check_value
    imported = await driver.import_key_tr31(lmk, zmk=kek.key, block=exported.block, key_type="001")
    assert (imported.check_value, imported.parity_adjusted) == (key.check_value, False)
    both = (
        await driver.generate_and_export_key(
            lmk, zmk=kek.key, usage="P0", algorithm="T2", mode="B", attributes=pin_key
        )
        if not lmk.is_variant
        else None
    )
    if both is not None:
        back = await driver.import_key_tr31(lmk, zmk=kek.key, block=both.block)
        assert back.check_value == both.check_value


@SCHEMES
async def test_tr34(driver: PayShieldDriver, authority: Any, lmk: LMKSelection) -> None:
    """A token from the parts the driver returns opens at the KRD."""
    attributes = TR31Attributes(usage="K1", mode="B") if lmk.is_variant else None
    pair = await driver.generate_rsa_key_pair(lmk, bits=2048)
    public_key = load_der_public_key(pair.public_key)
    kdh = authority.leaf(public_key, "kdh", CertificateUsage.DIGITAL_SIGNATURE)
    key = await driver.generate_key(lmk, usage="K1", algorithm="T2")
    nonce = b"\x19%;&!#~="
    parts = await driver.export_key_tr34(
        lmk,
        key=key.key,
        kdh_id=issuer_and_serial(kdh),
        krd_id=issuer_and_serial(authority.krd),
        krd_public_key=authority.krd_key.public_key().public_bytes(
            Encoding.DER, PublicFormat.PKCS1
        ),
        private_key=pair.private_key,
        nonce=nonce,
        attributes=attributes,
    )
    opened = open_token(
        parts.token(issuer_and_serial(kdh)),
        kdh_certificate=kdh,
        krd_certificate=authority.krd,
        krd_private_key=authority.krd_key,
        nonce=nonce,
        kdh_ca=authority.root,
        now=authority.now,
    )
    assert tdes_kcv(opened.key).hex().upper() == parts.check_value == key.check_value


@pytest.mark.parametrize("shared_info", [b"", bytes.fromhex("0123456789"), bytes(100)])
async def test_ecdh(driver: PayShieldDriver, shared_info: bytes) -> None:
    """The agreed key's check value is that of the key derived here, with any shared info."""
    ours = ec.generate_private_key(ec.SECP384R1())
    pair = await driver.generate_ecc_key_pair(KEY_BLOCK, curve="P384")
    agreed = await driver.agree_key(
        KEY_BLOCK,
        peer_public_key=ours.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        ),
        private_key=pair.private_key,
        kdf="2",
        shared_info=shared_info,
        algorithm="A3",
    )
    theirs = load_der_public_key(pair.public_key)
    assert isinstance(theirs, ec.EllipticCurvePublicKey)
    derived = derive_key(
        agree(ours, theirs),
        kdf=KeyDerivationFunction.ANSI_X963,
        hash_name="SHA256",
        shared_info=shared_info,
        size=32,
    )
    assert cmac_kcv(Cipher.AES, derived).hex().upper() == agreed.check_value


async def test_diagnostics(driver: PayShieldDriver) -> None:
    """Check values, firmware, sockets, echo, random numbers."""
    assert (await driver.diagnostics(VARIANT)).lmk_check_value == "2686040000000000"
    status = await driver.status()
    assert (status.tcp, status.sockets, status.firmware) == (True, 256, "SIM0-0001")
    data = bytes(range(256))
    assert await driver.echo(data) == data
    assert len(await driver.random(256)) == 256


async def test_every_parallel_request_gets_its_own_answer(device: Device) -> None:
    """Over two connections, three hundred requests at once are told apart."""
    async with (
        SimulatorServer(device) as server,
        PayShieldDriver("127.0.0.1", server.port, connections=2) as driver,
    ):
        wanted = [b"%d" % number for number in range(300)]
        assert await asyncio.gather(*map(driver.echo, wanted)) == wanted
        assert len(device.network) <= 2


@pytest.mark.parametrize("header_bytes", [0, 1, 2, 30])
async def test_header_lengths(header_bytes: int) -> None:
    """Any configured header length works, none at all included."""
    device = Device(settings=Settings(header_length=header_bytes))
    async with (
        SimulatorServer(device) as server,
        PayShieldDriver("127.0.0.1", server.port, header_bytes=header_bytes) as driver,
    ):
        for number in range(20):
            assert await driver.echo(b"%d" % number) == b"%d" % number


async def test_refusals_say_what_to_do(driver: PayShieldDriver) -> None:
    """Command, code, meaning and hint, and never the key."""
    key = await driver.generate_key(KEY_BLOCK, usage="B0", algorithm="T2", mode="X")
    with pytest.raises(HSMRefusedError) as caught:
        await driver.export_key_tr31(KEY_BLOCK, zmk=key.key, key=key.key)
    assert (caught.value.command, caught.value.code) == ("A8 export key", "BB")
    assert caught.value.meaning == "invalid wrapping key"
    assert caught.value.hint is not None
    assert key.key[17:] not in str(caught.value)
    with pytest.raises(HSMRefusedError, match="68: command disabled"):
        await driver.call("BY", {"zmk": "U" + "0" * 32, "wrapped_key": "U" + "0" * 32}, lmk=VARIANT)


def test_own_meanings_win() -> None:
    """A command's own meaning of a code wins over the general list, and so does its silence."""
    assert refusal(COMMANDS["EI"], "05").meaning == "invalid key type"
    assert refusal(COMMANDS["BU"], "05").meaning == "invalid key length flag"
    assert refusal(COMMANDS["A0"], "Q7").meaning == "unknown error code"
    assert refusal(COMMANDS["A6"], "10").hint is None


async def test_what_is_refused_before_any_call(driver: PayShieldDriver, device: Device) -> None:
    """What cannot work is said without asking the HSM."""
    key = WireKey.parse("U" + "0" * 32).text
    with pytest.raises(ConfigurationError, match="key block LMK only"):
        await driver.generate_ecc_key_pair(VARIANT, curve="P256")
    with pytest.raises(UnsupportedAlgorithmError, match="variant LMK"):
        await driver.generate_key(VARIANT, usage="K1", algorithm="A3")
    with pytest.raises(UnsupportedAlgorithmError, match="curve"):
        await driver.generate_ecc_key_pair(KEY_BLOCK, curve="P192")
    with pytest.raises(ConfigurationError, match="key type"):
        await driver.check_value(VARIANT, key=key)
    with pytest.raises(ConfigurationError, match="attributes"):
        await driver.export_key_tr31(VARIANT, zmk=key, key=key, key_type="001")
    with pytest.raises(ConfigurationError, match="signing"):
        await driver.generate_rsa_key_pair(KEY_BLOCK, bits=2048, signing=False)
    with pytest.raises(HSMFrameError):
        await driver.check_value(KEY_BLOCK, key="S0007")
    with pytest.raises(ConfigurationError):
        PayShieldDriver("127.0.0.1", header_bytes=300)
    assert not device.volumes


# --- TLS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Write a CA, a server certificate and a client certificate."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("hsm.test", "client"):
        certificate = authority.issue_cert(name)
        certificate.private_key_pem.write_to_path(folder / f"{name}.key")
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(folder / f"{name}.pem", append=True)
    return lambda name: str(Path(folder) / name)


async def test_mutual_tls(device: Device, tls_files: Callable[[str], str]) -> None:
    """With its certificate the driver gets through; without, or under another name, it does not."""
    listening = server_tls(
        tls_files("hsm.test.pem"), tls_files("hsm.test.key"), tls_files("ca.pem")
    )
    async with SimulatorServer(device, tls=listening) as server:
        for certificate, name, works in (
            ("client.pem", "hsm.test", True),
            (None, "hsm.test", False),
            ("client.pem", "other.test", False),
        ):
            tls = client_tls(
                tls_files("ca.pem"),
                tls_files(certificate) if certificate else None,
                tls_files("client.key"),
            )
            async with PayShieldDriver(
                "127.0.0.1", server.port, tls=tls, server_name=name, attempts=1
            ) as driver:
                if works:
                    assert await driver.echo(b"hi") == b"hi"
                    continue
                with pytest.raises(HSMConnectionError):
                    await driver.echo(b"hi")


def test_tls_files_that_are_none(tmp_path: Path) -> None:
    """A missing or foreign file is named as a configuration error."""
    with pytest.raises(ConfigurationError):
        client_tls(str(tmp_path / "missing.pem"))
    (tmp_path / "text.pem").write_text("not PEM")
    with pytest.raises(ConfigurationError):
        client_tls(str(tmp_path / "text.pem"))
