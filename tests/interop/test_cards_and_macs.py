"""CVV, PVV, IBM 3624 and MACs of the running service against psec and pycryptodome."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

ROUNDS = 20  # random inputs under each random key
SHORT = [pytest.param(seed, id=f"seed{seed}") for seed in range(4)]
LONG = [pytest.param(seed, id=f"seed{seed}", marks=pytest.mark.soak) for seed in range(4, 20)]
seeds = pytest.mark.parametrize("seed", SHORT + LONG)
TDES = ("TDES_2KEY", "TDES_3KEY")
CIPHERS = (*TDES, "AES_128", "AES_192", "AES_256")


@seeds
def test_cvv(
    seed: int, second: Any, draw: Any, load_key: Any, payment_cryptography_data: Any
) -> None:
    """CVV and CVV2 of every length; psec's is the beginning where its one pass gives fewer."""
    key = draw.key("TDES_2KEY")
    arn = load_key(key, usage="TR31_C0_CARD_VERIFICATION_KEY", algorithm="TDES_2KEY")
    for _ in range(ROUNDS):
        pan, expiry, size = draw.pan(), draw.digits(4), draw.randint(3, 5)
        code = draw.choice(["000", "999", draw.digits(3)])
        attributes: dict[str, Any] = {
            "CardVerificationValue1": {"CardExpiryDate": expiry, "ServiceCode": code}
        }
        if code == "000" and draw.random() < 0.5:
            attributes = {"CardVerificationValue2": {"CardExpiryDate": expiry}}
        expected = second.cvv(key, pan, expiry, code, size)
        assert expected.startswith(second.psec.cvv.generate_cvv(key, pan, expiry, code)[:size])
        answer = payment_cryptography_data.generate_card_validation_data(
            KeyIdentifier=arn,
            PrimaryAccountNumber=pan,
            GenerationAttributes=attributes,
            ValidationDataLength=size,
        )
        assert answer["ValidationData"] == expected
        payment_cryptography_data.verify_card_validation_data(
            KeyIdentifier=arn,
            PrimaryAccountNumber=pan,
            VerificationAttributes=attributes,
            ValidationData=expected,
        )


@seeds
@pytest.mark.parametrize("algorithm", TDES)
def test_pvv(
    seed: int,
    algorithm: str,
    second: Any,
    draw: Any,
    load_key: Any,
    payment_cryptography_data: Any,
) -> None:
    """The PVV of a PIN that arrives in a block of the other implementation."""
    pek, pvk = draw.key("TDES_2KEY"), draw.key(algorithm)
    keys = {
        "EncryptionKeyIdentifier": load_key(
            pek, usage="TR31_P0_PIN_ENCRYPTION_KEY", algorithm="TDES_2KEY"
        ),
        "GenerationKeyIdentifier": load_key(
            pvk, usage="TR31_V2_VISA_PIN_VERIFICATION_KEY", algorithm=algorithm
        ),
    }
    for _ in range(ROUNDS):
        pan, pin, index = draw.pan(), draw.pin(), draw.randint(0, 6)
        block = second.encipher_pin(draw, 0, "TDES", pek, pin, pan)
        expected = second.pvv(pvk, pan, index, pin)
        if algorithm == "TDES_2KEY":
            assert expected == second.psec.pin.generate_visa_pvv(pvk, str(index), pin[:4], pan)
        answer = payment_cryptography_data.generate_pin_data(
            **keys,
            GenerationAttributes={
                "VisaPinVerificationValue": {
                    "EncryptedPinBlock": block.hex(),
                    "PinVerificationKeyIndex": index,
                }
            },
            PrimaryAccountNumber=pan,
            PinBlockFormat="ISO_FORMAT_0",
        )
        assert answer["PinData"] == {"VerificationValue": expected}


@seeds
@pytest.mark.parametrize("algorithm", TDES)
def test_ibm_3624(
    seed: int,
    algorithm: str,
    second: Any,
    draw: Any,
    load_key: Any,
    payment_cryptography_data: Any,
) -> None:
    """Offsets, and the PINs that follow from them."""
    pek, pvk = draw.key("TDES_2KEY"), draw.key(algorithm)
    keys = {
        "EncryptionKeyIdentifier": load_key(
            pek, usage="TR31_P0_PIN_ENCRYPTION_KEY", algorithm="TDES_2KEY"
        ),
        "GenerationKeyIdentifier": load_key(
            pvk, usage="TR31_V1_IBM3624_PIN_VERIFICATION_KEY", algorithm=algorithm
        ),
        "PinBlockFormat": "ISO_FORMAT_0",
    }
    for _ in range(ROUNDS):
        pan, pin, table = draw.pan(), draw.pin(), draw.digits(16)
        data, pad = pan[: draw.randint(4, 16)], draw.choice("0123456789ABCDEF")
        block = second.encipher_pin(draw, 0, "TDES", pek, pin, pan).hex().upper()
        natural = second.natural_pin(pvk, data, pad, table, len(pin))
        expected = second.offset(natural, pin)
        if algorithm == "TDES_2KEY":
            made = second.psec.pin.generate_ibm3624_offset(pvk, table, pin, data, 0, len(data), pad)
            assert made == expected
        shared = {
            "DecimalizationTable": table,
            "PinValidationData": data,
            "PinValidationDataPadCharacter": pad,
        }
        answer = payment_cryptography_data.generate_pin_data(
            **keys,
            PrimaryAccountNumber=pan,
            GenerationAttributes={"Ibm3624PinOffset": shared | {"EncryptedPinBlock": block}},
        )
        assert answer["PinData"] == {"PinOffset": expected}
        answer = payment_cryptography_data.generate_pin_data(
            **keys,
            PrimaryAccountNumber=pan,
            GenerationAttributes={"Ibm3624PinFromOffset": shared | {"PinOffset": expected}},
        )
        assert answer["EncryptedPinBlock"] == block


@seeds
@pytest.mark.parametrize("algorithm", TDES)
@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("ISO9797_ALGORITHM1", "TR31_M1_ISO_9797_1_MAC_KEY"),
        ("ISO9797_ALGORITHM3", "TR31_M3_ISO_9797_3_MAC_KEY"),
    ],
)
def test_iso_9797_1(
    seed: int,
    algorithm: str,
    name: str,
    usage: str,
    second: Any,
    draw: Any,
    load_key: Any,
    payment_cryptography_data: Any,
) -> None:
    """Algorithms 1 and 3 with double and triple length keys; psec knows the double ones."""
    key = draw.key(algorithm)
    arn = load_key(key, usage=usage, algorithm=algorithm)
    retail = name.endswith("3")
    for _ in range(ROUNDS):
        data = draw.randbytes(draw.randint(1, 200))
        expected = (second.algorithm_3 if retail else second.algorithm_1)(key, data)
        mac = second.psec.mac
        if not retail:
            assert mac.generate_cbc_mac(key, data, 1) == expected
        elif algorithm == "TDES_2KEY":
            assert mac.generate_retail_mac(key[:8], key[8:], data, 1) == expected
        size = draw.randint(4, 8)
        answer = payment_cryptography_data.generate_mac(
            KeyIdentifier=arn,
            MessageData=data.hex(),
            GenerationAttributes={"Algorithm": name},
            MacLength=size,
        )
        assert answer["Mac"] == expected[:size].hex().upper()


@seeds
@pytest.mark.parametrize("algorithm", CIPHERS)
def test_cmac(
    seed: int,
    algorithm: str,
    second: Any,
    draw: Any,
    load_key: Any,
    payment_cryptography_data: Any,
) -> None:
    """CMAC with keys of every length."""
    key = draw.key(algorithm)
    arn = load_key(key, usage="TR31_M6_ISO_9797_5_CMAC_KEY", algorithm=algorithm)
    for _ in range(ROUNDS):
        data = draw.randbytes(draw.randint(1, 200))
        expected = second.cmac(algorithm, key, data).hex().upper()
        answer = payment_cryptography_data.generate_mac(
            KeyIdentifier=arn,
            MessageData=data.hex(),
            GenerationAttributes={"Algorithm": "CMAC"},
        )
        assert answer["Mac"] == expected
        payment_cryptography_data.verify_mac(
            KeyIdentifier=arn,
            MessageData=data.hex(),
            VerificationAttributes={"Algorithm": "CMAC"},
            Mac=expected,
        )


@seeds
@pytest.mark.parametrize("hash_name", ["SHA224", "SHA256", "SHA384", "SHA512"])
def test_hmac(
    seed: int,
    hash_name: str,
    second: Any,
    draw: Any,
    load_key: Any,
    payment_cryptography_data: Any,
) -> None:
    """HMAC with the hash of the key, asked for by its name or not."""
    key = draw.randbytes({"SHA224": 28, "SHA256": 32, "SHA384": 48, "SHA512": 64}[hash_name])
    arn = load_key(key, usage="TR31_M7_HMAC_KEY", algorithm=f"HMAC_{hash_name}")
    for _ in range(ROUNDS):
        data = draw.randbytes(draw.randint(1, 300))
        answer = payment_cryptography_data.generate_mac(
            KeyIdentifier=arn,
            MessageData=data.hex(),
            GenerationAttributes={"Algorithm": draw.choice(["HMAC", f"HMAC_{hash_name}"])},
        )
        assert answer["Mac"] == second.hmac(hash_name, key, data).hex().upper()
