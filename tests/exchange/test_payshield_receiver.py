"""Keys into a payShield by A6: from the service, a Futurex, a clear key and another payShield."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TO_PAYSHIELD = ("--krd", "payshield")
# A published key under the public variant test LMK, which every simulator has as LMK 02.
ZMK = "U1457FF6ADF6250C66C368416B4C9D383"
CLEAR_KEY = "0123456789ABCDEFFEDCBA9876543210"
# The same, of triple length, under the pairs 04-05 and 06-07 of that LMK.
TRIPLE_ZMK = "T1EAA1D4D8205EDD7AF1F740C26E3080345DA02E636F37697"
CLEAR_TRIPLE = "0123456789ABCDEFFEDCBA9876543210851A0D9D0B2A1602"
VARIANT = {"variant_lmk": True, "variant_lmk_identifier": "02"}

Config = Callable[..., dict[str, Any]]


@pytest.fixture
def config(simulator: int, second_simulator: int, futurex_simulator: int, aws) -> Config:
    """Make a configuration of a sender and a payShield that receives."""
    senders: dict[str, dict[str, Any]] = {
        "apc": {"region": "us-east-1"},
        "payshield": {"port": simulator},
        "futurex": {"port": futurex_simulator},
        "local": {},
    }

    def make(
        kdh: str,
        method: str,
        *,
        krd_kek: str = "",
        sender: dict[str, Any] | None = None,
        receiver: dict[str, Any] | None = None,
        **flow: Any,
    ) -> dict[str, Any]:
        krd = {"port": second_simulator, "tr31": {"kek": krd_kek}, **(receiver or {})}
        return {
            "kdh": {kdh: {**senders[kdh], **(sender or {}), method: flow}},
            "krd": {"payshield": krd},
        }

    return make


@pytest.fixture
def key_file(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a clear key to a file and return the path."""

    def write(key: str, name: str = "key") -> str:
        path = tmp_path / name
        path.write_text(key + "\n")
        return str(path)

    return write


@pytest.fixture
def shared_zmk(exchange, second_simulator: int, aws) -> str:
    """Bring a new ZMK of the receiver's variant LMK into us-east-1; return key and ARN."""
    document = {
        "kdh": {"payshield": {"port": second_simulator, **VARIANT}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    result = exchange("tr34", "payshield", document).result
    return f"{result['kdh_key']} {result['key_arn']}"


@pytest.mark.parametrize("kdh", ["apc", "payshield", "futurex"])
def test_a_kek_by_ecdh_and_keys_under_it(exchange, config: Config, kdh: str) -> None:
    """A KEK arrives by ECDH, then a generated key under it by TR-31, both with equal values."""
    kek = exchange("ecdh", kdh, config(kdh, "ecdh"), *TO_PAYSHIELD).result
    assert kek["key_check_value"] == kek["kdh_key_check_value"]
    assert kek["key_arn"].startswith("S10128K1AB00")
    assert kek["received"]["key_usage"] == "K1"
    for usage, algorithm, header in (
        ("TR31_B0_BASE_DERIVATION_KEY", "TDES_3KEY", "S10096B0TX00"),
        ("TR31_P0_PIN_ENCRYPTION_KEY", "AES_256", "S10128P0AB00"),
    ):
        flow = {"kek": kek["kdh_key"], "key_usage": usage, "key_algorithm": algorithm}
        document = config(kdh, "tr31", krd_kek=kek["key_arn"], **flow)
        result = exchange("tr31", kdh, document, *TO_PAYSHIELD).result
        assert result["key_check_value"] == result["kdh_key_check_value"]
        assert result["key_arn"].startswith(header)
        assert result["kdh_key_generated"] is True
        assert result["received"]["mode_of_use"] == header[9]
        assert result["notes"] == []


def test_there_and_back(exchange, config: Config, region) -> None:
    """An existing key of the service goes into the HSM and on to the other Region unchanged."""
    key = region().create_key(
        KeyAttributes={
            "KeyUsage": "TR31_C0_CARD_VERIFICATION_KEY",
            "KeyClass": "SYMMETRIC_KEY",
            "KeyAlgorithm": "TDES_2KEY",
            "KeyModesOfUse": {"Generate": True, "Verify": True},
        },
        Exportable=True,
    )["Key"]
    flow = {"transport_key": key["KeyArn"], "transport_key_kcv": key["KeyCheckValue"]}
    out = exchange("ecdh", "apc", config("apc", "ecdh", **flow), *TO_PAYSHIELD).result
    assert out["key_arn"].startswith("S10096C0TC00")
    assert out["received"]["key_algorithm"] == "TDES_2KEY or TDES_3KEY"
    port = config("apc", "ecdh")["krd"]["payshield"]["port"]
    flow = {"transport_key": out["key_arn"], "transport_key_kcv": out["key_check_value"]}
    document = {
        "kdh": {"payshield": {"port": port, "ecdh": flow}},
        "krd": {"apc": {"region": "us-west-2"}},
    }
    back = exchange("ecdh", "payshield", document).result
    assert back["key_check_value"] == key["KeyCheckValue"]
    assert back["received"]["key_algorithm"] == "TDES_2KEY"


@pytest.mark.parametrize(
    ("usage", "algorithm", "key_type", "scheme"),
    [
        ("TR31_P0_PIN_ENCRYPTION_KEY", "TDES_2KEY", "001", "U"),
        ("TR31_B0_BASE_DERIVATION_KEY", "TDES_2KEY", "009", "U"),
        ("TR31_C0_CARD_VERIFICATION_KEY", "TDES_2KEY", "402", "U"),
        ("TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY", "TDES_2KEY", "00B", "U"),
        ("TR31_K1_KEY_BLOCK_PROTECTION_KEY", "TDES_2KEY", "000", "U"),
    ],
)
def test_keys_of_the_service_under_a_variant_lmk(
    exchange,
    config: Config,
    shared_zmk: str,
    usage: str,
    algorithm: str,
    key_type: str,
    scheme: str,
) -> None:
    """A key gets the type of its usage; that mode and exportability are lost is said."""
    kek, arn = shared_zmk.split()
    flow = {"kek": arn, "key_usage": usage, "key_algorithm": algorithm}
    document = config("apc", "tr31", krd_kek=kek, receiver=VARIANT, **flow)
    done = exchange("tr31", "apc", document, *TO_PAYSHIELD)
    result = done.result
    assert result["key_arn"][0] == scheme
    assert result["key_check_value"] == result["kdh_key_check_value"]
    assert result["received"]["mode_of_use"] == "not kept"
    assert f"a key of type {key_type}" in result["notes"][0]
    assert result["notes"][0] in done.err
    # A key under an LMK is the result, and nothing else says it.
    assert result["key_arn"] not in done.err


def test_a_variant_lmk_from_another(exchange, config: Config) -> None:
    """Two payShields that share a ZMK under their variant LMKs exchange a BDK."""
    flow = {"kek": ZMK}
    document = config("payshield", "tr31", krd_kek=ZMK, sender=VARIANT, receiver=VARIANT, **flow)
    result = exchange("tr31", "payshield", document, *TO_PAYSHIELD).result
    assert (result["kdh"], result["krd"]) == ("PAYSHIELD", "PAYSHIELD (receiver)")
    assert result["wrapped_key"].startswith("B0080B0TX00S0000")
    assert result["kek_check_value"] == "E14F4E"
    # Both variant LMKs are the public test set here, so the two wrapped keys are equal too.
    assert result["key_arn"] == result["kdh_key"]


@pytest.mark.parametrize(
    ("clear", "algorithm", "under_lmk", "check_value"),
    [
        (CLEAR_KEY, "TDES_2KEY", "U063A0E7C0F2124E56192A4510F395ED7", "08D7B4"),
        (
            CLEAR_TRIPLE,
            "TDES_3KEY",
            "T43639EB172DBABA59FB5212205040822766F598936D6E42E",
            "43A2F7",
        ),
    ],
)
def test_a_clear_test_key_under_a_variant_lmk(
    exchange,
    config: Config,
    key_file,
    clear: str,
    algorithm: str,
    under_lmk: str,
    check_value: str,
) -> None:
    """The block hides the length of the key; the HSM keeps it as double or triple length."""
    sender = {
        "key_file": key_file(clear),
        "key_usage": "TR31_P0_PIN_ENCRYPTION_KEY",
        "key_algorithm": algorithm,
    }
    flow = {"kek": key_file(CLEAR_TRIPLE, "kek"), "transport_key_kcv": check_value}
    document = config("local", "tr31", krd_kek=TRIPLE_ZMK, sender=sender, receiver=VARIANT, **flow)
    result = exchange("tr31", "local", document, *TO_PAYSHIELD, "--test-key").result
    assert result["wrapped_key"].startswith("B0096P0TB00E0000")
    assert result["key_arn"] == under_lmk
    assert result["received"]["key_algorithm"] == algorithm


def test_a_clear_test_key_under_a_key_block_lmk(exchange, config: Config, key_file) -> None:
    """An AES_128 KEK whose S block does not tell its length is told by the clear KEK."""
    kek = key_file("603DEB1015CA71BE2B73AEF0857D7781", "kek")
    described = {"key_usage": "TR31_K1_KEY_BLOCK_PROTECTION_KEY", "key_algorithm": "AES_128"}
    document = config("local", "ecdh", sender={**described, "key_file": kek})
    there = exchange("ecdh", "local", document, *TO_PAYSHIELD, "--test-key").result
    described = {"key_usage": "TR31_B0_BASE_DERIVATION_KEY", "key_algorithm": "TDES_2KEY"}
    sender = {**described, "key_file": key_file(CLEAR_KEY)}
    document = config("local", "tr31", krd_kek=there["key_arn"], sender=sender, kek=kek)
    result = exchange("tr31", "local", document, *TO_PAYSHIELD, "--test-key").result
    assert result["key_check_value"] == "08D7B4"
    assert result["key_arn"].startswith("S10096B0TX00E00")


@pytest.mark.parametrize("kdh", ["apc", "futurex", "payshield"])
def test_the_device_proves_what_it_received(
    exchange, config: Config, aws: str, monkeypatch: pytest.MonkeyPatch, kdh: str
) -> None:
    """With --prove the sender computes under its copy, and the payShield verifies under its own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA", aws)
    for usage, algorithm, words in (
        ("TR31_C0_CARD_VERIFICATION_KEY", "TDES_2KEY", "CVV"),
        ("TR31_P0_PIN_ENCRYPTION_KEY", "TDES_2KEY", "PIN block"),
    ):
        flow = {"key_usage": usage, "key_algorithm": algorithm}
        done = exchange("ecdh", kdh, config(kdh, "ecdh", **flow), *TO_PAYSHIELD, "--prove")
        assert words in done.result["proof_by_use"]
        assert "not provable" not in done.result["proof_by_use"]
        assert done.result["key_arn"] not in done.err


def test_proofs_under_a_variant_lmk(
    exchange, config: Config, shared_zmk: str, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key without a header is used by its type, and proven alike."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA", aws)
    kek, arn = shared_zmk.split()
    for usage, words in (
        ("TR31_C0_CARD_VERIFICATION_KEY", "CVV"),
        ("TR31_M3_ISO_9797_3_MAC_KEY", "MAC"),
        ("TR31_B0_BASE_DERIVATION_KEY", "DUKPT MAC"),
        ("TR31_K1_KEY_BLOCK_PROTECTION_KEY", "key block"),
    ):
        flow = {"kek": arn, "key_usage": usage, "key_algorithm": "TDES_2KEY"}
        document = config("apc", "tr31", krd_kek=kek, receiver=VARIANT, **flow)
        done = exchange("tr31", "apc", document, *TO_PAYSHIELD, "--prove")
        assert words in done.result["proof_by_use"]
        assert "not provable" not in done.result["proof_by_use"]


# --- refused before any call -------------------------------------------------------------------

NO_CALL = [
    ("tr34", "apc", {}, {}, "no public host command of a payShield imports a TR-34 token"),
    ("ecdh", "apc", VARIANT, {}, "ECDH with a key block LMK only"),
    ("tr31", "apc", {}, {"kek": "alias/x"}, "krd.payshield.tr31.kek is empty"),
    (
        "tr31",
        "apc",
        {"tr31": {"kek": "S1012851AB00S0001" + "0" * 112}},
        {"kek": "alias/x"},
        "usage 51, which does not unwrap keys",
    ),
    (
        "tr31",
        "apc",
        {"tr31": {"kek": "S10128K1AE00S0001" + "0" * 112}},
        {"kek": "alias/x"},
        "mode of use E, which does not unwrap keys",
    ),
    (
        "tr31",
        "apc",
        {**VARIANT, "tr31": {"kek": ZMK}},
        {"kek": "alias/x", "key_algorithm": "AES_128"},
        "a variant LMK holds TDES keys only",
    ),
    (
        "tr31",
        "apc",
        {**VARIANT, "tr31": {"kek": ZMK}},
        {"kek": "alias/x", "key_usage": "TR31_E5_EMV_MKEY_CARD_PERSONALIZATION"},
        "a variant LMK has no key type for",
    ),
    (
        "ecdh",
        "apc",
        {},
        {"key_algorithm": "HMAC_SHA256", "key_usage": "TR31_M7_HMAC_KEY"},
        "handles HMAC keys",
    ),
    ("ecdh", "apc", {}, {"shared_info": "AB" * 50}, "at most 98 hex characters"),
    (
        "ecdh",
        "apc",
        {"ecdh": {"transport_key": "S1"}},
        {},
        "krd.payshield.ecdh.transport_key: the key comes from the kdh",
    ),
    (
        "ecdh",
        "apc",
        {"certificate_authority": "arn:aws:acm-pca:us-east-1:111122223333:x"},
        {},
        "a payShield key agreement key does not sign",
    ),
]


@pytest.mark.parametrize(("method", "kdh", "receiver", "flow", "words"), NO_CALL)
def test_what_the_configuration_shows_to_be_impossible(
    exchange,
    config: Config,
    method: str,
    kdh: str,
    receiver: dict[str, Any],
    flow: dict[str, Any],
    words: str,
) -> None:
    """Exit code 2 with the rule and a hint, before a step is taken."""
    done = exchange(method, kdh, config(kdh, method, receiver=receiver, **flow), *TO_PAYSHIELD)
    assert done.code == 2
    assert words in done.err
    assert "hint:" in done.err or "at most" in words or "comes from" in words
    assert "Step" not in done.err


@pytest.mark.parametrize("method", ["tr34", "tr31", "ecdh"])
def test_an_atalla_receives_by_nothing(exchange, config: Config, method: str) -> None:
    """`--krd atalla` says why, and what to use instead, with `--explain` too."""
    document = config("apc", method, **({"kek": "alias/x"} if method == "tr31" else {}))
    document["krd"] = {"atalla": {"tr31": {"kek": "x"}}}
    for more in ((), ("--explain",)):
        done = exchange(method, "apc", document, "--krd", "atalla", *more)
        assert done.code == 2
        assert "an Atalla receives by no protocol of an exchange" in done.err
        assert "--krd apc, payshield or futurex" in done.err


# --- refused by the device, or by what it says ---------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("disabled_commands=A6", "A6 is switched off"),
        ("unlicensed_commands=IG", "IG is switched off"),
    ],
)
def test_a_device_without_the_command(
    exchange, config: Config, start, keys, tmp_path: Path, setting: str, words: str
) -> None:
    """What is not licensed or not enabled is found out before a key or a certificate is made."""
    folder = tmp_path / "device"
    folder.mkdir()
    ready = start(folder, *("simulate", "payshield", "--port", "0", "--setting", setting))
    before = keys()
    document = config("apc", "ecdh", receiver={"port": ready["port"]})
    done = exchange("ecdh", "apc", document, *TO_PAYSHIELD)
    assert done.code == 1
    assert words in done.err
    assert keys() == before


@pytest.mark.parametrize("method", ["ecdh", "tr31"])
def test_an_older_firmware_does_not_know_version_d(
    exchange, config: Config, start, keys, tmp_path: Path, method: str
) -> None:
    """A block of version D is refused for a release that does not know it, before any key."""
    folder = tmp_path / "device"
    folder.mkdir()
    ready = start(folder, *("simulate", "payshield", "--port", "0", "--firmware", "1.8a"))
    before = keys()
    receiver = {"port": ready["port"], "tr31": {"kek": "S10128K1AB00S0000" + "0" * 112}}
    flow = {"kek": "alias/x"} if method == "tr31" else {}
    document = config("apc", method, receiver=receiver, **flow)
    done = exchange(method, "apc", document, *TO_PAYSHIELD)
    assert done.code == 1
    assert "firmware 1.8a is older than 1.14, the first seen to know version D" in done.err
    assert keys() == before


def test_explain(exchange, config: Config, keys) -> None:
    """`--explain` shows the rules of the receiver and changes nothing."""
    before = keys()
    told = exchange("ecdh", "apc", config("apc", "ecdh"), *TO_PAYSHIELD, "--explain").result
    (decision,) = told["decisions"]
    assert decision["told"]["commands (sent without fields)"] == "A6, BU, FY, IG"
    rules = {rule["rule"]: rule for rule in decision["rules"]}
    assert rules["protocol"]["finding"] == "ecdh receives under an AES key block LMK"
    assert "inferred" in rules["protocol"]["evidence"].lower()
    assert rules["commands"]["finding"].endswith("all are switched on")
    assert keys() == before


def test_keks_mixed_up(exchange, config: Config, keys) -> None:
    """The check values of the KEKs differ: exit code 1 before a key is made, no key repeated."""
    one, other = (
        exchange("ecdh", "apc", config("apc", "ecdh"), *TO_PAYSHIELD).result for _ in range(2)
    )
    before = keys()
    document = config("apc", "tr31", krd_kek=other["key_arn"], kek=one["kdh_key"])
    done = exchange("tr31", "apc", document, *TO_PAYSHIELD)
    assert done.code == 1
    assert "the KEKs differ" in done.err
    assert other["key_arn"] not in done.err
    assert keys() == before


def test_another_check_value_than_stated(exchange, config: Config, region) -> None:
    """A wrong transport_key_kcv ends the exchange before anything is made for it."""
    key = region().create_key(
        KeyAttributes={
            "KeyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
            "KeyClass": "SYMMETRIC_KEY",
            "KeyAlgorithm": "AES_128",
            "KeyModesOfUse": {"Encrypt": True, "Decrypt": True, "Wrap": True, "Unwrap": True},
        },
        Exportable=True,
    )["Key"]
    flow = {"transport_key": key["KeyArn"], "transport_key_kcv": "000000"}
    done = exchange("ecdh", "apc", config("apc", "ecdh", **flow), *TO_PAYSHIELD)
    assert done.code == 1
    assert f"has check value {key['KeyCheckValue']}, not 000000" in done.err


def test_a_zmk_the_settings_do_not_let_in(
    exchange, config: Config, shared_zmk: str, simulator: int, keys
) -> None:
    """By default a payShield takes no ZMK: error 17, and the key generated for it is deleted."""
    kek, arn = shared_zmk.split()
    before = keys()
    usage = "TR31_K0_KEY_ENCRYPTION_KEY"
    flow = {"kek": arn, "key_usage": usage, "key_algorithm": "TDES_2KEY"}
    # Every simulator has the same variant test LMK, so the KEK is one of the other device's too.
    document = config("apc", "tr31", krd_kek=kek, receiver={**VARIANT, "port": simulator}, **flow)
    done = exchange("tr31", "apc", document, *TO_PAYSHIELD)
    assert done.code == 1
    assert json.loads(done.out)["diagnosis"]["id"] == "payshield-17"
    assert "(the key generated for this exchange) is scheduled for deletion" in done.err
    assert keys() == before


@pytest.mark.parametrize("fault", ["drop", "garble", "error:41", "error:A4"])
def test_faults(exchange, config: Config, start, keys, tmp_path: Path, fault: str) -> None:
    """A device that fails: exit code 1, a diagnosis, and no usable key more than before."""
    folder = tmp_path / "faulty"
    folder.mkdir()
    ready = start(folder, *("simulate", "payshield", "--port", "0", "--fault", fault))
    before = keys()
    receiver = {"port": ready["port"], "timeout_seconds": 2}
    done = exchange("ecdh", "apc", config("apc", "ecdh", receiver=receiver), *TO_PAYSHIELD)
    assert done.code == 1
    assert json.loads(done.out)["diagnosis"]["fix"]
    assert keys() == before


def test_faults_now_and_then(exchange, config: Config, start, keys, tmp_path: Path) -> None:
    """Whatever the odds bring, a key is generated and proven, or is on its way out again."""
    folder = tmp_path / "faulty"
    folder.mkdir()
    options = ("--fault", "error:41", "--rate", "0.3")
    ready = start(folder, *("simulate", "payshield", "--port", "0", *options))
    for _ in range(4):
        before = keys()
        document = config("apc", "ecdh", receiver={"port": ready["port"]})
        done = exchange("ecdh", "apc", document, *TO_PAYSHIELD)
        assert done.code in (0, 1)
        assert len(keys().keys() - before.keys()) == (1 if done.code == 0 else 0)
