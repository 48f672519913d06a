"""GeneratePinData, VerifyPinData, TranslatePinData: worked examples, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

GENERATE, VERIFY, TRANSLATE = "GeneratePinData", "VerifyPinData", "TranslatePinData"
PAN = "5432101234567890"
BLOCK = "BA2ADC4EBA48F711"  # PIN 1234, format 0, under the TDES key
KSN, AES_KSN = "FFFF9876543210E00001", "123456789012345600000001"
AES_BDK = "FEDCBA9876543210F1F1F1F1F1F1F1F1"
TABLE = "1234567890123456"
INVALID_BLOCK = (
    "Pin block provided is invalid. Please check your input to ensure all field values are correct."
)
DATA = {
    "DecimalizationTable": TABLE,
    "PinValidationDataPadCharacter": "F",
    "PinValidationData": "1122334455667788",
}
FORMATS = {
    "IsoFormat0": "ISO_FORMAT_0",
    "IsoFormat1": "ISO_FORMAT_1",
    "IsoFormat3": "ISO_FORMAT_3",
    "IsoFormat4": "ISO_FORMAT_4",
}


@pytest.fixture
def keys(shared: Any, tools: Any) -> dict[str, str]:
    return {
        "pek": shared.put("P0", "TDES_2KEY", "B", tools.tdes),
        "aes": shared.put("P0", "AES_128", "B", tools.aes),
        "pvk": shared.put("V2", "TDES_2KEY", "C", tools.tdes),
        "ibm": shared.put("V1", "TDES_2KEY", "C", tools.tdes),
        "bdk": shared.put("B0", "TDES_2KEY", "X", tools.tdes),
        "aes_bdk": shared.put("B0", "AES_128", "X", AES_BDK),
    }


def generate(keys: dict[str, str], method: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "GenerationKeyIdentifier": keys["pvk" if method.startswith("Visa") else "ibm"],
        "EncryptionKeyIdentifier": keys["pek"],
        "GenerationAttributes": {method: attributes},
        "PrimaryAccountNumber": PAN,
        "PinBlockFormat": "ISO_FORMAT_0",
    }


def verify(keys: dict[str, str], method: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "VerificationKeyIdentifier": keys["pvk" if method.startswith("Visa") else "ibm"],
        "EncryptionKeyIdentifier": keys["pek"],
        "VerificationAttributes": {method: attributes},
        "PrimaryAccountNumber": PAN,
        "PinBlockFormat": "ISO_FORMAT_0",
        "EncryptedPinBlock": BLOCK,
    }


def visa(value: str = "6776", index: int = 1) -> dict[str, Any]:
    return {"PinVerificationKeyIndex": index, "VerificationValue": value}


# --- GeneratePinData ---------------------------------------------------------------------------


async def test_pvv_of_a_pin_in_a_block(shared: Any, keys: dict[str, str]) -> None:
    """The worked example; the block is given back in upper case."""
    given = generate(
        keys,
        "VisaPinVerificationValue",
        {"EncryptedPinBlock": BLOCK.lower(), "PinVerificationKeyIndex": 1},
    )
    answer = await shared.call(GENERATE, **given)
    assert answer == {
        "GenerationKeyArn": keys["pvk"],
        "GenerationKeyCheckValue": "08D7B4",
        "EncryptionKeyArn": keys["pek"],
        "EncryptionKeyCheckValue": "08D7B4",
        "EncryptedPinBlock": BLOCK,
        "PinData": {"VerificationValue": "6776"},
    }


@pytest.mark.parametrize(
    ("data", "pad", "table", "digits", "natural"),
    [
        ("1122334455667788", "F", TABLE, None, "4524"),
        ("171234567890123", "D", "9876543210654321", 4, "5143"),
        ("171234567890123", "F", "0123456789012345", 6, "133195"),
    ],
)
async def test_natural_pins(
    shared: Any,
    keys: dict[str, str],
    data: str,
    pad: str,
    table: str,
    digits: int | None,
    natural: str,
) -> None:
    """The PIN in the block is the natural one: its offset from a block is zeros."""
    attributes = {
        "DecimalizationTable": table,
        "PinValidationDataPadCharacter": pad,
        "PinValidationData": data,
    }
    given = generate(keys, "Ibm3624NaturalPin", attributes)
    answer = await shared.call(GENERATE, **given, PinDataLength=digits)
    assert answer["PinData"] == {"PinOffset": "0" * len(natural)}
    offset = await shared.call(
        GENERATE,
        **generate(
            keys,
            "Ibm3624PinOffset",
            {**attributes, "EncryptedPinBlock": answer["EncryptedPinBlock"]},
        ),
    )
    assert offset["PinData"] == {"PinOffset": "0" * len(natural)}
    pin = {**attributes, "PinOffset": "0" * len(natural)}
    block = {"EncryptedPinBlock": answer["EncryptedPinBlock"]}
    await shared.call(VERIFY, **verify(keys, "Ibm3624Pin", pin) | block)
    # The natural PIN itself, through the offset of a known PIN.
    from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block
    from keyferry.crypto.tdes_key import TDESKey

    key = TDESKey(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    encrypted = bytes.fromhex(answer["EncryptedPinBlock"])
    assert decrypt_pin_block(key, PINBlockFormat.ISO_0, encrypted, PAN) == natural


async def test_offset_of_a_known_pin(shared: Any, keys: dict[str, str]) -> None:
    """PIN 1234 over natural PIN 5143 is offset 6191, and that offset gives the PIN."""
    attributes = {
        "DecimalizationTable": "9876543210654321",
        "PinValidationDataPadCharacter": "D",
        "PinValidationData": "171234567890123",
    }
    given = generate(keys, "Ibm3624PinOffset", {**attributes, "EncryptedPinBlock": BLOCK})
    answer = await shared.call(GENERATE, **given)
    assert answer["PinData"] == {"PinOffset": "6191"}
    assert answer["EncryptedPinBlock"] == BLOCK
    given = generate(keys, "Ibm3624PinFromOffset", {**attributes, "PinOffset": "6191"})
    answer = await shared.call(GENERATE, **given)
    assert answer["EncryptedPinBlock"] == BLOCK
    assert answer["PinData"] == {"PinOffset": "6191"}
    refusal = await shared.refused(GENERATE, **given, PinDataLength=5)
    assert refusal.message.startswith("PinDataLength")
    await shared.call(GENERATE, **given, PinDataLength=4)


@pytest.mark.parametrize("digits", [None, 4, 7, 12])
@pytest.mark.parametrize("method", ["VisaPin", "Ibm3624RandomPin"])
async def test_random_pins_verify(
    shared: Any, keys: dict[str, str], method: str, digits: int | None
) -> None:
    """A PIN of the asked length is made, and what recognises it does."""
    is_visa = method == "VisaPin"
    attributes = {"PinVerificationKeyIndex": 3} if is_visa else DATA
    answer = await shared.call(GENERATE, **generate(keys, method, attributes), PinDataLength=digits)
    block = {"EncryptedPinBlock": answer["EncryptedPinBlock"]}
    if is_visa:
        given = verify(keys, "VisaPin", visa(answer["PinData"]["VerificationValue"], 3)) | block
    else:
        given = verify(keys, "Ibm3624Pin", {**DATA, **answer["PinData"]}) | block
    await shared.call(VERIFY, **given, PinDataLength=digits or 4)
    refusal = await shared.refused(VERIFY, **given, PinDataLength=8)
    assert refusal.message.startswith("PinDataLength")


async def test_random_pins_differ(shared: Any, keys: dict[str, str]) -> None:
    """No two of them alike."""
    given = generate(keys, "VisaPin", {"PinVerificationKeyIndex": 1})
    blocks = [
        (await shared.call(GENERATE, **given, PinDataLength=12))["EncryptedPinBlock"]
        for _ in range(20)
    ]
    assert len(set(blocks)) == 20


@pytest.mark.parametrize("pin_format", FORMATS.values())
async def test_formats(shared: Any, keys: dict[str, str], pin_format: str) -> None:
    """Each format is written and read, under the cipher it belongs to."""
    right, wrong = ("aes", "pek") if pin_format == "ISO_FORMAT_4" else ("pek", "aes")
    given = generate(keys, "Ibm3624RandomPin", DATA) | {
        "PinBlockFormat": pin_format,
        "EncryptionKeyIdentifier": keys[right],
    }
    answer = await shared.call(GENERATE, **given)
    pin = {**DATA, **answer["PinData"]}
    given_back = verify(keys, "Ibm3624Pin", pin) | {
        "PinBlockFormat": pin_format,
        "EncryptionKeyIdentifier": keys[right],
        "EncryptedPinBlock": answer["EncryptedPinBlock"],
    }
    await shared.call(VERIFY, **given_back)
    refusal = await shared.refused(GENERATE, **given | {"EncryptionKeyIdentifier": keys[wrong]})
    assert refusal.message.startswith("PIN block format")
    refusal = await shared.refused(VERIFY, **given_back | {"EncryptionKeyIdentifier": keys[wrong]})
    assert refusal.message.startswith("PIN block format")


async def test_where_a_pan_is_needed(shared: Any, keys: dict[str, str]) -> None:
    """For formats 0, 3 and 4, and for Visa; not for format 1 with IBM."""
    methods = {"VisaPin": {"PinVerificationKeyIndex": 1}, "Ibm3624RandomPin": DATA}
    for method, attributes in methods.items():
        for pin_format in FORMATS.values():
            given = generate(keys, method, attributes) | {"PinBlockFormat": pin_format}
            if pin_format == "ISO_FORMAT_4":
                given["EncryptionKeyIdentifier"] = keys["aes"]
            del given["PrimaryAccountNumber"]
            if pin_format == "ISO_FORMAT_1" and method != "VisaPin":
                await shared.call(GENERATE, **given)
            else:
                refusal = await shared.refused(GENERATE, **given)
                assert refusal.message.startswith("PrimaryAccountNumber")
    given = verify(keys, "VisaPin", visa())
    del given["PrimaryAccountNumber"]
    assert "PrimaryAccountNumber" in (await shared.refused(VERIFY, **given)).message


# --- VerifyPinData -----------------------------------------------------------------------------


async def test_verify_worked_example(shared: Any, tools: Any, keys: dict[str, str]) -> None:
    """The right value passes, another one is INVALID_PIN."""
    answer = await shared.call(VERIFY, **verify(keys, "VisaPin", visa()))
    assert answer == {
        "VerificationKeyArn": keys["pvk"],
        "VerificationKeyCheckValue": "08D7B4",
        "EncryptionKeyArn": keys["pek"],
        "EncryptionKeyCheckValue": "08D7B4",
    }
    for value in ("6777", "67760"):
        with pytest.raises(tools.refused) as caught:
            await shared.call(VERIFY, **verify(keys, "VisaPin", visa(value)))
        assert (caught.value.name, caught.value.reason, caught.value.message) == (
            "VerificationFailedException",
            "INVALID_PIN",
            "Pin block verification failed.",
        )


async def test_check_digit_is_in_no_block(shared: Any, keys: dict[str, str]) -> None:
    """Another check digit changes nothing, another digit before it everything."""
    given = verify(keys, "VisaPin", visa())
    await shared.call(VERIFY, **given | {"PrimaryAccountNumber": "5432101234567891"})
    refusal = await shared.refused(VERIFY, **given | {"PrimaryAccountNumber": "5432101234568890"})
    assert refusal.message == INVALID_BLOCK


async def test_garbage_is_one_refusal(shared: Any, tools: Any, keys: dict[str, str]) -> None:
    """Control, length, digits or fill: whatever does not hold, the words are the same."""
    from keyferry.crypto.tdes_key import TDESKey

    key = TDESKey(bytes.fromhex(tools.tdes))
    pan = int(PAN[-13:-1], 16)
    for clear in (
        "141234FFFFFFFFFF",  # another control nibble
        "031234FFFFFFFFFF",  # too short
        "0D1234567890123F",  # too long
        "04123AFFFFFFFFFF",  # a PIN that is none
        "041234FFFFFFFFF0",  # another fill
        "341234FFFFFFFFFF",
        "0000000000000000",
        "FFFFFFFFFFFFFFFF",
    ):
        block = key.encrypt_ecb((int(clear, 16) ^ pan).to_bytes(8)).hex()
        given = verify(keys, "VisaPin", visa()) | {"EncryptedPinBlock": block}
        refusal = await shared.refused(VERIFY, **given)
        assert (refusal.message, refusal.fields) == (INVALID_BLOCK, ())
        translation = translate(keys, "IsoFormat0", "IsoFormat0") | {"EncryptedPinBlock": block}
        assert (await shared.refused(TRANSLATE, **translation)).message == INVALID_BLOCK
        given = generate(
            keys,
            "VisaPinVerificationValue",
            {"EncryptedPinBlock": block, "PinVerificationKeyIndex": 1},
        )
        assert (await shared.refused(GENERATE, **given)).message == INVALID_BLOCK


async def test_ibm_offsets_longer_and_shorter_than_the_pin(
    shared: Any, tools: Any, keys: dict[str, str]
) -> None:
    """Of a longer offset the left digits count; a shorter one is refused."""
    attributes = {
        "DecimalizationTable": "9876543210654321",
        "PinValidationDataPadCharacter": "D",
        "PinValidationData": "171234567890123",
    }
    await shared.call(VERIFY, **verify(keys, "Ibm3624Pin", {**attributes, "PinOffset": "619155"}))
    with pytest.raises(tools.refused) as caught:
        await shared.call(VERIFY, **verify(keys, "Ibm3624Pin", {**attributes, "PinOffset": "6192"}))
    assert caught.value.reason == "INVALID_PIN"
    long = await shared.call(GENERATE, **generate(keys, "Ibm3624RandomPin", DATA), PinDataLength=6)
    given = verify(keys, "Ibm3624Pin", {**DATA, "PinOffset": long["PinData"]["PinOffset"][:5]})
    refusal = await shared.refused(
        VERIFY, **given | {"EncryptedPinBlock": long["EncryptedPinBlock"]}
    )
    assert "PIN offset" in refusal.message


@pytest.mark.parametrize(
    ("bdk", "ksn", "kind", "pin_format"),
    [
        ("bdk", KSN, "TDES_2KEY", "IsoFormat0"),
        ("bdk", KSN[4:], "TDES_2KEY", "IsoFormat3"),
        ("aes_bdk", AES_KSN, "TDES_2KEY", "IsoFormat0"),
        ("aes_bdk", AES_KSN, "TDES_3KEY", "IsoFormat1"),
        ("aes_bdk", AES_KSN, "AES_128", "IsoFormat4"),
    ],
)
async def test_verify_under_dukpt(
    shared: Any, keys: dict[str, str], bdk: str, ksn: str, kind: str, pin_format: str
) -> None:
    """A PIN translated to a transaction key verifies from there, PVV included."""
    translation = translate(keys, "IsoFormat0", pin_format, outgoing=keys[bdk])
    if pin_format == "IsoFormat1":
        # A PAN would be lost on the way, so the PIN starts in a block without one.
        start = await shared.call(
            GENERATE,
            **generate(keys, "VisaPin", {"PinVerificationKeyIndex": 1})
            | {"PinBlockFormat": "ISO_FORMAT_1"},
        )
        translation |= {
            "IncomingTranslationAttributes": {"IsoFormat1": {}},
            "EncryptedPinBlock": start["EncryptedPinBlock"],
        }
        value = start["PinData"]["VerificationValue"]
    else:
        value = "6776"
    translated = await shared.call(
        TRANSLATE,
        **translation,
        OutgoingDukptAttributes={"KeySerialNumber": ksn, "DukptKeyDerivationType": kind},
    )
    given = verify(keys, "VisaPin", visa(value)) | {
        "EncryptionKeyIdentifier": keys[bdk],
        "EncryptedPinBlock": translated["PinBlock"],
        "PinBlockFormat": FORMATS[pin_format],
        "DukptAttributes": {"KeySerialNumber": ksn, "DukptDerivationType": kind},
    }
    answer = await shared.call(VERIFY, **given)
    assert answer["EncryptionKeyArn"] == keys[bdk]


async def test_dukpt_attributes_go_with_a_bdk(shared: Any, keys: dict[str, str]) -> None:
    """A BDK without them is refused, and a PEK with them."""
    dukpt = {"DukptAttributes": {"KeySerialNumber": KSN, "DukptDerivationType": "TDES_2KEY"}}
    given = verify(keys, "VisaPin", visa())
    for refusal in (
        await shared.refused(VERIFY, **given | dukpt),
        await shared.refused(VERIFY, **given | {"EncryptionKeyIdentifier": keys["bdk"]}),
    ):
        assert refusal.message == "KeyUsages not allowed for this operation"


# --- TranslatePinData --------------------------------------------------------------------------


def side(name: str, pan: str = PAN) -> dict[str, Any]:
    return {name: {} if name == "IsoFormat1" else {"PrimaryAccountNumber": pan}}


def translate(
    keys: dict[str, str],
    incoming: str,
    outgoing_format: str,
    *,
    outgoing: str | None = None,
) -> dict[str, Any]:
    of = {"IsoFormat4": keys["aes"]}
    return {
        "IncomingKeyIdentifier": of.get(incoming, keys["pek"]),
        "OutgoingKeyIdentifier": outgoing or of.get(outgoing_format, keys["pek"]),
        "IncomingTranslationAttributes": side(incoming),
        "OutgoingTranslationAttributes": side(outgoing_format),
        "EncryptedPinBlock": BLOCK,
    }


async def test_translations_worked(shared: Any, keys: dict[str, str]) -> None:
    """To TDES DUKPT and to a TDES key of AES DUKPT; the answer names the outgoing key."""
    given = translate(keys, "IsoFormat0", "IsoFormat0", outgoing=keys["bdk"])
    answer = await shared.call(TRANSLATE, **given, OutgoingDukptAttributes={"KeySerialNumber": KSN})
    assert answer == {
        "PinBlock": "B7D9FE8EF6179CDC",
        "KeyArn": keys["bdk"],
        "KeyCheckValue": "08D7B4",
    }
    given = translate(keys, "IsoFormat0", "IsoFormat0", outgoing=keys["aes_bdk"])
    answer = await shared.call(
        TRANSLATE,
        **given,
        OutgoingDukptAttributes={
            "KeySerialNumber": AES_KSN,
            "DukptKeyDerivationType": "TDES_2KEY",
            "DukptKeyVariant": "BIDIRECTIONAL",
        },
    )
    assert answer["PinBlock"] == "8878B7579A6AF263"


async def test_format_4_under_aes_dukpt_is_read(shared: Any, keys: dict[str, str]) -> None:
    """The worked block, whose fill is random, comes back to what it was made of."""
    given = translate(keys, "IsoFormat4", "IsoFormat0") | {
        "IncomingKeyIdentifier": keys["aes_bdk"],
        "EncryptedPinBlock": "C7BDADD11F726A720F6B8BC2BB29C2BC",
    }
    answer = await shared.call(
        TRANSLATE, **given, IncomingDukptAttributes={"KeySerialNumber": AES_KSN}
    )
    assert answer["PinBlock"] == BLOCK


async def test_both_sides_under_dukpt(shared: Any, keys: dict[str, str]) -> None:
    """From one transaction to another."""
    given = translate(keys, "IsoFormat0", "IsoFormat0", outgoing=keys["bdk"]) | {
        "IncomingKeyIdentifier": keys["bdk"],
        "EncryptedPinBlock": "B7D9FE8EF6179CDC",
    }
    answer = await shared.call(
        TRANSLATE,
        **given,
        IncomingDukptAttributes={"KeySerialNumber": KSN},
        OutgoingDukptAttributes={"KeySerialNumber": KSN},
    )
    assert answer["PinBlock"] == "B7D9FE8EF6179CDC"


NAMES = [*FORMATS, "As2805Format0"]


@pytest.mark.parametrize("incoming", NAMES)
@pytest.mark.parametrize("outgoing", NAMES)
async def test_format_matrix(
    shared: Any, keys: dict[str, str], incoming: str, outgoing: str
) -> None:
    """From every format into every other, but none with a PAN into one without."""
    start = generate(keys, "VisaPin", {"PinVerificationKeyIndex": 1}) | {
        "PinBlockFormat": FORMATS.get(incoming, "ISO_FORMAT_0")
    }
    if incoming == "IsoFormat4":
        start["EncryptionKeyIdentifier"] = keys["aes"]
    made = await shared.call(GENERATE, **start)
    given = translate(keys, incoming, outgoing) | {"EncryptedPinBlock": made["EncryptedPinBlock"]}
    if outgoing == "IsoFormat1" and incoming != "IsoFormat1":
        refusal = await shared.refused(TRANSLATE, **given)
        assert "format" in refusal.message
        return
    answer = await shared.call(TRANSLATE, **given)
    checked = verify(keys, "VisaPin", visa(made["PinData"]["VerificationValue"])) | {
        "EncryptedPinBlock": answer["PinBlock"],
        "PinBlockFormat": FORMATS.get(outgoing, "ISO_FORMAT_0"),
        "EncryptionKeyIdentifier": given["OutgoingKeyIdentifier"],
    }
    await shared.call(VERIFY, **checked)


async def test_fill_is_fresh(shared: Any, keys: dict[str, str]) -> None:
    """Formats 3 and 4 never give the same block twice."""
    for name in ("IsoFormat3", "IsoFormat4"):
        given = translate(keys, "IsoFormat0", name)
        blocks = {(await shared.call(TRANSLATE, **given))["PinBlock"] for _ in range(10)}
        assert len(blocks) == 10


@pytest.mark.parametrize("outgoing", ["IsoFormat0", "IsoFormat3", "IsoFormat4"])
async def test_pans_must_be_the_same(shared: Any, keys: dict[str, str], outgoing: str) -> None:
    """Where both formats have one; from format 1 the outgoing PAN is taken."""
    given = translate(keys, "IsoFormat0", outgoing) | {
        "OutgoingTranslationAttributes": side(outgoing, "5432101234567891")
    }
    refusal = await shared.refused(TRANSLATE, **given)
    assert "PAN" in refusal.message
    assert "5432101234567891" not in refusal.message


async def test_block_length_and_cipher_must_fit_the_format(
    shared: Any, keys: dict[str, str]
) -> None:
    """16 digits under TDES, 32 under AES."""
    given = translate(keys, "IsoFormat0", "IsoFormat0")
    refusal = await shared.refused(TRANSLATE, **given | {"EncryptedPinBlock": BLOCK * 2})
    assert refusal.message.startswith("EncryptedPinBlock: expected 16")
    given = translate(keys, "IsoFormat4", "IsoFormat0")
    refusal = await shared.refused(TRANSLATE, **given)
    assert refusal.message.startswith("EncryptedPinBlock: expected 32")
    for incoming, outgoing, members in (
        ("IsoFormat0", "IsoFormat0", {"IncomingKeyIdentifier": keys["aes"]}),
        ("IsoFormat0", "IsoFormat0", {"OutgoingKeyIdentifier": keys["aes"]}),
        ("IsoFormat0", "IsoFormat4", {"OutgoingKeyIdentifier": keys["pek"]}),
    ):
        refusal = await shared.refused(TRANSLATE, **translate(keys, incoming, outgoing) | members)
        assert refusal.message.startswith("PIN block format")


async def test_as2805_session_key(shared: Any, keys: dict[str, str]) -> None:
    """The worked example; the attributes go with their format alone."""
    pan = {"PrimaryAccountNumber": "4242424242424242"}
    given = {
        "IncomingKeyIdentifier": keys["pek"],
        "OutgoingKeyIdentifier": keys["pek"],
        "IncomingTranslationAttributes": {"As2805Format0": pan},
        "OutgoingTranslationAttributes": {"IsoFormat0": pan},
        "EncryptedPinBlock": "EF4C27E7573F18ED",
        "IncomingAs2805Attributes": {
            "SystemTraceAuditNumber": "000438",
            "TransactionAmount": "000000000328",
        },
    }
    answer = await shared.call(TRANSLATE, **given)
    checked = verify(keys, "VisaPin", visa()) | {
        "PrimaryAccountNumber": "4242424242424242",
        "EncryptedPinBlock": answer["PinBlock"],
    }
    generated = await shared.call(
        GENERATE,
        **generate(
            keys,
            "VisaPinVerificationValue",
            {"EncryptedPinBlock": answer["PinBlock"], "PinVerificationKeyIndex": 1},
        )
        | pan,
    )
    checked["VerificationAttributes"] = {"VisaPin": visa(generated["PinData"]["VerificationValue"])}
    await shared.call(VERIFY, **checked)
    from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block
    from keyferry.crypto.tdes_key import TDESKey

    key = TDESKey(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
    block = bytes.fromhex(answer["PinBlock"])
    assert decrypt_pin_block(key, PINBlockFormat.ISO_0, block, "4242424242424242") == "1234"
    for wrong in (
        {"IncomingTranslationAttributes": {"IsoFormat0": pan}},
        {"IncomingDukptAttributes": {"KeySerialNumber": KSN}},
    ):
        refusal = await shared.refused(TRANSLATE, **given | wrong)
        assert refusal.message.startswith("IncomingAs2805Attributes")
    triple = shared.put("P0", "TDES_3KEY", "B", "0123456789ABCDEFFEDCBA98765432101122334455667788")
    refusal = await shared.refused(TRANSLATE, **given | {"IncomingKeyIdentifier": triple})
    assert "TDES_3KEY" in refusal.message


@pytest.mark.parametrize(
    ("key", "attributes", "words"),
    [
        ("bdk", {"KeySerialNumber": AES_KSN}, "KeySerialNumber"),
        ("aes_bdk", {"KeySerialNumber": KSN}, "KeySerialNumber"),
        (
            "bdk",
            {"KeySerialNumber": KSN, "DukptKeyDerivationType": "AES_128"},
            "DukptKeyDerivationType",
        ),
        (
            "aes_bdk",
            {"KeySerialNumber": AES_KSN, "DukptKeyDerivationType": "AES_192"},
            "AES_192",
        ),
    ],
)
async def test_dukpt_refusals(
    shared: Any, keys: dict[str, str], key: str, attributes: dict[str, str], words: str
) -> None:
    """On either side."""
    for prefix in ("Incoming", "Outgoing"):
        given = translate(keys, "IsoFormat0", "IsoFormat0") | {
            f"{prefix}KeyIdentifier": keys[key],
            f"{prefix}DukptAttributes": attributes,
        }
        assert words in (await shared.refused(TRANSLATE, **given)).message
