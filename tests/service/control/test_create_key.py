"""CreateKey: material, defaults and refusals."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from keyferry.crypto.check_values import cmac_kcv, tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.components import has_odd_parity
from keyferry.crypto.keyblock import Exportability
from keyferry.errors import KeyAttributesError
from keyferry.service.context import Limits
from keyferry.service.errors import InvalidRequestError, QuotaExceededError


async def test_a_new_key_shows_everything_a_client_expects(service: Any) -> None:
    """All nine flags, the ARN, the state, one of the two usage timestamps, and no null."""
    key = await service.create("P0", "TDES_2KEY", "B")
    arn = key["KeyArn"]
    assert arn.startswith("arn:aws:payment-cryptography:us-east-1:111122223333:key/")
    key_id = arn.rpartition("/")[2]
    assert len(key_id) == 16
    assert set(key_id) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert key == {
        "KeyArn": arn,
        "KeyAttributes": {
            "KeyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
            "KeyClass": "SYMMETRIC_KEY",
            "KeyAlgorithm": "TDES_2KEY",
            "KeyModesOfUse": {
                "Encrypt": True,
                "Decrypt": True,
                "Wrap": True,
                "Unwrap": True,
                "Generate": False,
                "Sign": False,
                "Verify": False,
                "DeriveKey": False,
                "NoRestrictions": False,
            },
        },
        "KeyCheckValue": tdes_kcv(service.material(arn)).hex().upper(),
        "KeyCheckValueAlgorithm": "ANSI_X9_24",
        "Enabled": True,
        "Exportable": True,
        "KeyState": "CREATE_COMPLETE",
        "KeyOrigin": "AWS_PAYMENT_CRYPTOGRAPHY",
        "CreateTimestamp": service.now.timestamp(),
        "UsageStartTimestamp": service.now.timestamp(),
    }


@pytest.mark.parametrize(
    ("algorithm", "size"),
    [
        ("TDES_2KEY", 16),
        ("TDES_3KEY", 24),
        ("AES_128", 16),
        ("AES_192", 24),
        ("AES_256", 32),
    ],
)
async def test_symmetric_material_fits_its_algorithm(
    service: Any, algorithm: str, size: int
) -> None:
    """Length, parity of TDES, and a check value computed from the material."""
    key = await service.create("K1", algorithm, "B")
    material = service.material(key["KeyArn"])
    assert len(material) == size
    if algorithm.startswith("TDES"):
        assert has_odd_parity(material)
    else:
        assert key["KeyCheckValue"] == cmac_kcv(Cipher.AES, material).hex().upper()


@pytest.mark.parametrize(
    ("algorithm", "size"),
    [("HMAC_SHA224", 28), ("HMAC_SHA256", 32), ("HMAC_SHA384", 48), ("HMAC_SHA512", 64)],
)
async def test_hmac_keys_are_as_long_as_their_hash(service: Any, algorithm: str, size: int) -> None:
    """M7 keys show the HMAC check value."""
    key = await service.create("M7", algorithm, "C")
    assert len(service.material(key["KeyArn"])) == size
    assert key["KeyCheckValueAlgorithm"] == "HMAC"


@pytest.mark.parametrize(
    ("code", "algorithm", "letter"),
    [
        ("K2", "RSA_2048", "D"),
        ("S0", "RSA_3072", "S"),
        ("D1", "RSA_4096", "B"),
        ("K3", "ECC_NIST_P256", "X"),
        ("K3", "ECC_NIST_P384", "X"),
        ("K3", "ECC_NIST_P521", "X"),
    ],
)
async def test_pairs_hold_a_private_key_of_their_algorithm(
    service: Any, code: str, algorithm: str, letter: str
) -> None:
    """RSA has exponent 65537, ECC the named curve; eight digits of SHA-1 as check value."""
    key = await service.create(code, algorithm, letter, key_class="ASYMMETRIC_KEY_PAIR")
    private_key = load_der_private_key(service.material(key["KeyArn"]), None)
    if isinstance(private_key, rsa.RSAPrivateKey):
        assert private_key.key_size == int(algorithm[4:])
        assert private_key.public_key().public_numbers().e == 65537
    else:
        assert isinstance(private_key, ec.EllipticCurvePrivateKey)
        assert private_key.curve.key_size == int(algorithm[-3:])
    assert len(key["KeyCheckValue"]) == 8
    assert key["KeyCheckValueAlgorithm"] == "SHA_1"


async def test_a_key_may_start_disabled(service: Any) -> None:
    """Enabled false stores the key, with a stop timestamp instead of a start."""
    key = await service.create("P0", "TDES_2KEY", "B", Enabled=False)
    assert key["Enabled"] is False
    assert "UsageStartTimestamp" not in key
    assert key["UsageStopTimestamp"] == service.now.timestamp()


@pytest.mark.parametrize(("exportable", "letter"), [(True, "S"), (False, "N")])
async def test_exportable_is_a_letter_inside(service: Any, exportable: bool, letter: str) -> None:
    """Created exportable keys may leave in cryptograms too, so they are S."""
    key = await service.create("P0", "TDES_2KEY", "B", exportable=exportable)
    assert key["Exportable"] is exportable
    record = service.store.key(service.account, key["KeyArn"].rpartition("/")[2])
    assert record.exportability is Exportability(letter)


@pytest.mark.parametrize(
    ("code", "algorithm", "letter", "key_class", "member"),
    [
        ("D0", "RSA_2048", "B", "SYMMETRIC_KEY", "KeyAlgorithm"),
        ("D0", "TDES_2KEY", "X", "SYMMETRIC_KEY", "KeyModesOfUse"),
        ("K3", "ECC_NIST_P256", "X", "SYMMETRIC_KEY", "KeyClass"),
        ("M7", "HMAC_SHA256", "B", "SYMMETRIC_KEY", "KeyModesOfUse"),
        ("S0", "ECC_NIST_P256", "S", "ASYMMETRIC_KEY_PAIR", "KeyAlgorithm"),
    ],
)
async def test_impossible_attributes_are_refused(
    service: Any, code: str, algorithm: str, letter: str, key_class: str, member: str
) -> None:
    """A combination that does not exist names the member, and nothing is stored."""
    with pytest.raises(KeyAttributesError, match=member):
        await service.create(code, algorithm, letter, key_class=key_class)
    assert service.count() == 0


@pytest.mark.parametrize("key_class", ["PUBLIC_KEY", "PRIVATE_KEY"])
async def test_halves_of_pairs_are_not_created(service: Any, key_class: str) -> None:
    """Public keys are imported; private keys alone do not exist."""
    with pytest.raises(InvalidRequestError, match="KeyClass"):
        await service.create("S0", "RSA_2048", "V", key_class=key_class)


async def test_check_value_algorithms_follow_the_key(service: Any) -> None:
    """The caller's method is used if it goes with the key, and refused before otherwise."""
    key = await service.create("P0", "AES_128", "B", KeyCheckValueAlgorithm="ANSI_X9_24")
    assert key["KeyCheckValueAlgorithm"] == "ANSI_X9_24"
    with pytest.raises(KeyAttributesError, match="KeyCheckValueAlgorithm"):
        await service.create("P0", "AES_128", "B", KeyCheckValueAlgorithm="HMAC")
    assert service.count() == 1


async def test_derive_key_usage_belongs_to_agreement_pairs(service: Any) -> None:
    """It is echoed for K3 pairs and refused for all others."""
    usage = "TR31_K1_KEY_BLOCK_PROTECTION_KEY"
    key = await service.create(
        "K3", "ECC_NIST_P256", "X", key_class="ASYMMETRIC_KEY_PAIR", DeriveKeyUsage=usage
    )
    assert key["DeriveKeyUsage"] == usage
    with pytest.raises(InvalidRequestError, match="DeriveKeyUsage"):
        await service.create("P0", "AES_128", "B", DeriveKeyUsage=usage)


async def test_regions_nobody_serves_are_refused(service: Any) -> None:
    """Regions are refused rather than forgotten; an empty list means none."""
    with pytest.raises(InvalidRequestError, match="ReplicationRegions"):
        await service.create("P0", "AES_128", "B", ReplicationRegions=["us-west-2"])
    assert service.count() == 0
    await service.create("P0", "AES_128", "B", ReplicationRegions=[])


async def test_tags_are_stored_with_the_key(service: Any) -> None:
    """Tags of the request are there from the first moment."""
    tags = [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]
    key = await service.create("P0", "AES_128", "B", Tags=tags)
    answer = await service.call("ListTagsForResource", ResourceArn=key["KeyArn"])
    assert answer == {"Tags": sorted(tags, key=lambda tag: tag["Key"])}


@pytest.mark.parametrize(
    "tags",
    [
        [{"Key": "aws:x", "Value": "1"}],
        [{"Key": "AWS:x", "Value": "1"}],
        [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}],
    ],
)
async def test_bad_tags_are_refused(service: Any, tags: list[dict[str, str]]) -> None:
    """Reserved and repeated tag keys leave nothing behind."""
    with pytest.raises(InvalidRequestError, match="Tags"):
        await service.create("P0", "AES_128", "B", Tags=tags)
    assert service.count() == 0


async def test_the_quota_counts_all_but_destroyed_keys(tools: Any) -> None:
    """A full account is refused before and inside the change; pending keys still count."""
    service = tools.service(limits=Limits(keys=2))
    first = await service.create("P0", "AES_128", "B")
    await service.create("P0", "AES_128", "B")
    await service.call("DeleteKey", KeyIdentifier=first["KeyArn"])
    with pytest.raises(QuotaExceededError):
        await service.create("P0", "AES_128", "B")
    assert service.count() == 2
    service.store.close()


async def test_the_quota_holds_against_a_race(tools: Any) -> None:
    """A key that another request made after the first look is counted inside the change."""
    service = tools.service(limits=Limits(keys=1))
    rival = tools.service(store=service.store)

    def overtake() -> None:
        import asyncio
        import threading

        thread = threading.Thread(target=lambda: asyncio.run(rival.create("P0", "AES_128", "B")))
        thread.start()
        thread.join()

    service.before_write = overtake
    with pytest.raises(QuotaExceededError):
        await service.create("P0", "AES_128", "B")
    assert service.count() == 1
    service.store.close()
