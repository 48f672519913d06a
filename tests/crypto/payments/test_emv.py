"""EMV: known keys and cryptograms, scripts, refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.components import has_odd_parity
from keyferry.crypto.emv import (
    EMV2000_FRAMING,
    MASTERCARD_FRAMING,
    VISA_FRAMING,
    MasterKeyOption,
    ScriptFraming,
    ScriptMode,
    arpc_method1,
    arpc_method2,
    common_diversifier,
    derive_common_session_key,
    derive_emv2000_session_key,
    derive_icc_master_key,
    derive_unionpay_session_key,
    derive_visa_script_key,
    encrypt_script_data,
    generate_arqc,
    make_pin_change,
    script_mac,
    verify_arqc,
    visa_pin_block,
)
from keyferry.crypto.padding import Padding
from keyferry.crypto.pin_block import PINBlockFormat, encode_pin_block
from keyferry.crypto.tdes_key import TDESKey
from keyferry.errors import (
    CryptogramVerificationError,
    DataSizeError,
    PaymentDataError,
    UnsupportedAlgorithmError,
)

IMK = TDESKey(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
PAN, PSN = "9137631040001422", "01"
MK = bytes.fromhex("B9EFDAD5D5F23BFB73526404C1C82046")
ATC, UN = bytes.fromhex("000B"), bytes.fromhex("01020304")
DATA_1 = bytes.fromhex(
    "00000000170000000000000008400080008000084016051700000000093800000B03011203000000"
)
DATA_2 = bytes.fromhex(
    "00000000170000000000000008400080008000084016051700000000093800000B1F22010300000000000000000000"
    "00000000000000000000000000000000008000000000000000"
)

FIXED = settings(derandomize=True, deadline=None, max_examples=100)
pans = st.text("0123456789", min_size=12, max_size=19)
psns = st.text("0123456789", min_size=2, max_size=2)
blocks = st.binary(min_size=8, max_size=64).map(lambda data: data[: len(data) // 8 * 8])


@pytest.mark.parametrize(
    ("option", "pan", "psn", "key"),
    [
        ("A", PAN, PSN, "B9EFDAD5D5F23BFB73526404C1C82046"),
        ("A", "12345678901234567", "01", "73AD54688CEF2934B0979857E3C719F1"),
        ("B", "12345678901234567", "01", "AD406D7F6D7570916D75E5DCAB8CF737"),
        ("B", "1234567890123456789", "01", "BA382F7FDA3D38FD1CE531348C9EEC25"),
        ("B", PAN, PSN, "B9EFDAD5D5F23BFB73526404C1C82046"),
    ],
)
def test_icc_master_key(option: str, pan: str, psn: str, key: str) -> None:
    """Known card keys come out by both options."""
    made = derive_icc_master_key(IMK, pan=pan, psn=psn, option=MasterKeyOption(option))
    assert made.hex().upper() == key


@pytest.mark.parametrize(
    ("derive", "key"),
    [
        (
            lambda: derive_common_session_key(MK, common_diversifier(ATC)),
            "FD7FEF8A3164E043C78AE57FBF976B80",
        ),
        (
            lambda: derive_common_session_key(MK, common_diversifier(ATC, UN)),
            "07F8E0FB3158F1403715F7521AB02C2A",
        ),
        (lambda: derive_emv2000_session_key(MK, ATC), "5BA2C1401F6245C1FBF4E0A4D3A17532"),
        (lambda: derive_visa_script_key(MK, ATC), "B9EFDAD5D5F23BF173526404C1C8DFB3"),
        (lambda: derive_unionpay_session_key(MK, ATC), "9134BFC1977FB3671A8F25D970805E79"),
        (
            lambda: derive_emv2000_session_key(
                bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"), bytes.fromhex("001C")
            ),
            "E5BF6D1067F194B0A89B7F5D83BC64A2",
        ),
    ],
)
def test_session_keys(derive: Callable[[], bytes], key: str) -> None:
    """Known session keys come out of each scheme."""
    assert derive().hex().upper() == key


@FIXED
@given(pans, psns, st.binary(min_size=2, max_size=2), st.binary(min_size=8, max_size=8))
def test_derived_keys_have_odd_parity(pan: str, psn: str, atc: bytes, cryptogram: bytes) -> None:
    """Every derived key is 16 bytes of odd parity."""
    for option in MasterKeyOption:
        key = derive_icc_master_key(IMK, pan=pan, psn=psn, option=option)
        for derived in (
            key,
            derive_common_session_key(key, cryptogram),
            derive_emv2000_session_key(key, atc),
            derive_unionpay_session_key(key, atc),
            derive_visa_script_key(key, atc),
        ):
            assert len(derived) == 16
            assert has_odd_parity(derived)


@pytest.mark.parametrize(
    ("session_key", "data", "arqc"),
    [
        (MK, DATA_1, "D791093C8A921769"),
        (derive_common_session_key(MK, common_diversifier(ATC)), DATA_2, "61EDCC708B4C97B4"),
        (derive_emv2000_session_key(MK, ATC), DATA_2, "2A766A346EDDC156"),
        (derive_common_session_key(MK, common_diversifier(ATC, UN)), DATA_2, "6F3D2CF48AFCEB9C"),
        (derive_unionpay_session_key(MK, ATC), DATA_2, "5A9E2916905535E1"),
    ],
)
def test_arqc(session_key: bytes, data: bytes, arqc: str) -> None:
    """Known cryptograms come out, and verify."""
    key = TDESKey(session_key)
    assert generate_arqc(key, data).hex().upper() == arqc
    verify_arqc(key, bytes.fromhex(arqc), data)


def test_arqc_of_amex() -> None:
    """Amex takes the card's key itself."""
    imk = TDESKey(bytes.fromhex("6786D3D6F2266E19B67302438ACE7551"))
    key = TDESKey(derive_icc_master_key(imk, pan="3677481447555329"))
    data = bytes.fromhex(
        "00000005230900000000000001240000000000012425121900123456780000000B03212121000000"
    )
    assert generate_arqc(key, data).hex().upper() == "3540ECB772D51C5A"


@FIXED
@given(st.binary(min_size=16, max_size=16), blocks, st.integers(0, 63))
def test_only_the_cryptogram_verifies(key: bytes, data: bytes, bit: int) -> None:
    """A flipped bit in the cryptogram or in the data is refused, a wrong length too."""
    opened = TDESKey(key)
    arqc = generate_arqc(opened, data)
    verify_arqc(opened, arqc, data)
    flipped = (int.from_bytes(arqc) ^ 1 << bit).to_bytes(8)
    changed = (int.from_bytes(data) ^ 1 << bit).to_bytes(len(data))
    for wrong, message in ((flipped, data), (arqc, changed), (arqc[:4], data), (b"", data)):
        with pytest.raises(CryptogramVerificationError):
            verify_arqc(opened, wrong, message)


def test_arpc() -> None:
    """Known answers come out of both methods."""
    key = TDESKey(derive_common_session_key(MK, common_diversifier(ATC)))
    arqc, arc, csu = (bytes.fromhex(text) for text in ("61EDCC708B4C97B4", "3030", "12345678"))
    assert arpc_method1(key, arqc=arqc, arc=arc).hex().upper() == "45118DEFB04DD0E3"
    assert arpc_method2(key, arqc=arqc, csu=csu).hex().upper() == "D94886EF"
    answer = arpc_method2(key, arqc=arqc, csu=csu, proprietary_data=bytes.fromhex("11223344"))
    assert answer.hex().upper() == "D448FD72"
    cvn10 = bytes.fromhex("D791093C8A921769")
    assert arpc_method1(TDESKey(MK), arqc=cvn10, arc=arc).hex().upper() == "F28D7DA3B9577EDE"


class TestScripts:
    """PIN change and script MAC, on the worked examples."""

    pan, psn = "1234567890123456", "01"
    cryptogram = bytes.fromhex("ABCDEF1234567890")
    header = bytes.fromhex("8424000210")
    smc = TDESKey(bytes.fromhex("11111111111111112222222222222222"))
    iso2 = encode_pin_block(PINBlockFormat.ISO_2, "9999")

    def card(self, key: TDESKey) -> bytes:
        return derive_icc_master_key(key, pan=self.pan, psn=self.psn)

    def common(self, key: TDESKey) -> TDESKey:
        return TDESKey(derive_common_session_key(self.card(key), self.cryptogram))

    def test_script_mac(self) -> None:
        """The HSM-checked value comes out."""
        mac = script_mac(self.common(IMK), bytes.fromhex("8424000008"))
        assert mac.hex().upper() == "CF323F09A0F6AB9E"

    @pytest.mark.parametrize(
        ("framing", "encrypted", "mac"),
        [
            (MASTERCARD_FRAMING, "28367E05DE3381C2", "8C4D10091A093B5B"),
            (
                ScriptFraming(has_length=True, padding=Padding.METHOD_2),
                "437F3CCC31900E7E76F856F415348945",
                None,
            ),
            (EMV2000_FRAMING, "28367E05DE3381C29D30A6055A8DEB86", None),
        ],
    )
    def test_common_pin_change(
        self, framing: ScriptFraming, encrypted: str, mac: str | None
    ) -> None:
        """The framings around a format 2 block."""
        change = make_pin_change(
            confidentiality_key=self.common(self.smc),
            integrity_key=self.common(IMK),
            pin_block=self.iso2,
            framing=framing,
            header=self.header,
        )
        assert change.encrypted_pin_block.hex().upper() == encrypted
        assert mac in (change.mac.hex().upper(), None)
        assert change.mac == script_mac(self.common(IMK), self.header + bytes.fromhex(encrypted))

    def test_visa_pin_change(self) -> None:
        """The Visa block, its framing and MAC."""
        imk_ac = TDESKey(bytes.fromhex("FEDCBA98765432100123456789ABCDEF"))
        mk_ac, atc = self.card(imk_ac), b"\xff\xff"
        assert mk_ac.hex().upper() == "2F98ADEF3B4FFE0E5832759BB5D057D6"
        block = visa_pin_block(mk_ac, "9999")
        assert block.hex().upper() == "049999FFC4B001F1"
        change = make_pin_change(
            confidentiality_key=CipherKey(
                Cipher.TDES, derive_visa_script_key(self.card(self.smc), atc)
            ),
            integrity_key=TDESKey(derive_visa_script_key(self.card(IMK), atc)),
            pin_block=block,
            framing=VISA_FRAMING,
            header=self.header,
        )
        assert change.encrypted_pin_block.hex().upper() == "D421231A6FD2F0FAEE671384F0D3A7B9"
        assert change.mac.hex().upper() == "F67E37E67B06AB99"
        with_current = visa_pin_block(mk_ac, "9999", current_pin="8888")
        assert with_current.hex().upper() == "8C1199FFC4B001F1"

    def test_length_without_padding_is_refused(self) -> None:
        """Nine bytes are no whole blocks, in either mode."""
        for mode in ScriptMode:
            with pytest.raises(DataSizeError):
                encrypt_script_data(self.smc, self.iso2, ScriptFraming(has_length=True, mode=mode))

    @pytest.mark.parametrize("padding", [Padding.METHOD_1, Padding.METHOD_3])
    def test_other_paddings_are_refused(self, padding: Padding) -> None:
        """A script pads by method 2 or not at all."""
        with pytest.raises(UnsupportedAlgorithmError):
            encrypt_script_data(self.smc, self.iso2, ScriptFraming(padding=padding))


@pytest.mark.parametrize(
    "call",
    [
        lambda: derive_common_session_key(MK[:8], bytes(8)),
        lambda: derive_common_session_key(MK, bytes(7)),
        lambda: derive_emv2000_session_key(MK, bytes(1)),
        lambda: derive_emv2000_session_key(MK, ATC, iv=bytes(8)),
        lambda: derive_emv2000_session_key(MK + bytes(8), ATC),
        lambda: derive_unionpay_session_key(MK, bytes(3)),
        lambda: derive_unionpay_session_key(b"", ATC),
        lambda: derive_visa_script_key(MK, b""),
        lambda: derive_visa_script_key(MK[:15], ATC),
        lambda: common_diversifier(bytes(3)),
        lambda: common_diversifier(ATC, bytes(3)),
        lambda: generate_arqc(IMK, bytes(7)),
        lambda: generate_arqc(IMK, b""),
        lambda: arpc_method1(IMK, arqc=bytes(7), arc=bytes(2)),
        lambda: arpc_method1(IMK, arqc=bytes(8), arc=bytes(3)),
        lambda: arpc_method2(IMK, arqc=bytes(9), csu=bytes(4)),
        lambda: arpc_method2(IMK, arqc=bytes(8), csu=bytes(3)),
        lambda: arpc_method2(IMK, arqc=bytes(8), csu=bytes(4), proprietary_data=bytes(9)),
        lambda: visa_pin_block(MK[:8], "1234"),
    ],
)
def test_sizes_are_checked(call: Callable[[], object]) -> None:
    """Every input has its length."""
    with pytest.raises(DataSizeError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: derive_icc_master_key(IMK, pan="1" * 11),
        lambda: derive_icc_master_key(IMK, pan="1" * 20),
        lambda: derive_icc_master_key(IMK, pan="123456789012345x"),
        lambda: derive_icc_master_key(IMK, pan=PAN, psn="1"),
        lambda: derive_icc_master_key(IMK, pan=PAN, psn="0x"),
        lambda: derive_emv2000_session_key(MK, ATC, height=7),
        lambda: derive_emv2000_session_key(MK, ATC, branch=2),
        lambda: derive_emv2000_session_key(MK, ATC, branch=0),
        lambda: derive_emv2000_session_key(MK, ATC, branch=1, height=16),
        lambda: derive_emv2000_session_key(MK, ATC, height=10**9),
        lambda: visa_pin_block(MK, "123"),
        lambda: visa_pin_block(MK, "1234", current_pin="12345678901234"),
    ],
)
def test_forms_are_checked(call: Callable[[], object]) -> None:
    """Digits are digits, and a tree has a leaf for every counter."""
    with pytest.raises(PaymentDataError):
        call()
