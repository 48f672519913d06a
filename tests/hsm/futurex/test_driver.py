"""The driver against servers that answer late, wrongly, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from keyferry.errors import (
    CardDataVerificationError,
    ConfigurationError,
    HSMConnectionError,
    HSMFrameError,
    HSMRefusedError,
    HSMTimeoutError,
    PINBlockError,
    PINVerificationError,
)
from keyferry.hsm.futurex import FuturexDriver, KeyPairUse
from keyferry.hsm.futurex.simulator import Device, fresh_state
from keyferry.hsm.futurex.simulator.running import serve
from keyferry.keys import KeyAlgorithm

PAN = "4123456789012345"
Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def with_server(
    client: Client, use: Callable[[FuturexDriver], Awaitable[None]], **options: float
) -> None:
    """Run a server of these manners, and a driver against it."""
    server = await asyncio.start_server(client, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with FuturexDriver("127.0.0.1", port, **options) as driver:
            await use(driver)
    finally:
        server.close()
        await server.wait_closed()


def answering(answer: bytes) -> Client:
    """Make a server that gives one answer to everything."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            writer.write(answer)
        writer.close()

    return client


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (b"[AOERRO;AM34;ANAO;BBINVALID TOKEN;]", HSMRefusedError, "error 34: invalid token"),
        (b"[AOERRO;AM77;ANCT;BBSOMETHING;]", HSMRefusedError, "77: something (token CT, key type)"),
        (b"[AOTWKA;BH1;]", HSMFrameError, "it is one to TWKA"),
        (b"[AOGPGS;AE1122;]", HSMFrameError, "token BG is missing"),
        (b"hello\n", HSMConnectionError, "given up"),
        (b"[AOGPGS;BG1;AE1122;AG9999;]", HSMConnectionError, "belongs to another request"),
    ],
)
async def test_answers_that_are_none(answer: bytes, error: type[Exception], said: str) -> None:
    """Each has its class and says what was wrong."""

    async def use(driver: FuturexDriver) -> None:
        with pytest.raises(error) as caught:
            await driver.generate_key(usage="K1", algorithm=KeyAlgorithm.TDES_3KEY, mode="B")
        assert said in str(caught.value)

    await with_server(answering(answer), use, attempts=1)


async def test_a_silent_hsm() -> None:
    """No answer in time is a timeout, and the connection is not used again."""

    async def use(driver: FuturexDriver) -> None:
        with pytest.raises(HSMTimeoutError, match=r"within 0\.05 s"):
            await driver.echo()

    await with_server(answering(b""), use, timeout_s=0.05)


async def test_a_lost_connection_is_made_again() -> None:
    """The first connection is closed unanswered; the command is sent again."""
    seen = 0

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        frame = await reader.readuntil(b"]")
        if seen > 1:
            writer.write(frame.replace(b"]", b"BBY;]"))
        writer.close()

    async def use(driver: FuturexDriver) -> None:
        await driver.echo()

    await with_server(client, use)
    assert seen == 2


async def test_answers_without_an_echo() -> None:
    """A command that does not bring AG back is accepted."""

    async def use(driver: FuturexDriver) -> None:
        made = await driver.generate_key(usage="K1", algorithm=KeyAlgorithm.TDES_3KEY, mode="B")
        assert (made.key, made.check_value) == ("D0112", "5AAE")
        assert "D0112" not in repr(made)

    await with_server(answering(b"[AOGPGS;AE5AAE;BGD0112;RT1;]"), use)


async def test_requests_at_once() -> None:
    """Many requests on few connections each get their own answer."""
    async with serve(Device()) as server, FuturexDriver("127.0.0.1", server.port) as driver:
        made = await asyncio.gather(
            *(
                driver.generate_key(usage="P0", algorithm=KeyAlgorithm.AES_128, mode="B")
                for _ in range(40)
            )
        )
        assert len({key.key for key in made}) == 40
        shown = await asyncio.gather(*(driver.check_value(key.key) for key in made))
        assert shown == [key.check_value for key in made]


async def test_check_value_where_the_hsm_shows_none() -> None:
    """TWKA of the samples' traces has no AE: then nothing is known, and nothing is made up."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"[AOGPGS;BGD0144;AE112233;]", b"[AOTWKA;BHD0112;]"):
            await reader.readuntil(b"]")
            writer.write(answer)
        writer.close()

    async def use(driver: FuturexDriver) -> None:
        assert await driver.check_value("D0112K1") == ""

    await with_server(client, use)


async def test_values_that_would_break_a_frame() -> None:
    """They are refused before anything is sent."""
    async with FuturexDriver("127.0.0.1", 1) as driver:
        for key in ("D01;12", "D01]12", "D0112\r"):
            with pytest.raises(HSMFrameError, match="kek: a value holds none of"):
                await driver.export_key_tr31(kek=key, key="D0112")


async def test_what_no_command_does() -> None:
    """A request the HSM has no code for is refused before anything is sent."""
    async with FuturexDriver("127.0.0.1", 1) as driver:
        with pytest.raises(ConfigurationError, match="HMAC"):
            await driver.generate_key(usage="M7", algorithm=KeyAlgorithm.HMAC_SHA256, mode="C")
        with pytest.raises(ConfigurationError, match="key block header"):
            await driver.generate_key(usage="K1", algorithm=KeyAlgorithm.AES_128, mode="?")
        with pytest.raises(ConfigurationError, match="RSA of 1024"):
            await driver.generate_rsa_key_pair(bits=1024)
        with pytest.raises(ConfigurationError, match="curve"):
            await driver.generate_ecc_key_pair(curve="P224")


async def test_card_and_pin_commands() -> None:
    """Keys of the HSM make and verify card values and PINs; a wrong value raises."""
    state = fresh_state()
    async with serve(Device(state)) as server, FuturexDriver("127.0.0.1", server.port) as driver:

        async def key(usage: str, mode: str) -> str:
            made = await driver.generate_key(
                usage=usage, algorithm=KeyAlgorithm.TDES_2KEY, mode=mode
            )
            return made.key

        card = {"pan": PAN, "expiry": "2712", "service_code": "101"}
        cvk = await key("C0", "C")
        values = await driver.generate_card_values(cvk=cvk, **card)
        await driver.verify_cvv(cvk=cvk, cvv=values.cvv, **card)
        wrong = f"{(int(values.cvv) + 1) % 1000:03d}"
        with pytest.raises(CardDataVerificationError):
            await driver.verify_cvv(cvk=cvk, cvv=wrong, **card)

        pek, other, pvk = await key("P0", "B"), await key("P0", "B"), await key("V2", "C")
        pvv = {"pvk": pvk, "pvki": "1", "pan": PAN}
        made = await driver.generate_pin(pek=pek, **pvv)
        block = await driver.translate_pin(
            incoming=pek, outgoing=other, pin_block=made.pin_block, pan=PAN
        )
        await driver.verify_pin(pek=other, pin_block=block, pvv=made.pvv, **pvv)
        assert await driver.make_pvv(pek=other, pin_block=block, **pvv) == made.pvv
        wrong = f"{(int(made.pvv) + 1) % 10_000:04d}"
        with pytest.raises(PINVerificationError):
            await driver.verify_pin(pek=other, pin_block=block, pvv=wrong, **pvv)
        with pytest.raises(PINBlockError):
            await driver.verify_pin(pek=other, pin_block=bytes(8), pvv=made.pvv, **pvv)


async def test_the_receiving_side() -> None:
    """TR-34, TR-31 and ECDH between two devices: the key arrives as the same key."""
    from datetime import UTC, datetime

    from keyferry.crypto.kdf import KeyDerivationFunction

    today = datetime.now(UTC).date()
    async with (
        serve(Device()) as left,
        serve(Device()) as right,
        FuturexDriver("127.0.0.1", left.port) as kdh,
        FuturexDriver("127.0.0.1", right.port) as krd,
    ):

        async def certify(
            driver: FuturexDriver, private_key: str, usage: str
        ) -> tuple[bytes, bytes]:
            authority = await driver.generate_ecc_key_pair(curve="P521", use=KeyPairUse.SIGN)
            root = await driver.self_sign(
                private_key=authority.private_key, subject="CA", not_before=today
            )
            request = await driver.request_certificate(
                private_key=private_key, subject="leaf", key_usage=usage
            )
            leaf = await driver.sign_request(
                request=request,
                issuer=root,
                private_key=authority.private_key,
                key_usage=usage,
                not_before=today,
            )
            return leaf, root

        # TR-34
        signer = await kdh.generate_rsa_key_pair(bits=2048)
        receiver = await krd.generate_rsa_key_pair(bits=2048, use=KeyPairUse.DERIVE)
        kdh_leaf, kdh_root = await certify(kdh, signer.private_key, "digitalSignature")
        krd_leaf, krd_root = await certify(krd, receiver.private_key, "keyEncipherment")
        kek = await kdh.generate_key(usage="K1", algorithm=KeyAlgorithm.TDES_3KEY, mode="B")
        nonce = bytes(range(8))
        token = await kdh.export_key_tr34(
            key=kek.key,
            kdh_certificate=kdh_leaf,
            private_key=signer.private_key,
            krd_certificate=krd_leaf,
            krd_issuer_tpk=await kdh.trust_root(krd_root),
            nonce=nonce,
        )
        arguments = {
            "kdh_certificate": kdh_leaf,
            "kdh_issuer_tpk": await krd.trust_root(kdh_root),
            "private_key": receiver.private_key,
            "krd_certificate": krd_leaf,
        }
        arrived = await krd.import_key_tr34(token=token, nonce=nonce, **arguments)
        assert arrived.check_value == kek.check_value
        with pytest.raises(HSMRefusedError, match="904"):
            await krd.import_key_tr34(token=token, nonce=bytes(8), **arguments)
        with pytest.raises(HSMRefusedError, match="34"):
            await krd.import_key_tr34(token=token[:-1], nonce=nonce, **arguments)

        # TR-31 under it
        working = await kdh.generate_key(usage="B0", algorithm=KeyAlgorithm.TDES_3KEY, mode="X")
        block = (await kdh.export_key_tr31(kek=kek.key, key=working.key)).block
        came = await krd.import_key_tr31(kek=arrived.key, block=block)
        assert came.check_value == working.check_value
        flipped = block[:-1] + ("0" if block[-1] != "0" else "1")
        with pytest.raises(HSMRefusedError, match="904"):
            await krd.import_key_tr31(kek=arrived.key, block=flipped)

        # ECDH
        sides = []
        pairs = []
        for driver in (kdh, krd):
            pair = await driver.generate_ecc_key_pair(curve="P384")
            pairs.append(pair)
            sides.append(await certify(driver, pair.private_key, "keyAgreement"))
        derived = []
        for driver, pair, (leaf, root) in zip((kdh, krd), pairs, reversed(sides), strict=True):
            tpk = await driver.trust_issued(leaf, issuer_tpk=await driver.trust_root(root))
            derived.append(
                await driver.agree_key(
                    private_key=pair.private_key,
                    peer_tpk=tpk,
                    algorithm=KeyAlgorithm.AES_256,
                    kdf=KeyDerivationFunction.ANSI_X963,
                    hash_name="SHA384",
                    shared_info=b"info",
                )
            )
        strong = await kdh.generate_key(usage="K1", algorithm=KeyAlgorithm.AES_256, mode="B")
        block = (await kdh.export_key_tr31(kek=derived[0], key=strong.key)).block
        came = await krd.import_key_tr31(kek=derived[1], block=block)
        assert came.check_value == strong.check_value
