"""The AWS side against scripted answers: what the service here never does, but AWS may."""

from __future__ import annotations

from typing import Any

import pytest

from keyferry.errors import ExchangeError
from keyferry.exchange.parties import apc_calls
from keyferry.exchange.parties.apc import APCParty
from keyferry.exchange.parties.interface import KEK, KeyRequest
from keyferry.keys import KeyAlgorithm, KeyUsage

ARN = "arn:aws:payment-cryptography:us-east-1:111122223333:key/aaaaaaaaaaaaaaaa"


def key(**changes: Any) -> dict[str, Any]:
    """A key as the API shows it."""
    return {
        "KeyArn": ARN,
        "KeyAttributes": {
            "KeyUsage": "TR31_K1_KEY_BLOCK_PROTECTION_KEY",
            "KeyClass": "SYMMETRIC_KEY",
            "KeyAlgorithm": "AES_128",
            "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
        },
        "KeyCheckValue": "08D7B4",
        "KeyCheckValueAlgorithm": "CMAC",
        "KeyState": "CREATE_COMPLETE",
        "Enabled": True,
        "Exportable": True,
        **changes,
    }


class Scripted:
    """A client that gives scripted answers, one an operation."""

    region = "us-east-1"

    def __init__(self, **answers: list[dict[str, Any]]) -> None:
        self.answers = answers
        self.calls: list[str] = []

    async def read(self, operation: str, **_: Any) -> dict[str, Any]:
        self.calls.append(operation)
        return self.answers[operation].pop(0)

    async def write(self, operation: str, *, made: Any = None, **_: Any) -> dict[str, Any]:
        answer = await self.read(operation)
        if made is not None:
            made(answer)
        return answer

    def close(self) -> None:
        """Nothing to close."""


def party(**answers: list[dict[str, Any]]) -> tuple[APCParty, Scripted]:
    """A party over scripted answers."""
    client = Scripted(**answers)
    return APCParty(client), client  # type: ignore[arg-type]


SHARED = KEK(handle="alias/kek", algorithm=KeyAlgorithm.AES_128, check_value="08D7B4", aes=True)


async def test_a_key_that_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """CREATE_IN_PROGRESS is waited for."""
    monkeypatch.setattr(apc_calls, "SETTLE_POLL_S", 0.0)
    pending = {"Key": key(KeyState="CREATE_IN_PROGRESS")}
    receiver, client = party(
        import_key=[pending], get_key=[pending, pending, {"Key": key()}], delete_key=[{}]
    )
    received = await receiver.import_tr31("D" * 56, SHARED)
    assert received.check_value == "08D7B4"
    assert client.calls == ["import_key", "get_key", "get_key", "get_key"]


@pytest.mark.parametrize("state", ["CREATE_FAILED", "DELETE_PENDING"])
async def test_a_key_that_does_not_come_to_exist(state: str) -> None:
    """Another state is an error, and the key is among what is taken back."""
    receiver, client = party(
        import_key=[{"Key": key()}], get_key=[{"Key": key(KeyState=state)}], delete_key=[{}]
    )
    with pytest.raises(ExchangeError, match=f"{ARN} is {state}"):
        await receiver.import_tr31("D" * 56, SHARED)
    assert await receiver.clean_up(failed=True) == [
        f"{ARN} (the imported key) is scheduled for deletion in 3 days"
    ]
    assert client.calls[-1] == "delete_key"


async def test_a_key_that_never_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting ends, with the ARN."""
    monkeypatch.setattr(apc_calls, "SETTLE_POLL_S", 0.0)
    monkeypatch.setattr(apc_calls, "SETTLE_TIMEOUT_S", 0.01)
    pending = {"Key": key(KeyState="CREATE_IN_PROGRESS")}
    receiver, _ = party(import_key=[pending], get_key=[pending] * 1_000_000)
    with pytest.raises(ExchangeError, match="is still being created"):
        await receiver.import_tr31("D" * 56, SHARED)


async def test_attributes_this_build_does_not_know() -> None:
    """A new algorithm of the service is told, not stumbled over."""
    unknown = key()
    unknown["KeyAttributes"] = {**unknown["KeyAttributes"], "KeyAlgorithm": "ML_KEM_768"}
    receiver, _ = party(get_key=[{"Key": unknown}])
    with pytest.raises(ExchangeError, match="attributes this build does not know"):
        await receiver.kek("alias/kek")


async def test_an_export_of_another_key() -> None:
    """If the service says it wrapped a key with another check value, nothing is sent on."""
    sender, _ = party(
        get_key=[{"Key": key()}],
        export_key=[{"WrappedKey": {"KeyMaterial": "D0112", "KeyCheckValue": "FFFFFF"}}],
    )
    sent = await sender.transport_key(
        KeyRequest(
            usage=KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY,
            algorithm=KeyAlgorithm.AES_128,
            transport_key=ARN,
        )
    )
    with pytest.raises(ExchangeError, match="wrapped a key with check value FFFFFF, not 08D7B4"):
        await sender.export_tr31(sent, SHARED)


@pytest.mark.parametrize("name", ["WrappingKeyCertificate", "WrappingKeyCertificateChain"])
@pytest.mark.parametrize("value", ["***", "AAAA"])
async def test_certificates_that_cannot_be_read(name: str, value: str) -> None:
    """What is not base64 of PEM is a refusal in our words."""
    from keyferry.errors import KeyferryError

    answer = {
        "WrappingKeyCertificate": "AAAA",
        "WrappingKeyCertificateChain": "AAAA",
        "ImportToken": "import-token-aaaaaaaaaaaaaaaa",
        name: value,
    }
    receiver, _ = party(get_parameters_for_import=[answer])
    with pytest.raises(KeyferryError):
        await receiver.receiving_credential(KeyAlgorithm.RSA_2048)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Enabled": False}, "is disabled"),
        ({"KeyState": "DELETE_PENDING"}, "is DELETE_PENDING"),
    ],
)
async def test_a_kek_that_cannot_be_used(changes: dict[str, Any], said: str) -> None:
    """A disabled KEK is found before anything travels."""
    receiver, _ = party(get_key=[{"Key": key(**changes)}])
    with pytest.raises(ExchangeError, match=said):
        await receiver.kek("alias/kek")


async def test_a_kek_of_another_usage() -> None:
    """A data key is no KEK."""
    other = key()
    other["KeyAttributes"] = {
        **other["KeyAttributes"],
        "KeyUsage": "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY",
    }
    receiver, _ = party(get_key=[{"Key": other}])
    with pytest.raises(ExchangeError, match="which does not wrap keys"):
        await receiver.kek("alias/kek")


async def test_what_cannot_be_deleted_is_told() -> None:
    """A refused clean-up names the key and the refusal, and does not hide the first error."""
    from keyferry.errors import RemoteRefusedError

    receiver, client = party(import_key=[{"Key": key()}], get_key=[{"Key": key()}])

    async def refuse(operation: str, **_: Any) -> dict[str, Any]:
        raise RemoteRefusedError("DeleteKey", "AccessDeniedException", "not allowed")

    await receiver.import_tr31("D" * 56, SHARED)
    client.write = refuse  # type: ignore[method-assign]
    (statement,) = await receiver.clean_up(failed=True)
    assert statement == (
        f"{ARN} (the imported key) could not be deleted:"
        " DeleteKey refused with AccessDeniedException: not allowed"
    )
