"""Proof by use at the service: the data plane verifies what the sender computed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from keyferry.errors import ExchangeError
from keyferry.exchange.aws import AWSClient
from keyferry.exchange.parties.interface import ReceivedKey
from keyferry.exchange.proof import (
    EXPIRY,
    KSN,
    MESSAGE,
    PAN,
    SERVICE_CODE,
    CryptogramProof,
    CVVProof,
    MACProof,
    PINBlockProof,
    Proof,
    TransactionMACProof,
)

# Makes a PIN encryption key that a block can be translated to, of the received key's algorithm.
MakePEK = Callable[[ReceivedKey], Awaitable[str]]


async def check_proof(
    client: AWSClient, received: ReceivedKey, proof: Proof, *, make_pek: MakePEK
) -> str:
    """
    Verify what the sender computed, and return what was done in words.

    Args:
        client: of the data plane.
        received: the key that arrived.
        proof: what the sender computed.
        make_pek: makes a second PEK, since only translating shows that a PIN block opens.

    Raises:
        RemoteRefusedError: it does not verify.
        ExchangeError: it decrypts to something else, or the endpoint cannot be reached.
    """
    arn = received.identifier
    match proof:
        case CVVProof():
            await client.read(
                "verify_card_validation_data",
                KeyIdentifier=arn,
                PrimaryAccountNumber=PAN,
                VerificationAttributes={
                    "CardVerificationValue1": {
                        "CardExpiryDate": EXPIRY,
                        "ServiceCode": SERVICE_CODE,
                    }
                },
                ValidationData=proof.value,
            )
        case MACProof():
            await _verify_mac(client, arn, proof.value, {"Algorithm": proof.algorithm})
        case TransactionMACProof():
            attributes = {
                "KeySerialNumber": KSN,
                "DukptKeyVariant": "REQUEST",
                "DukptDerivationType": "TDES_2KEY",
            }
            await _verify_mac(client, arn, proof.value, {"DukptIso9797Algorithm3": attributes})
        case PINBlockProof():
            pan = {"PrimaryAccountNumber": PAN}
            pin_format = {"IsoFormat4": pan} if proof.aes else {"IsoFormat0": pan}
            await client.read(
                "translate_pin_data",
                IncomingKeyIdentifier=arn,
                OutgoingKeyIdentifier=await make_pek(received),
                IncomingTranslationAttributes=pin_format,
                OutgoingTranslationAttributes=pin_format,
                EncryptedPinBlock=proof.value,
            )
            return "translated"
        case CryptogramProof():
            answer = await client.read(
                "decrypt_data",
                KeyIdentifier=arn,
                CipherText=proof.value,
                DecryptionAttributes={
                    "Symmetric": {"Mode": "CBC", "InitializationVector": proof.iv}
                },
            )
            if str(answer.get("PlainText", "")).upper() != MESSAGE.hex().upper():
                raise ExchangeError(
                    f"{arn} was created, but what the sender encrypted under its key decrypts to"
                    " something else",
                    hint="do not use the key; it is being deleted",
                )
            return "decrypted"
    return "verified"


async def _verify_mac(client: AWSClient, arn: str, value: str, attributes: dict[str, Any]) -> None:
    await client.read(
        "verify_mac",
        KeyIdentifier=arn,
        MessageData=MESSAGE.hex().upper(),
        Mac=value,
        MacLength=len(value) // 2,
        VerificationAttributes=attributes,
    )
