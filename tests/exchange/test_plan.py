"""What the configuration alone decides, and what it shows to be impossible."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from keyferry.crypto.kdf import KeyDerivationFunction
from keyferry.errors import ConfigurationError
from keyferry.exchange.config import ExchangeConfig
from keyferry.exchange.parties.interface import Method
from keyferry.exchange.plan import Plan, make_plan
from keyferry.keys import KeyAlgorithm, KeyUsage

# Keys of published captures: TDES under a TDES LMK, AES-128 and AES-256 under an AES LMK.
TDES_BLOCK = "S00072K0TB00E0001FB8A4952BFE42179AB8D79A81943DF1FAD67CF015117EE8528E79900"
AES_BLOCK = (
    "S10096B0AN00S000156B82A787599FA184E25CC67CD24EC67E213A6F95808FF9"
    "630E5133D4441E445BCD6A901A898186F"
)
AES_256_BLOCK = "S10128K0AN00S0001" + "0" * 112
VARIANT_KEY = "U8D6E42E33CCDD7C1ABB2F4C74E3B3DE8"


def plan(
    method: Method, kdh: str = "payshield", *, krd: dict[str, Any] | None = None, **party: Any
) -> Plan:
    """Plan an exchange of a party with these members."""
    test_key = party.pop("test_key", False)
    document = {"kdh": {kdh: party}, "krd": {"apc": krd or {}}}
    return make_plan(
        msgspec.convert(document, ExchangeConfig),
        method=method,
        kdh=kdh,
        krd="apc",
        file="c.json",
        test_key=test_key,
        random_bytes=lambda size: bytes(range(size)),
    )


def test_defaults_of_tr34() -> None:
    """A three-key TDES protection key, under RSA_2048, with a fresh nonce."""
    made = plan(Method.TR34)
    assert made.key.usage is KeyUsage.TR31_K1_KEY_BLOCK_PROTECTION_KEY
    assert made.key.algorithm is KeyAlgorithm.TDES_3KEY
    assert made.wrapping is KeyAlgorithm.RSA_2048
    assert made.nonce == bytes(range(8))


def test_defaults_of_ecdh() -> None:
    """An AES_256 key under an AES_256 key of P-521, with shared information without zeros."""
    made = plan(Method.ECDH)
    assert made.key.algorithm is KeyAlgorithm.AES_256
    assert made.wrapping is KeyAlgorithm.ECC_NIST_P521
    assert made.derivation is not None
    assert made.derivation.algorithm is KeyAlgorithm.AES_256
    assert made.derivation.function is KeyDerivationFunction.NIST_SP800
    assert made.derivation.hash_name == "SHA256"
    assert len(made.derivation.shared_info) == 16
    assert 0 not in made.derivation.shared_info


def test_a_variant_lmk_defaults_to_double_length() -> None:
    """Keys under a variant LMK are generated in scheme U unless told otherwise."""
    assert plan(Method.TR34, variant_lmk=True).key.algorithm is KeyAlgorithm.TDES_2KEY


def test_aes_128_by_tr34_takes_rsa_3072() -> None:
    """The RSA key is as strong as the key it carries demands."""
    made = plan(Method.TR34, tr34={"key_algorithm": "AES_128"})
    assert made.wrapping is KeyAlgorithm.RSA_3072


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (TDES_BLOCK, KeyAlgorithm.TDES_2KEY),
        (AES_256_BLOCK, KeyAlgorithm.AES_256),
        (AES_BLOCK, None),  # 16 and 24 bytes fill the same cipher blocks
    ],
)
def test_an_existing_block_tells_its_algorithm(key: str, algorithm: KeyAlgorithm | None) -> None:
    """Algorithm and usage come from the block, as far as it tells."""
    made = plan(Method.ECDH, ecdh={"transport_key": key})
    assert made.key.algorithm is algorithm
    assert made.key.usage.code == key[6:8]


def test_settings_of_either_side_count() -> None:
    """What both sides must share may be stated on either."""
    made = plan(
        Method.ECDH,
        ecdh={"key_derivation_function": "ANSI_X963", "shared_info": "AABB"},
        krd={"ecdh": {"hash_algorithm": "SHA_512", "shared_info": "aabb"}},
    )
    assert made.derivation is not None
    assert made.derivation.function is KeyDerivationFunction.ANSI_X963
    assert made.derivation.hash_name == "SHA512"
    assert made.derivation.shared_info == b"\xaa\xbb"


@pytest.mark.parametrize(
    ("method", "party", "said"),
    [
        (Method.ECDH, {"variant_lmk": True}, "kdh.payshield.variant_lmk: a payShield does ECDH"),
        (Method.TR31, {}, "kdh.payshield.tr31.kek is empty"),
        (Method.TR31, {"tr31": {"kek": TDES_BLOCK}}, "krd.apc.tr31.kek is empty"),
        (Method.TR31, {"tr31": {"kek": "0123"}, "krd": {"tr31": {"kek": "alias/k"}}},
         "kdh.payshield.tr31.kek is not a key under a key block LMK"),
        (Method.TR31, {"tr31": {"kek": AES_BLOCK},
                       "krd": {"tr31": {"kek": "alias/k"}}}, "which does not wrap keys"),
        (Method.TR34, {"tr34": {"transport_key": TDES_BLOCK.replace("TB00E", "TB00N")}},
         "is not exportable"),
        (Method.TR34, {"tr34": {"key_algorithm": "HMAC_SHA256", "key_usage": "TR31_M7_HMAC_KEY"}},
         "HMAC"),
        (Method.TR34, {"variant_lmk": True, "tr34": {"key_usage": "TR31_M6_ISO_9797_5_CMAC_KEY"}},
         "has no key type for"),
        (Method.TR34, {"tr34": {"key_algorithm": "AES_256"}}, "at least as strong"),
        (Method.TR34, {"tr34": {"transport_key": AES_256_BLOCK}}, "at least as strong"),
        (Method.TR34, {"tr34": {"transport_key_kcv": "08D7B4"}}, "not the key it belongs to"),
        (Method.TR34, {"tr34": {"transport_key": VARIANT_KEY}}, "not a key under a key block LMK"),
        (Method.TR34, {"variant_lmk": True, "tr34": {"transport_key": TDES_BLOCK}},
         "not a key under a variant LMK"),
        (Method.TR34, {"tr34": {"transport_key": TDES_BLOCK[:-2]}}, "is cut"),
        (Method.TR34, {"tr34": {"transport_key": "S0007"}}, "header"),
        (Method.TR34, {"tr34": {"transport_key": TDES_BLOCK, "key_algorithm": "TDES_3KEY"}},
         "is no TDES_3KEY key: it can be TDES_2KEY"),
        (Method.TR34, {"tr34": {"transport_key": TDES_BLOCK,
                                "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY"}}, "is a key of usage"),
        (Method.TR34, {"tr34": {"transport_key": TDES_BLOCK.replace("K0", "E3")}},
         "key usage E3, which the API has no name for"),
        (Method.TR34, {"variant_lmk": True, "tr34": {"key_algorithm": "AES_128"}},
         "a variant LMK holds TDES keys only"),
        (Method.TR34, {"tr34": {"key_algorithm": "RSA_2048"}}, "KeyAlgorithm"),
        (Method.TR34, {"tr34": {"key_usage": "TR31_M0_ISO_16609_MAC_KEY",
                                "key_algorithm": "AES_128"}}, "KeyAlgorithm"),
        (Method.TR34, {"krd": {"tr34": {"transport_key": "x"}}}, "krd.apc.tr34.transport_key"),
        (Method.TR34, {"krd": {"certificate_authority": "arn:aws:acm-pca:x"}},
         "krd.apc.certificate_authority"),
        (Method.TR34, {"tr34": {"nonce": "00" * 8}, "krd": {"tr34": {"nonce": "11" * 8}}},
         "nonce differs"),
        (Method.ECDH, {"ecdh": {"derive_key_algorithm": "AES_128"}}, "at least as strong"),
        (Method.ECDH, {"ecdh": {"derive_key_algorithm": "HMAC_SHA256"}}, "do not wrap keys"),
        (Method.ECDH, {"ecdh": {"shared_info": "AB" * 50}}, "at most 98 hex characters"),
        (Method.ECDH, {"certificate_authority": "arn:aws:acm-pca:us-east-1:1:x"},
         "does not sign"),
    ],
)  # fmt: skip
def test_impossible_with_a_payshield(method: Method, party: dict[str, Any], said: str) -> None:
    """What cannot work is refused with file and member, before any system is called."""
    with pytest.raises(ConfigurationError) as caught:
        plan(method, **party)
    assert str(caught.value).startswith("c.json: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("party", "said"),
    [
        ({}, "a clear key outside an HSM is for tests only"),
        ({"test_key": True}, "kdh.local.key_usage is missing"),
        ({"test_key": True, "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY"}, "key_algorithm is missing"),
        ({"test_key": True, "key_file": "a", "component_files": ["b", "c"]}, "exclude each other"),
        ({"test_key": True, "tr34": {"transport_key": "x"}}, "comes from a file or a prompt"),
    ],
)
def test_impossible_with_a_local_key(party: dict[str, Any], said: str) -> None:
    """A clear key must be admitted and described."""
    with pytest.raises(ConfigurationError) as caught:
        plan(Method.TR34, "local", **party)
    assert said in str(caught.value)


def test_an_atalla_does_no_ecdh() -> None:
    """No public host command does, so it is refused with what to use instead."""
    with pytest.raises(ConfigurationError, match="no public host command of an Atalla") as caught:
        plan(Method.ECDH, "atalla")
    assert caught.value.hint == "use tr34 or tr31"


def test_a_missing_party() -> None:
    """The section that is missing is named."""
    with pytest.raises(ConfigurationError, match=r"c\.json: kdh\.payshield is missing"):
        make_plan(ExchangeConfig(), method=Method.TR34, kdh="payshield", krd="apc", file="c.json")


def test_keys_are_not_repeated() -> None:
    """No refusal and no representation quotes a key, wrapped or not."""
    clear = "0123456789ABCDEFFEDCBA9876543210"
    for key in (clear, VARIANT_KEY, TDES_BLOCK[:-4]):
        with pytest.raises(ConfigurationError) as caught:
            plan(Method.TR34, tr34={"transport_key": key})
        assert key not in str(caught.value)
    made = plan(Method.TR31, tr31={"kek": TDES_BLOCK}, krd={"tr31": {"kek": "alias/kek"}})
    assert TDES_BLOCK not in repr(made)
