"""Which key may do what: the whole table, against every valid combination of attributes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from keyferry.errors import KeyAttributesError
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
    check_attributes,
)
from keyferry.service.data.eligibility import NOT_ALLOWED, Role, check_eligible
from keyferry.service.errors import InvalidRequestError

TDES2, TDES3 = "TDES_2KEY", "TDES_3KEY"
AES = ("AES_128", "AES_192", "AES_256")
CIPHERS = (TDES2, TDES3, *AES)
BDK = (TDES2, *AES)
HMAC = ("HMAC_SHA224", "HMAC_SHA256", "HMAC_SHA384", "HMAC_SHA512")
RSA = ("RSA_2048", "RSA_3072", "RSA_4096")
ECC = ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521")

# Written out by hand from the service's page of valid keys: usages, algorithms, modes.
TABLE: dict[str, tuple[str, tuple[str, ...], str]] = {
    "ENCRYPT_SYMMETRIC": ("D0", CIPHERS, "E B N"),
    "DECRYPT_SYMMETRIC": ("D0", CIPHERS, "D B N"),
    "ENCRYPT_ASYMMETRIC": ("D1", RSA, "E B"),
    "DECRYPT_ASYMMETRIC": ("D1", RSA, "D B"),
    "DATA_DUKPT": ("B0", BDK, "X N"),
    "DATA_EMV": ("E1 E6", (TDES2,), "X"),
    "UNWRAP_KEY": ("K0 K1", CIPHERS, "D B N"),
    "AGREE_ON_KEY": ("K3", ECC, "X"),
    "CERTIFY": ("S0", RSA + ECC, "V"),
    "GENERATE_CVV": ("C0", (TDES2,), "G C"),
    "VERIFY_CVV": ("C0", (TDES2,), "V C"),
    "GENERATE_CSC": ("C0", (TDES2, TDES3), "G C"),
    "VERIFY_CSC": ("C0", (TDES2, TDES3), "V C"),
    "DYNAMIC_CVC": ("E4", (TDES2,), "X"),
    "DYNAMIC_CVV": ("E6", (TDES2,), "X"),
    "CARDHOLDER_VALUE": ("E6", (TDES2,), "X"),
    "GENERATE_MAC_1": ("M1", (TDES2, TDES3), "G C"),
    "VERIFY_MAC_1": ("M1", (TDES2, TDES3), "V C"),
    "GENERATE_MAC_3": ("M3", (TDES2, TDES3), "G C"),
    "VERIFY_MAC_3": ("M3", (TDES2, TDES3), "V C"),
    "GENERATE_CMAC": ("M6", CIPHERS, "G C"),
    "VERIFY_CMAC": ("M6", CIPHERS, "V C"),
    "GENERATE_HMAC": ("M7", HMAC + CIPHERS, "G C"),
    "VERIFY_HMAC": ("M7", HMAC + CIPHERS, "V C"),
    "GENERATE_MAC_AS2805": ("M0", (TDES2,), "G C"),
    "VERIFY_MAC_AS2805": ("M0", (TDES2,), "V C"),
    "MAC_EMV": ("E2", (TDES2,), "X N"),
    "MAC_DUKPT": ("B0", BDK, "X N"),
    "SCRIPT_PIN_KEY": ("P0", (TDES2, TDES3), "D B N"),
    "SCRIPT_INTEGRITY": ("E2", (TDES2,), "X N"),
    "SCRIPT_CONFIDENTIALITY": ("E1", (TDES2,), "X"),
    "SCRIPT_CRYPTOGRAM": ("E0", (TDES2,), "X"),
    "ENCRYPT_PIN": ("P0", CIPHERS, "E B N"),
    "DECRYPT_PIN": ("P0", CIPHERS, "D B N"),
    "VERIFY_PIN_DUKPT": ("B0", BDK, "X"),
    "TRANSLATE_PIN_DUKPT": ("B0", BDK, "X N"),
    "GENERATE_PVV": ("V2", (TDES2, TDES3), "G C"),
    "VERIFY_PVV": ("V2", (TDES2, TDES3), "V C"),
    "GENERATE_IBM3624": ("V1", (TDES2, TDES3), "G C"),
    "VERIFY_IBM3624": ("V1", (TDES2, TDES3), "V C"),
    "DECRYPT_PIN_AS2805": ("P0", (TDES2,), "D B N"),
    "CRYPTOGRAM": ("E0", (TDES2,), "X"),
    "WRAP_KEY": ("K0 K1", CIPHERS, "E B N"),
    "VALIDATE_KEK": ("K0", (TDES2,), "B"),
}
# Roles of private keys, of public ones, and of either; all others are of symmetric keys.
CLASSES = {
    "ENCRYPT_ASYMMETRIC": {KeyClass.ASYMMETRIC_KEY_PAIR, KeyClass.PUBLIC_KEY},
    "DECRYPT_ASYMMETRIC": {KeyClass.ASYMMETRIC_KEY_PAIR},
    "AGREE_ON_KEY": {KeyClass.ASYMMETRIC_KEY_PAIR},
    "CERTIFY": {KeyClass.PUBLIC_KEY},
}


def valid_profiles() -> list[Any]:
    """Every combination of attributes a key can have."""
    found = []
    for usage, key_class, algorithm, letter in itertools.product(
        KeyUsage, KeyClass, KeyAlgorithm, "BCDEGNSVX"
    ):
        attributes = KeyAttributes(
            key_usage=usage,
            key_class=key_class,
            key_algorithm=algorithm,
            modes_of_use=ModesOfUse.from_letter(letter),
        )
        try:
            check_attributes(attributes)
        except KeyAttributesError:
            continue
        found.append((key_class, usage, algorithm, attributes.modes_of_use.letter))
    return found


PROFILES = valid_profiles()


def test_table_has_every_role() -> None:
    """And no role has the number of another, which would make them one."""
    assert TABLE.keys() == Role.__members__.keys()
    assert len({role.value for role in Role}) == len(TABLE)
    assert len(PROFILES) > 250


@pytest.mark.parametrize("name", TABLE)
def test_every_key_against_every_role(name: str) -> None:
    """Exactly the listed keys serve; the refusal tells usage or mode from algorithm."""
    usages, algorithms, letters = TABLE[name]
    classes = CLASSES.get(name, {KeyClass.SYMMETRIC_KEY})
    served = 0
    for profile in PROFILES:
        key_class, usage, algorithm, letter = profile
        fits = usage.code in usages.split() and letter in letters.split() and key_class in classes
        if fits and algorithm in algorithms:
            check_eligible(profile, Role[name])
            served += 1
            continue
        with pytest.raises(InvalidRequestError) as caught:
            check_eligible(profile, Role[name])
        expected = (
            f"KeyAlgorithm {algorithm} not allowed for this operation" if fits else NOT_ALLOWED
        )
        assert str(caught.value) == expected
    assert served


@pytest.mark.parametrize("code", ["P1", "E5"])
def test_usages_of_no_operation(code: str) -> None:
    """PIN generation keys and card personalization keys serve nowhere."""
    assert all(code not in role.rule.usages for role in Role)


async def test_order_of_refusals(service: Any, tools: Any) -> None:
    """Unknown key, then state, usage, algorithm, parameters; nothing behind the first is told."""
    call = {
        "TransactionData": "00",  # not whole blocks
        "MajorKeyDerivationMode": "EMV_OPTION_A",
        "SessionKeyDerivationAttributes": {
            "Visa": {"PrimaryAccountNumber": "9137631040001422", "PanSequenceNumber": "01"}
        },
    }
    name = "GenerateAuthRequestCryptogram"
    with pytest.raises(tools.refused) as caught:
        await service.call(name, KeyIdentifier="alias/none", **call)
    assert caught.value.name == "ResourceNotFoundException"
    stopped = service.put("D0", "AES_128", "B", tools.aes, enabled=False)
    assert "is not enabled" in (await service.refused(name, KeyIdentifier=stopped, **call)).message
    wrong_usage = service.put("D0", "AES_128", "B", tools.aes)
    assert (await service.refused(name, KeyIdentifier=wrong_usage, **call)).message == NOT_ALLOWED
    wrong_algorithm = service.put("E0", "AES_128", "X", tools.aes)
    refusal = await service.refused(name, KeyIdentifier=wrong_algorithm, **call)
    assert refusal.message == "KeyAlgorithm AES_128 not allowed for this operation"
    right = service.put("E0", "TDES_2KEY", "X", tools.tdes)
    assert "TransactionData" in (await service.refused(name, KeyIdentifier=right, **call)).message
    # And the shape before all of them.
    refusal = await service.refused(
        name, KeyIdentifier="alias/none", **call | {"TransactionData": "zz"}
    )
    assert [path for path, _ in refusal.fields] == ["transactionData"]
