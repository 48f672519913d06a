"""There and back over every legal combination of parameters, and no oracle on the way."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

PIN_FORMATS = {
    "IsoFormat0": "ISO_FORMAT_0",
    "IsoFormat1": "ISO_FORMAT_1",
    "IsoFormat3": "ISO_FORMAT_3",
    "IsoFormat4": "ISO_FORMAT_4",
}
SIZES = {"TDES_2KEY": 16, "TDES_3KEY": 24, "AES_128": 16, "AES_192": 24, "AES_256": 32}
STRENGTH = {"AES_128": 128, "AES_192": 192, "AES_256": 256}
VARIANTS = ["REQUEST", "RESPONSE", "BIDIRECTIONAL"]
MODES = ["ECB", "CBC", "CFB", "CFB1", "CFB8", "CFB64", "CFB128", "OFB"]

pans = st.text("0123456789", min_size=12, max_size=19)
psns = st.text("0123456789", min_size=2, max_size=2)
atcs = st.binary(min_size=2, max_size=2).map(bytes.hex)


def run(shared: Any, name: str, **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = asyncio.run(shared.call(name, **members))
    return answer


_ARNS: dict[tuple[str, ...], str] = {}


def key(shared: Any, code: str, algorithm: str, letter: str) -> str:
    """The ARN of a key of a kind; made when first asked for."""
    kind = (code, algorithm, letter)
    if kind not in _ARNS:
        size = SIZES.get(algorithm, 32)
        material = bytes(range(1, size + 1)).hex()
        _ARNS[kind] = shared.put(code, algorithm, letter, material)
    return _ARNS[kind]


@st.composite
def dukpts(draw: Any, *, types: tuple[str, ...] = tuple(SIZES)) -> tuple[str, str, str]:
    """BDK algorithm, KSN and a type the BDK derives."""
    bdk = draw(st.sampled_from(["TDES_2KEY", *STRENGTH]))
    if bdk == "TDES_2KEY":
        size = draw(st.sampled_from([8, 10]))
        return bdk, draw(st.binary(min_size=size, max_size=size)).hex(), "TDES_2KEY"
    allowed = [kind for kind in types if STRENGTH.get(kind, 128) <= STRENGTH[bdk]]
    ksn = draw(st.binary(min_size=12, max_size=12)).hex()
    return bdk, ksn, draw(st.sampled_from(allowed))


@st.composite
def data_sides(draw: Any) -> tuple[tuple[str, str, str], dict[str, Any], int]:
    """A key, attributes that fit it, and the alignment of its data."""
    kind = draw(st.sampled_from(["Symmetric", "Dukpt", "Emv"]))
    if kind == "Symmetric":
        algorithm = draw(st.sampled_from(list(SIZES)))
        wrong = "CFB128" if algorithm.startswith("TDES") else "CFB64"
        mode = draw(st.sampled_from([mode for mode in MODES if mode != wrong]))
        attributes = {"Mode": mode}
        source = ("D0", algorithm, draw(st.sampled_from(["B", "N"])))
    elif kind == "Dukpt":
        bdk, ksn, algorithm = draw(dukpts())
        mode = draw(st.sampled_from(["ECB", "CBC"]))
        variants = VARIANTS[:2] if bdk == "TDES_2KEY" else VARIANTS
        attributes = {
            "Mode": mode,
            "KeySerialNumber": ksn,
            "DukptKeyDerivationType": algorithm,
            "DukptKeyVariant": draw(st.sampled_from(variants)),
        }
        source = ("B0", bdk, draw(st.sampled_from(["X", "N"])))
    else:
        algorithm, mode = "TDES_2KEY", draw(st.sampled_from(["ECB", "CBC"]))
        pan = draw(pans)
        attributes = {
            "Mode": mode,
            "MajorKeyDerivationMode": "EMV_OPTION_B" if len(pan) > 16 else "EMV_OPTION_A",
            "PrimaryAccountNumber": pan,
            "PanSequenceNumber": draw(psns),
            "SessionDerivationData": draw(st.binary(min_size=8, max_size=8)).hex(),
        }
        source = (draw(st.sampled_from(["E1", "E6"])), "TDES_2KEY", "X")
    block = 8 if algorithm.startswith("TDES") else 16
    if mode != "ECB" and draw(st.booleans()):
        attributes["InitializationVector"] = draw(st.binary(min_size=block, max_size=block)).hex()
    return source, {kind: attributes}, block if mode in ("ECB", "CBC") else 1


@given(side=data_sides(), data=st.data())
def test_data_comes_back(shared: Any, side: Any, data: st.DataObject) -> None:
    """Encrypted, it is another and as long; decrypted, it is the same."""
    source, attributes, alignment = side
    blocks = data.draw(st.integers(1, 64 // alignment))
    plain = data.draw(st.binary(min_size=blocks * alignment, max_size=blocks * alignment))
    arn = key(shared, *source)
    answer = run(
        shared,
        "EncryptData",
        KeyIdentifier=arn,
        PlainText=plain.hex(),
        EncryptionAttributes=attributes,
    )
    assert len(answer["CipherText"]) == 2 * len(plain)
    assert answer["CipherText"].isupper() or answer["CipherText"].isdigit()
    back = run(
        shared,
        "DecryptData",
        KeyIdentifier=arn,
        CipherText=answer["CipherText"],
        DecryptionAttributes=attributes,
    )
    assert bytes.fromhex(back["PlainText"]) == plain
    assert back["KeyCheckValue"] == answer["KeyCheckValue"]


@given(first=data_sides(), second=data_sides(), data=st.data())
def test_data_comes_back_through_another_key(
    shared: Any, first: Any, second: Any, data: st.DataObject
) -> None:
    """From one side to the other and back, where one of them derives its key."""
    kinds = [next(iter(attributes)) for _, attributes, _ in (first, second)]
    if "Emv" in kinds or kinds == ["Symmetric", "Symmetric"]:
        return
    plain = data.draw(st.binary(min_size=16, max_size=16))
    sides = [(key(shared, *source), attributes) for source, attributes, _ in (first, second)]
    text = run(
        shared,
        "EncryptData",
        KeyIdentifier=sides[0][0],
        PlainText=plain.hex(),
        EncryptionAttributes=sides[0][1],
    )["CipherText"]
    for (from_key, from_attributes), (to_key, to_attributes) in (sides, sides[::-1]):
        answer = run(
            shared,
            "ReEncryptData",
            IncomingKeyIdentifier=from_key,
            OutgoingKeyIdentifier=to_key,
            CipherText=text,
            IncomingEncryptionAttributes=from_attributes,
            OutgoingEncryptionAttributes=to_attributes,
        )
        assert answer["KeyArn"] == to_key
        text = answer["CipherText"]
    clear = run(
        shared,
        "DecryptData",
        KeyIdentifier=sides[0][0],
        CipherText=text,
        DecryptionAttributes=sides[0][1],
    )
    assert bytes.fromhex(clear["PlainText"]) == plain


@st.composite
def mac_sides(draw: Any) -> tuple[tuple[str, str, str], dict[str, Any], int]:
    """A key, attributes that fit it, and the bytes of its whole MAC."""
    kind = draw(st.sampled_from(["Static", "EmvMac", "Dukpt"]))
    if kind == "Static":
        code, algorithms, name = draw(
            st.sampled_from(
                [
                    ("M1", ["TDES_2KEY", "TDES_3KEY"], "ISO9797_ALGORITHM1"),
                    ("M3", ["TDES_2KEY", "TDES_3KEY"], "ISO9797_ALGORITHM3"),
                    ("M0", ["TDES_2KEY"], "AS2805_4_1"),
                    ("M6", list(SIZES), "CMAC"),
                    ("M7", ["HMAC_SHA224", "HMAC_SHA256", "HMAC_SHA384", "HMAC_SHA512"], "HMAC"),
                ]
            )
        )
        algorithm = draw(st.sampled_from(algorithms))
        if name == "HMAC":
            size = int(algorithm[-3:]) // 8
            name = draw(st.sampled_from(["HMAC", algorithm]))
        else:
            size = 16 if algorithm.startswith("AES") else 8
        return (code, algorithm, "C"), {"Algorithm": name}, size
    if kind == "EmvMac":
        mode = draw(
            st.sampled_from(
                [
                    *("EMV_COMMON_SESSION_KEY", "MASTERCARD_SESSION_KEY"),
                    *("EMV2000", "VISA", "AMEX", "UNION_PAY"),
                ]
            )
        )
        pan = draw(pans)
        value = (
            {"ApplicationCryptogram": draw(st.binary(min_size=8, max_size=8)).hex()}
            if mode.endswith("SESSION_KEY")
            else {"ApplicationTransactionCounter": draw(atcs)}
        )
        attributes = {
            "MajorKeyDerivationMode": "EMV_OPTION_B" if len(pan) > 16 else "EMV_OPTION_A",
            "PrimaryAccountNumber": pan,
            "PanSequenceNumber": draw(psns),
            "SessionKeyDerivationMode": mode,
            "SessionKeyDerivationValue": value,
        }
        return ("E2", "TDES_2KEY", "X"), {"EmvMac": attributes}, 8
    name = draw(st.sampled_from(["DukptIso9797Algorithm1", "DukptIso9797Algorithm3", "DukptCmac"]))
    tdes = ("TDES_2KEY", "TDES_3KEY")
    bdk, ksn, algorithm = draw(dukpts(types=tuple(SIZES) if name == "DukptCmac" else tdes))
    attributes = {
        "KeySerialNumber": ksn,
        "DukptDerivationType": algorithm,
        "DukptKeyVariant": draw(st.sampled_from(VARIANTS[:2] if bdk == "TDES_2KEY" else VARIANTS)),
    }
    size = 16 if algorithm.startswith("AES") else 8
    return ("B0", bdk, "X"), {name: attributes}, size


@given(side=mac_sides(), data=st.data())
def test_macs_verify(shared: Any, tools: Any, side: Any, data: st.DataObject) -> None:
    """Whatever length is cut; one changed bit anywhere is another MAC."""
    source, attributes, size = side
    blocks = data.draw(st.integers(1, 5))
    message = data.draw(st.binary(min_size=8 * blocks, max_size=8 * blocks))
    length = data.draw(st.integers(4, min(size, 32)))
    members = {
        "KeyIdentifier": key(shared, *source),
        "MessageData": message.hex(),
        "MacLength": length,
    }
    answer = run(shared, "GenerateMac", **members, GenerationAttributes=attributes)
    mac = bytes.fromhex(answer["Mac"])
    assert len(mac) == length
    run(shared, "VerifyMac", **members, VerificationAttributes=attributes, Mac=answer["Mac"])
    bit = data.draw(st.integers(0, 8 * length - 1))
    changed = (int.from_bytes(mac) ^ 1 << bit).to_bytes(length).hex()
    with pytest.raises(tools.refused, match="MAC verification failed"):
        run(shared, "VerifyMac", **members, VerificationAttributes=attributes, Mac=changed)


@st.composite
def pin_sides(draw: Any) -> tuple[str, tuple[str, str, str], dict[str, Any]]:
    """A format, a key of its cipher, and DUKPT attributes if the key is a BDK."""
    name = draw(st.sampled_from(list(PIN_FORMATS)))
    is_aes = name == "IsoFormat4"
    if draw(st.booleans()):
        algorithm = draw(st.sampled_from([one for one in SIZES if one.startswith("AES") == is_aes]))
        return name, ("P0", algorithm, "B"), {}
    types = tuple(one for one in SIZES if one.startswith("AES") == is_aes)
    bdk, ksn, algorithm = draw(
        dukpts(types=types).filter(lambda drawn: drawn[2].startswith("AES") == is_aes)
    )
    return (
        name,
        ("B0", bdk, "X"),
        {"KeySerialNumber": ksn, "DukptKeyDerivationType": algorithm},
    )


@given(
    first=pin_sides(),
    second=pin_sides(),
    digits=st.integers(4, 12),
    pan=pans,
    method=st.sampled_from(["VisaPin", "Ibm3624RandomPin"]),
)
@settings(max_examples=60)
def test_pins_verify_wherever_they_are_translated(
    shared: Any, first: Any, second: Any, digits: int, pan: str, method: str
) -> None:
    """Generated, translated to one key and format and to another, a PIN is still the card's."""
    if "IsoFormat1" in (first[0], second[0]):
        first = second = ("IsoFormat1", *(first if first[0] == "IsoFormat1" else second)[1:])
    start = "ISO_FORMAT_1" if first[0] == "IsoFormat1" else "ISO_FORMAT_0"
    data = {
        "DecimalizationTable": "0123456789012345",
        "PinValidationDataPadCharacter": "F",
        "PinValidationData": pan[:12],
    }
    is_visa = method == "VisaPin"
    made = run(
        shared,
        "GeneratePinData",
        GenerationKeyIdentifier=key(shared, "V2" if is_visa else "V1", "TDES_2KEY", "C"),
        EncryptionKeyIdentifier=key(shared, "P0", "TDES_2KEY", "B"),
        GenerationAttributes={method: {"PinVerificationKeyIndex": 2} if is_visa else data},
        PinDataLength=digits,
        PrimaryAccountNumber=pan,
        PinBlockFormat=start,
    )
    block, of = made["EncryptedPinBlock"], ("P0", "TDES_2KEY", "B")
    name = next(name for name, text in PIN_FORMATS.items() if text == start)
    attributes: dict[str, Any] = {}
    for to_name, to, to_attributes in (first, second):
        members: dict[str, Any] = {}
        if attributes:
            members["IncomingDukptAttributes"] = attributes
        if to_attributes:
            members["OutgoingDukptAttributes"] = to_attributes
        sides = [
            {one: {} if one == "IsoFormat1" else {"PrimaryAccountNumber": pan}}
            for one in (name, to_name)
        ]
        block = run(
            shared,
            "TranslatePinData",
            IncomingKeyIdentifier=key(shared, *of),
            OutgoingKeyIdentifier=key(shared, *to),
            IncomingTranslationAttributes=sides[0],
            OutgoingTranslationAttributes=sides[1],
            EncryptedPinBlock=block,
            **members,
        )["PinBlock"]
        name, of, attributes = to_name, to, to_attributes
    members = {}
    if attributes:
        members["DukptAttributes"] = {
            "KeySerialNumber": attributes["KeySerialNumber"],
            "DukptDerivationType": attributes["DukptKeyDerivationType"],
        }
    method_of = (
        {"VisaPin": {"PinVerificationKeyIndex": 2, **made["PinData"]}}
        if is_visa
        else {"Ibm3624Pin": {**data, **made["PinData"]}}
    )
    run(
        shared,
        "VerifyPinData",
        VerificationKeyIdentifier=made["GenerationKeyArn"],
        EncryptionKeyIdentifier=key(shared, *of),
        VerificationAttributes=method_of,
        PinDataLength=digits,
        PrimaryAccountNumber=pan,
        PinBlockFormat=PIN_FORMATS[name],
        EncryptedPinBlock=block,
        **members,
    )


@given(pan=pans, expiry=st.text("0123456789", min_size=4, max_size=4), data=st.data())
def test_card_values_verify(shared: Any, pan: str, expiry: str, data: st.DataObject) -> None:
    """Every kind, in every length."""
    code = data.draw(st.text("0123456789", min_size=3, max_size=3))
    number, atc = data.draw(st.binary(min_size=4, max_size=4)).hex(), data.draw(atcs)
    psn = data.draw(psns)
    source, attributes = data.draw(
        st.sampled_from(
            [
                ("C0", {"CardVerificationValue1": {"CardExpiryDate": expiry, "ServiceCode": code}}),
                ("C0", {"CardVerificationValue2": {"CardExpiryDate": expiry}}),
                ("C0", {"AmexCardSecurityCodeVersion1": {"CardExpiryDate": expiry}}),
                (
                    "C0",
                    {
                        "AmexCardSecurityCodeVersion2": {
                            "CardExpiryDate": expiry,
                            "ServiceCode": code,
                        }
                    },
                ),
                (
                    "E6",
                    {
                        "DynamicCardVerificationValue": {
                            "PanSequenceNumber": psn,
                            "CardExpiryDate": expiry,
                            "ServiceCode": code,
                            "ApplicationTransactionCounter": atc,
                        }
                    },
                ),
                (
                    "E4",
                    {
                        "DynamicCardVerificationCode": {
                            "PanSequenceNumber": psn,
                            "TrackData": pan + "D" + expiry,
                            "UnpredictableNumber": number,
                            "ApplicationTransactionCounter": atc,
                        }
                    },
                ),
                (
                    "E6",
                    {
                        "CardHolderVerificationValue": {
                            "PanSequenceNumber": psn,
                            "UnpredictableNumber": number,
                            "ApplicationTransactionCounter": atc,
                        }
                    },
                ),
            ]
        )
    )
    arn = key(shared, source, "TDES_2KEY", "C" if source == "C0" else "X")
    members = {"KeyIdentifier": arn, "PrimaryAccountNumber": pan}
    digits = data.draw(st.integers(3, 5))
    value = run(
        shared,
        "GenerateCardValidationData",
        **members,
        GenerationAttributes=attributes,
        ValidationDataLength=digits,
    )["ValidationData"]
    assert len(value) == digits
    run(
        shared,
        "VerifyCardValidationData",
        **members,
        VerificationAttributes=attributes,
        ValidationData=value,
    )


# --- no oracle ---------------------------------------------------------------------------------


def work_of(shared: Any, tools: Any, name: str, members: dict[str, Any]) -> tuple[str, int]:
    """The refusal of a call, and how many functions were called until it came."""
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        if event in ("call", "c_call"):
            calls += 1

    async def measured() -> str:
        with pytest.raises(tools.refused):
            await shared.call(name, **members)  # opens what is opened once
        sys.setprofile(count)
        try:
            await shared.call(name, **members)
        except tools.refused as refusal:
            return str(refusal)
        finally:
            sys.setprofile(None)
        raise AssertionError("was not refused")

    return asyncio.run(measured()), calls


def same(results: list[tuple[str, int]]) -> None:
    assert len({text for text, _ in results}) == 1
    assert len({calls for _, calls in results}) == 1


@pytest.mark.parametrize("name", ["VerifyPinData", "TranslatePinData"])
def test_malformed_pin_blocks_take_the_same_work(shared: Any, tools: Any, name: str) -> None:
    """Whichever check fails: the calls are counted, since time would tell of the machine."""
    from keyferry.crypto.tdes_key import TDESKey

    pan = "5432101234567890"
    pek = shared.put("P0", "TDES_2KEY", "B", tools.tdes)
    opened = TDESKey(bytes.fromhex(tools.tdes))
    pvk = shared.put("V2", "TDES_2KEY", "V", tools.tdes)
    side = {"IsoFormat0": {"PrimaryAccountNumber": pan}}
    results = []
    for clear in (
        *("141234FFFFFFFFFF", "031234FFFFFFFFFF", "0D1234567890123F", "04123AFFFFFFFFFF"),
        *("041234FFFFFFFFF0", "341234FFFFFFFFFF", "0000000000000000", "FFFFFFFFFFFFFFFF"),
    ):
        block = opened.encrypt_ecb((int(clear, 16) ^ int(pan[-13:-1], 16)).to_bytes(8)).hex()
        members = (
            {
                "VerificationKeyIdentifier": pvk,
                "EncryptionKeyIdentifier": pek,
                "VerificationAttributes": {
                    "VisaPin": {"PinVerificationKeyIndex": 1, "VerificationValue": "6776"}
                },
                "PrimaryAccountNumber": pan,
                "PinBlockFormat": "ISO_FORMAT_0",
                "EncryptedPinBlock": block,
            }
            if name == "VerifyPinData"
            else {
                "IncomingKeyIdentifier": pek,
                "OutgoingKeyIdentifier": pek,
                "IncomingTranslationAttributes": side,
                "OutgoingTranslationAttributes": side,
                "EncryptedPinBlock": block,
            }
        )
        results.append(work_of(shared, tools, name, members))
    same(results)


def test_wrong_macs_take_the_same_work(shared: Any, tools: Any) -> None:
    """However much of them is right."""
    arn = shared.put("M3", "TDES_2KEY", "C", tools.tdes)
    members = {
        "KeyIdentifier": arn,
        "MessageData": "00" * 20,
        "VerificationAttributes": {"Algorithm": "ISO9797_ALGORITHM3"},
    }
    mac = run(
        shared,
        "GenerateMac",
        KeyIdentifier=arn,
        MessageData="00" * 20,
        GenerationAttributes={"Algorithm": "ISO9797_ALGORITHM3"},
        MacLength=8,
    )["Mac"]
    wrong = [(int(mac, 16) ^ 1 << bit).to_bytes(8).hex() for bit in (0, 8, 31, 32, 63)]
    results = [work_of(shared, tools, "VerifyMac", {**members, "Mac": one}) for one in wrong]
    same([*results, work_of(shared, tools, "VerifyMac", {**members, "Mac": "00" * 8})])


def test_wrong_card_values_take_the_same_work(shared: Any, tools: Any) -> None:
    """Digit by digit nothing can be learnt."""
    members = {
        "KeyIdentifier": shared.put("C0", "TDES_2KEY", "C", tools.tdes),
        "PrimaryAccountNumber": "4123456789012345",
        "VerificationAttributes": {
            "CardVerificationValue1": {"CardExpiryDate": "8701", "ServiceCode": "101"}
        },
    }
    same(
        [
            work_of(shared, tools, "VerifyCardValidationData", {**members, "ValidationData": value})
            for value in ("560", "551", "461", "000", "999")
        ]
    )
