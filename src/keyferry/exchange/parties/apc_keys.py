"""Keys and certificates as the API of AWS Payment Cryptography shows them, in our terms."""

from __future__ import annotations

import base64
from typing import Any

from cryptography import x509

from keyferry.crypto.certificates import key_algorithm_name, load_certificate
from keyferry.errors import CheckValueMismatchError, ExchangeError, KeyAttributesError
from keyferry.exchange.parties.interface import KeyRequest
from keyferry.exchange.result import same_check_value
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse

_MODE_MEMBERS = {
    "Encrypt": "encrypt",
    "Decrypt": "decrypt",
    "Wrap": "wrap",
    "Unwrap": "unwrap",
    "Generate": "generate",
    "Sign": "sign",
    "Verify": "verify",
    "DeriveKey": "derive_key",
    "NoRestrictions": "no_restrictions",
}


def check_existing(key: dict[str, Any], attributes: KeyAttributes, request: KeyRequest) -> None:
    """Refuse an existing key that is not the one the configuration describes."""
    arn = key["KeyArn"]
    shown = str(key.get("KeyCheckValue", ""))
    if request.expected_check_value and not same_check_value(shown, request.expected_check_value):
        raise CheckValueMismatchError(
            f"{arn} has check value {shown}, not {request.expected_check_value}",
            hint="correct transport_key or transport_key_kcv",
        )
    if request.algorithm is not None and attributes.key_algorithm is not request.algorithm:
        raise ExchangeError(
            f"{arn} has algorithm {attributes.key_algorithm}, not {request.algorithm}",
            hint="correct key_algorithm",
        )
    if request.usage_stated and attributes.key_usage is not request.usage:
        raise ExchangeError(
            f"{arn} has usage {attributes.key_usage}, not {request.usage}",
            hint="correct key_usage",
        )
    if not key.get("Exportable"):
        raise ExchangeError(f"{arn} is not exportable")
    check_usable(key)


def check_usable(key: dict[str, Any]) -> None:
    """
    Refuse a key that is disabled or being deleted.

    Raises:
        ExchangeError: naming the key and its state.
    """
    if key.get("KeyState") != "CREATE_COMPLETE" or not key.get("Enabled"):
        state = key.get("KeyState") if key.get("KeyState") != "CREATE_COMPLETE" else "disabled"
        raise ExchangeError(f"{key['KeyArn']} is {state}", hint="only enabled keys can be used")


def read_certificate(value: str) -> x509.Certificate:
    """Read a certificate as the API shows it: base64 of its PEM text."""
    try:
        return load_certificate(base64.b64decode(value, validate=True))
    except ValueError:
        raise ExchangeError("the service answered with a certificate that is not base64") from None


def read_chain(value: str) -> tuple[x509.Certificate, ...]:
    """Read the authorities of a certificate: one root today, several are read too."""
    try:
        return tuple(x509.load_pem_x509_certificates(base64.b64decode(value, validate=True)))
    except ValueError:
        raise ExchangeError("the service answered with a chain that is not PEM in base64") from None


def certificate_algorithm(certificate: x509.Certificate) -> KeyAlgorithm:
    """The API's name of a certificate's key."""
    return KeyAlgorithm(key_algorithm_name(certificate.public_key()))


def read_attributes(key: dict[str, Any]) -> KeyAttributes:
    """
    Read the attributes of a key.

    Raises:
        ExchangeError: the service shows a value that this build does not know.
    """
    shown = key["KeyAttributes"]
    try:
        return KeyAttributes(
            key_usage=KeyUsage(shown["KeyUsage"]),
            key_class=KeyClass(shown["KeyClass"]),
            key_algorithm=KeyAlgorithm(shown["KeyAlgorithm"]),
            modes_of_use=ModesOfUse(
                **{
                    member: bool(shown["KeyModesOfUse"].get(name))
                    for name, member in _MODE_MEMBERS.items()
                }
            ),
        )
    except (KeyError, ValueError, KeyAttributesError):
        raise ExchangeError(f"{key['KeyArn']} has attributes this build does not know") from None


def write_attributes(attributes: KeyAttributes) -> dict[str, Any]:
    """The attributes as a request carries them: modes that are not set are left out."""
    return {
        "KeyUsage": attributes.key_usage.value,
        "KeyClass": attributes.key_class.value,
        "KeyAlgorithm": attributes.key_algorithm.value,
        "KeyModesOfUse": dict.fromkeys(attributes.modes_of_use.names, True),
    }


def in_region(arn: str, region: str) -> str:
    """Return the ARN of a key's replica: only the Region differs."""
    parts = arn.split(":")
    parts[3] = region
    return ":".join(parts)
