"""Proof by use: what the HSM computes under its copy verifies under the service's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from keyferry.crypto.keyblock import ModeOfUse
from keyferry.errors import ExchangeError, ProofError
from keyferry.exchange.modes import modes_for
from keyferry.exchange.parties.interface import KeyRequest, ReceivedKey, TransportKey
from keyferry.exchange.proof import NOT_PROVABLE, prove_by_use
from keyferry.exchange.proof_kinds import Proof, ProofKind, UsedKey
from keyferry.exchange.steps import Steps
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage

CVV = "TR31_C0_CARD_VERIFICATION_KEY"
PEK = "TR31_P0_PIN_ENCRYPTION_KEY"
BDK = "TR31_B0_BASE_DERIVATION_KEY"
DEK = "TR31_D0_SYMMETRIC_DATA_ENCRYPTION_KEY"
BLOCK_KEY = "TR31_K1_KEY_BLOCK_PROTECTION_KEY"

SENT, CAME = "made by the sender", "made by the receiver"
VERIFIED = f"{SENT}, verified by the receiver"
DECRYPTED = f"{SENT}, decrypted by the receiver"
TRANSLATED = f"{SENT}, translated by the receiver"
UNWRAPPED = f"{SENT}, unwrapped by the receiver"
RETURNED = f"{CAME}, verified by the sender"

PAYSHIELD = [
    (CVV, "TDES_2KEY", f"CVV {VERIFIED}"),
    ("TR31_M0_ISO_16609_MAC_KEY", "TDES_2KEY", f"MAC {VERIFIED}"),
    ("TR31_M1_ISO_9797_1_MAC_KEY", "TDES_2KEY", f"MAC {VERIFIED}"),
    ("TR31_M3_ISO_9797_3_MAC_KEY", "TDES_2KEY", f"MAC {VERIFIED}"),
    ("TR31_M3_ISO_9797_3_MAC_KEY", "TDES_3KEY", f"MAC {VERIFIED}"),
    ("TR31_M6_ISO_9797_5_CMAC_KEY", "AES_128", f"MAC {VERIFIED}"),
    ("TR31_M6_ISO_9797_5_CMAC_KEY", "TDES_3KEY", f"MAC {VERIFIED}"),
    (PEK, "TDES_2KEY", f"PIN block {TRANSLATED}"),
    (PEK, "TDES_3KEY", f"PIN block {TRANSLATED}"),
    (PEK, "AES_256", f"PIN block {TRANSLATED}"),
    (BDK, "TDES_2KEY", f"DUKPT MAC {VERIFIED}"),
    (DEK, "TDES_2KEY", f"cryptogram {DECRYPTED}"),
    (DEK, "AES_192", f"cryptogram {DECRYPTED}"),
    ("TR31_V1_IBM3624_PIN_VERIFICATION_KEY", "TDES_2KEY", f"PIN offset {VERIFIED}"),
    ("TR31_V1_IBM3624_PIN_VERIFICATION_KEY", "TDES_3KEY", f"PIN offset {VERIFIED}"),
    ("TR31_V2_VISA_PIN_VERIFICATION_KEY", "TDES_2KEY", f"PVV {VERIFIED}"),
    ("TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", "TDES_2KEY", f"ARQC {RETURNED}"),
    ("TR31_E2_EMV_MKEY_INTEGRITY", "TDES_2KEY", f"ARQC and script MAC {RETURNED}"),
    ("TR31_K0_KEY_ENCRYPTION_KEY", "TDES_2KEY", f"key block {UNWRAPPED}"),
    (BLOCK_KEY, "TDES_3KEY", f"key block {UNWRAPPED}"),
    (BLOCK_KEY, "AES_256", f"key block {UNWRAPPED}"),
]
VARIANT = [row for row in PAYSHIELD if row[1] == "TDES_2KEY"]
FUTUREX = [
    (CVV, "TDES_2KEY", f"CVV {VERIFIED}"),
    (PEK, "TDES_2KEY", f"PIN block {TRANSLATED}"),
    (PEK, "TDES_3KEY", f"PIN block {TRANSLATED}"),
    ("TR31_V2_VISA_PIN_VERIFICATION_KEY", "TDES_2KEY", f"PVV {VERIFIED}"),
    ("TR31_V2_VISA_PIN_VERIFICATION_KEY", "TDES_3KEY", f"PVV {VERIFIED}"),
    ("TR31_K0_KEY_ENCRYPTION_KEY", "TDES_2KEY", f"key block {UNWRAPPED}"),
    (BLOCK_KEY, "AES_256", f"key block {UNWRAPPED}"),
]
ATALLA = [
    (CVV, "TDES_2KEY", f"CVV {VERIFIED}"),
    ("TR31_M0_ISO_16609_MAC_KEY", "TDES_2KEY", f"MAC {VERIFIED}"),
    ("TR31_M1_ISO_9797_1_MAC_KEY", "TDES_3KEY", f"MAC {VERIFIED}"),
    ("TR31_M3_ISO_9797_3_MAC_KEY", "TDES_2KEY", f"MAC {VERIFIED}"),
    (PEK, "TDES_2KEY", f"PIN block {TRANSLATED}"),
    (PEK, "TDES_3KEY", f"PIN block {TRANSLATED}"),
    (BDK, "TDES_2KEY", f"DUKPT PIN block {TRANSLATED}"),
    (DEK, "TDES_3KEY", f"cryptogram {DECRYPTED}"),
    ("TR31_V1_IBM3624_PIN_VERIFICATION_KEY", "TDES_2KEY", f"PIN offset {RETURNED}"),
    ("TR31_V2_VISA_PIN_VERIFICATION_KEY", "TDES_3KEY", f"PVV {RETURNED}"),
    ("TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", "TDES_2KEY", f"ARQC {RETURNED}"),
    ("TR31_E1_EMV_MKEY_CONFIDENTIALITY", "TDES_2KEY", f"script PIN block {DECRYPTED}"),
    ("TR31_E2_EMV_MKEY_INTEGRITY", "TDES_2KEY", f"script MAC {VERIFIED}"),
    (BLOCK_KEY, "TDES_3KEY", f"key block {UNWRAPPED}"),
]
REGIONS = [
    *(row for row in PAYSHIELD if CAME not in row[2]),
    (BDK, "AES_128", f"DUKPT MAC {VERIFIED}"),
    (BDK, "AES_256", f"DUKPT MAC {VERIFIED}"),
    (CVV, "TDES_3KEY", f"CSC {VERIFIED}"),
    ("TR31_M7_HMAC_KEY", "HMAC_SHA256", f"MAC {VERIFIED}"),
    ("TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS", "TDES_2KEY", f"ARQC {VERIFIED}"),
    ("TR31_E1_EMV_MKEY_CONFIDENTIALITY", "TDES_2KEY", f"script PIN block {DECRYPTED}"),
    ("TR31_E2_EMV_MKEY_INTEGRITY", "TDES_2KEY", f"script MAC {VERIFIED}"),
    ("TR31_E4_EMV_MKEY_DYNAMIC_NUMBERS", "TDES_2KEY", f"CVC3 {VERIFIED}"),
    ("TR31_E6_EMV_MKEY_OTHER", "TDES_2KEY", f"dCVV {VERIFIED}"),
]


@pytest.fixture
def data_plane(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS conventions say where the data plane is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_PAYMENT_CRYPTOGRAPHY_DATA", service)


@pytest.mark.parametrize(("usage", "algorithm", "proven"), PAYSHIELD)
def test_key_block_lmk(
    exchange, aws, data_plane, simulator: int, usage: str, algorithm: str, proven: str
) -> None:
    """Every usage under which something can be computed is proven, of every strength."""
    flow = {"key_usage": usage, "key_algorithm": algorithm}
    document = {
        "kdh": {"payshield": {"port": simulator, "ecdh": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    assert exchange("ecdh", "payshield", document, "--prove").result["proof_by_use"] == proven


@pytest.mark.parametrize(("usage", "algorithm", "proven"), VARIANT)
def test_variant_lmk(
    exchange, aws, data_plane, simulator: int, usage: str, algorithm: str, proven: str
) -> None:
    """Keys under a variant LMK are proven alike."""
    flow = {"key_usage": usage, "key_algorithm": algorithm}
    document = {
        "kdh": {"payshield": {"port": simulator, "variant_lmk": True, "tr34": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    assert exchange("tr34", "payshield", document, "--prove").result["proof_by_use"] == proven


@pytest.mark.parametrize(("usage", "algorithm", "proven"), FUTUREX)
def test_futurex(
    exchange, aws, data_plane, futurex_simulator: int, usage: str, algorithm: str, proven: str
) -> None:
    """A Futurex proves what its public commands compute."""
    flow = {"key_usage": usage, "key_algorithm": algorithm}
    document = {
        "kdh": {"futurex": {"port": futurex_simulator, "ecdh": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    assert exchange("ecdh", "futurex", document, "--prove").result["proof_by_use"] == proven


@pytest.mark.parametrize(("usage", "algorithm", "proven"), ATALLA)
def test_atalla(
    exchange, aws, data_plane, atalla_simulator: int, usage: str, algorithm: str, proven: str
) -> None:
    """An Atalla proves what it computes, and what it verifies of the service's."""
    flow = {"key_usage": usage, "key_algorithm": algorithm}
    document = {
        "kdh": {"atalla": {"port": atalla_simulator, "tr34": flow}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    assert exchange("tr34", "atalla", document, "--prove").result["proof_by_use"] == proven


@pytest.mark.parametrize(("usage", "algorithm", "proven"), REGIONS)
def test_region_to_region(
    exchange, aws, data_plane, usage: str, algorithm: str, proven: str
) -> None:
    """A Region computes what another verifies, under keys of every symmetric usage."""
    flow = {"key_usage": usage, "key_algorithm": algorithm}
    document = {
        "kdh": {"apc": {"region": "us-east-1", "ecdh": flow}},
        "krd": {"apc": {"region": "us-west-2"}},
    }
    assert exchange("ecdh", "apc", document, "--prove").result["proof_by_use"] == proven


def test_nothing_is_proven_unasked(exchange, aws, simulator: int) -> None:
    """Without the option the data plane is not called."""
    document = {
        "kdh": {"payshield": {"port": simulator, "tr34": {}}},
        "krd": {"apc": {"region": "us-east-1"}},
    }
    assert exchange("tr34", "payshield", document).result["proof_by_use"] == ""


class _Proofs:
    """What a made-up party computes and verifies: CVVs, all of them 123."""

    def __init__(self, makes: str = "", checks: str = "", *, expects: str = "123") -> None:
        self._makes = frozenset(ProofKind(name) for name in makes.split(",") if name)
        self._checks = frozenset(ProofKind(name) for name in checks.split(",") if name)
        self._expects = expects

    def makes(self, key: UsedKey) -> frozenset[ProofKind]:
        return self._makes

    def checks(self, key: UsedKey) -> frozenset[ProofKind]:
        return self._checks

    async def make(self, kind: ProofKind, key: UsedKey, companion: UsedKey | None) -> Proof:
        return Proof(kind=kind, value="123")

    async def check(self, proof: Proof, key: UsedKey, companion: UsedKey | None) -> str:
        if proof.value != self._expects:
            raise ProofError("another value")
        return "verified"


class _Party:
    def __init__(self, label: str, proofs: _Proofs) -> None:
        self.label, self.proofs = label, proofs


def _keys(
    usage: KeyUsage = KeyUsage.TR31_C0_CARD_VERIFICATION_KEY,
    algorithm: KeyAlgorithm = KeyAlgorithm.TDES_2KEY,
    possible: tuple[KeyAlgorithm, ...] = (),
) -> tuple[TransportKey, ReceivedKey]:
    sent = TransportKey(
        handle="U",
        usage=usage,
        algorithm=None if possible else algorithm,
        check_value="08D7B4",
        generated=True,
    )
    received = ReceivedKey(
        identifier="arn:key",
        check_value="08D7B4",
        check_value_method="ANSI_X9_24",
        attributes=KeyAttributes(
            key_usage=usage,
            key_class=KeyClass.SYMMETRIC_KEY,
            key_algorithm=algorithm,
            modes_of_use=modes_for(usage),
        ),
        exportable=True,
        possible=possible,
    )
    return sent, received


def _prove(
    kdh: Any,
    krd: Any,
    keys: tuple[TransportKey, ReceivedKey] | None = None,
    mode: str | None = None,
) -> str:
    sent, received = keys or _keys()
    used_as = ModeOfUse(mode) if mode else received.attributes.modes_of_use.letter

    async def bring(request: KeyRequest) -> tuple[TransportKey, ReceivedKey]:
        raise AssertionError(f"nothing needs a {request.usage}")

    proven = asyncio.run(
        prove_by_use(
            sent,
            received,
            mode=used_as,
            kdh=kdh,
            krd=krd,
            bring=bring,
            steps=Steps(lambda _: None),
        )
    )
    return proven.text


def test_the_sender_computes_where_it_can() -> None:
    """The direction is the sender's; if it only verifies, the receiver's."""
    both = _Proofs("CVV", "CVV")
    assert _prove(_Party("A", both), _Party("B", both)) == f"CVV {VERIFIED}"
    assert _prove(_Party("A", _Proofs("", "CVV")), _Party("B", both)) == f"CVV {RETURNED}"


@pytest.mark.parametrize("by_receiver", [False, True])
def test_a_proof_that_fails_names_the_key(by_receiver: bool) -> None:
    """What does not verify is an error that says which key not to use, never a secret."""
    wrong = _Proofs("", "CVV", expects="124")
    maker = _Proofs("CVV")
    parties = (_Party("A", maker), _Party("B", wrong))
    with pytest.raises(ExchangeError, match="arn:key was created, but the CVV") as caught:
        _prove(*(reversed(parties) if by_receiver else parties))
    assert "it is being deleted" in str(caught.value.hint)
    assert "123" not in str(caught.value)


def test_parties_that_do_not_use_keys() -> None:
    """A party without such commands is said to be one."""
    party = _Party("A", _Proofs("CVV", "CVV"))
    for pair in ((object(), party), (party, object())):
        assert _prove(*pair) == f"{NOT_PROVABLE}: one of the parties does not use keys"


def test_what_only_one_side_has_a_command_for() -> None:
    """The side without any command is named; if both have others, that is said."""
    able, unable = _Party("A", _Proofs("CVV", "CVV")), _Party("B", _Proofs("MAC", "MAC"))
    said = "no public command of the B computes under or verifies with a TDES_2KEY key of usage C0"
    assert _prove(able, unable) == f"{NOT_PROVABLE}: {said}"
    assert _prove(unable, able) == f"{NOT_PROVABLE}: {said}"
    maker = _Party("C", _Proofs("CVV"))
    assert "has no public command to verify" in _prove(maker, maker)


@pytest.mark.parametrize(
    ("keys", "mode", "reason"),
    [
        (_keys(KeyUsage.TR31_P1_PIN_GENERATION_KEY), None, "no operation uses a key of usage P1"),
        (_keys(), "G", "mode of use G lets no two sides both compute and verify"),
        (
            _keys(KeyUsage.TR31_B0_BASE_DERIVATION_KEY, KeyAlgorithm.TDES_3KEY),
            None,
            "DUKPT derives from double-length TDES and from AES keys only",
        ),
        (
            _keys(
                KeyUsage.TR31_E0_EMV_MKEY_APP_CRYPTOGRAMS,
                possible=(KeyAlgorithm.TDES_2KEY, KeyAlgorithm.TDES_3KEY),
            ),
            None,
            "whether it is of TDES_2KEY or TDES_3KEY is not known; state key_algorithm",
        ),
        (
            _keys(KeyUsage.TR31_E4_EMV_MKEY_DYNAMIC_NUMBERS, KeyAlgorithm.AES_128),
            None,
            "no operation uses AES_128 keys of usage E4",
        ),
    ],
)
def test_keys_under_which_nothing_can_be_proven(
    keys: tuple[TransportKey, ReceivedKey], mode: str | None, reason: str
) -> None:
    """The reason is the key's own, whoever the parties are."""
    able = _Party("A", _Proofs(",".join(ProofKind), ",".join(ProofKind)))
    assert _prove(able, able, keys, mode) == f"{NOT_PROVABLE}: {reason}"
