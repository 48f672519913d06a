"""MACs: the worked examples, lengths, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

GENERATE, VERIFY = "GenerateMac", "VerifyMac"
MESSAGE = "3B313038383439303031303733393431353D32343038323236303030373030303F33"
HMAC_KEY = bytes(range(32)).hex()
KSN = "FFFF9876543210E00001"
AES_BDK = "FEDCBA9876543210F1F1F1F1F1F1F1F1"
AES_KSN = "123456789012345600000001"
ALIGNED = b"4012345678909D987".hex() + "00" * 7
EMV = {
    "MajorKeyDerivationMode": "EMV_OPTION_A",
    "PrimaryAccountNumber": "1234567890123456",
    "PanSequenceNumber": "01",
}
AC = {"ApplicationCryptogram": "ABCDEF1234567890"}
ATC = {"ApplicationTransactionCounter": "000B"}


def emv(mode: str, value: dict[str, str], **members: str) -> dict[str, Any]:
    return {
        "EmvMac": {
            **EMV,
            **members,
            "SessionKeyDerivationMode": mode,
            "SessionKeyDerivationValue": value,
        }
    }


def dukpt(kind: str, variant: str, ksn: str = KSN, **members: str) -> dict[str, Any]:
    return {kind: {"KeySerialNumber": ksn, "DukptKeyVariant": variant, **members}}


# usage, algorithm, modes, material, attributes, message, whole MAC, digits by default,
# digits accepted without MacLength
CASES: dict[str, tuple[Any, ...]] = {
    "algorithm 1": (
        *("M1", "TDES_2KEY", "C", "0123456789ABCDEFFEDCBA9876543210"),
        *({"Algorithm": "ISO9797_ALGORITHM1"}, MESSAGE, "2CEEDC2A69A9DCA6", 8, (8, 16)),
    ),
    "algorithm 3": (
        *("M3", "TDES_2KEY", "C", "0123456789ABCDEFFEDCBA9876543210"),
        *({"Algorithm": "ISO9797_ALGORITHM3"}, MESSAGE, "897BB49284AA6216", 8, (8, 16)),
    ),
    "algorithm 3, triple length": (
        *("M3", "TDES_3KEY", "C", "0123456789ABCDEFFEDCBA98765432101122334455667788"),
        *({"Algorithm": "ISO9797_ALGORITHM3"}, MESSAGE, "01F5CF120358BA61", 8, (8, 16)),
    ),
    "CMAC TDES": (
        *("M6", "TDES_2KEY", "C", "0123456789ABCDEFFEDCBA9876543210"),
        *({"Algorithm": "CMAC"}, MESSAGE, "9FDD6FE2C7176E1F", 16, (16,)),
    ),
    "CMAC AES": (
        *("M6", "AES_128", "C", "2B7E151628AED2A6ABF7158809CF4F3C"),
        *({"Algorithm": "CMAC"}, MESSAGE, "82385FE971C205CA9523EA2614745EB1", 32, (32,)),
    ),
    "HMAC of the key": (
        *("M7", "HMAC_SHA256", "C", HMAC_KEY, {"Algorithm": "HMAC"}, MESSAGE),
        "AFDB3413BECCA488DFABB8695881B1D16B630743B870790312FC347C694FE30A",
        *(64, (64,)),
    ),
    "HMAC by name": (
        *("M7", "HMAC_SHA224", "C", HMAC_KEY, {"Algorithm": "HMAC_SHA224"}, MESSAGE),
        "AA9920ADA0E4802637D8B8DF2586EE56F5BDCDD4C7ABCB5A3482DBD6",
        *(56, (56,)),
    ),
    "HMAC of an older key": (
        *("M7", "AES_256", "C", HMAC_KEY, {"Algorithm": "HMAC"}, MESSAGE),
        "AFDB3413BECCA488DFABB8695881B1D16B630743B870790312FC347C694FE30A",
        *(64, (64,)),
    ),
    "AS2805": (
        *("M0", "TDES_2KEY", "C", "0123456789ABCDEFFEDCBA9876543210"),
        *({"Algorithm": "AS2805_4_1"}, "EF4C27E7573F18ED", "39A4AF858970BEA7", 8, (8, 16)),
    ),
    "EMV script": (
        *("E2", "TDES_2KEY", "X", "0123456789ABCDEFFEDCBA9876543210"),
        *(emv("EMV_COMMON_SESSION_KEY", AC), "8424000008", "CF323F09A0F6AB9E", 16, (8, 16)),
    ),
    "EMV script of Mastercard": (
        *("E2", "TDES_2KEY", "N", "0123456789ABCDEFFEDCBA9876543210"),
        *(emv("MASTERCARD_SESSION_KEY", AC), "8424000008", "CF323F09A0F6AB9E", 16, (8, 16)),
    ),
    "DUKPT algorithm 1": (
        *("B0", "TDES_2KEY", "X", "0123456789ABCDEFFEDCBA9876543210"),
        *(dukpt("DukptIso9797Algorithm1", "REQUEST"), ALIGNED, "0E8BA06B919A4CDF", 8, (8, 16)),
    ),
    "DUKPT algorithm 3": (
        *("B0", "TDES_2KEY", "X", "0123456789ABCDEFFEDCBA9876543210"),
        *(dukpt("DukptIso9797Algorithm3", "REQUEST"), ALIGNED, "9CCC78173FC4FB64", 8, (8, 16)),
    ),
    "DUKPT algorithm 3, response": (
        *("B0", "TDES_2KEY", "N", "0123456789ABCDEFFEDCBA9876543210"),
        *(dukpt("DukptIso9797Algorithm3", "RESPONSE"), ALIGNED, "20364223C1FF00FA", 8, (8, 16)),
    ),
    "DUKPT short KSN": (
        *("B0", "TDES_2KEY", "X", "0123456789ABCDEFFEDCBA9876543210"),
        dukpt("DukptIso9797Algorithm3", "REQUEST", KSN[4:], DukptDerivationType="TDES_2KEY"),
        *(ALIGNED, "9CCC78173FC4FB64", 8, (8, 16)),
    ),
    "DUKPT CMAC": (
        *("B0", "TDES_2KEY", "X", "0123456789ABCDEFFEDCBA9876543210"),
        *(dukpt("DukptCmac", "REQUEST"), ALIGNED[:34], "211003F1D5B79DD7", 16, (16,)),
    ),
    "DUKPT CMAC, response": (
        *("B0", "TDES_2KEY", "X", "0123456789ABCDEFFEDCBA9876543210"),
        *(dukpt("DukptCmac", "RESPONSE"), ALIGNED[:34], "82CC2B9B9EC710A6", 16, (16,)),
    ),
    "DUKPT CMAC AES": (
        *("B0", "AES_128", "X", AES_BDK, dukpt("DukptCmac", "REQUEST", AES_KSN), ALIGNED[:34]),
        *("A2EB5C1C35809E58404E873C3C411E31", 32, (32,)),
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> tuple[Any, ...]:
    return request.param  # type: ignore[no-any-return]


async def test_macs(shared: Any, tools: Any, case: tuple[Any, ...]) -> None:
    """Generated whole, cut or by default, a MAC verifies; another one does not."""
    code, algorithm, letter, material, attributes, message, whole, default, accepted = case
    arn = shared.put(code, algorithm, letter, material)
    members = {"KeyIdentifier": arn, "MessageData": message.lower()}
    answer = await shared.call(GENERATE, **members, GenerationAttributes=attributes)
    assert answer["KeyArn"] == arn
    assert answer["Mac"] == whole[:default]
    longest = min(len(whole) // 2, 32)
    for length in {4, longest}:
        answer = await shared.call(
            GENERATE, **members, GenerationAttributes=attributes, MacLength=length
        )
        assert answer["Mac"] == whole[: 2 * length]
        verified = await shared.call(
            VERIFY,
            **members,
            VerificationAttributes=attributes,
            Mac=whole[: 2 * length],
            MacLength=length,
        )
        assert verified.keys() == {"KeyArn", "KeyCheckValue"}
    for digits in accepted:
        mac = whole[:digits].lower()
        await shared.call(VERIFY, **members, VerificationAttributes=attributes, Mac=mac)
        changed = mac[:-1] + ("0" if mac[-1] != "0" else "1")
        with pytest.raises(tools.refused) as caught:
            await shared.call(VERIFY, **members, VerificationAttributes=attributes, Mac=changed)
        assert (caught.value.name, caught.value.reason) == (
            "VerificationFailedException",
            "INVALID_MAC",
        )


async def test_lengths(shared: Any, case: tuple[Any, ...]) -> None:
    """A length the algorithm does not have is refused, never compared with less."""
    code, algorithm, letter, material, attributes, message, whole, _, accepted = case
    arn = shared.put(code, algorithm, letter, material)
    members = {"KeyIdentifier": arn, "MessageData": message}
    for digits in {8, 10, 14, 16, 32, 56, 64} - set(accepted):
        refusal = await shared.refused(
            VERIFY,
            **members,
            VerificationAttributes=attributes,
            Mac=whole[:digits].ljust(digits, "0"),
        )
        assert "hex digits" in refusal.message
        assert all(str(size) in refusal.message for size in accepted)
    refusal = await shared.refused(
        VERIFY, **members, VerificationAttributes=attributes, Mac=whole[:8], MacLength=5
    )
    assert "Mac: expected 10 hex digits" in refusal.message
    if len(whole) < 64:
        for name, members_of in (
            (GENERATE, {"GenerationAttributes": attributes}),
            (VERIFY, {"VerificationAttributes": attributes, "Mac": whole}),
        ):
            refusal = await shared.refused(
                name, **members, **members_of, MacLength=len(whole) // 2 + 1
            )
            assert refusal.message.startswith("MacLength")


async def test_explicit_hash_must_be_the_keys(shared: Any) -> None:
    """An HMAC_SHA256 key makes no HMAC_SHA512; a key from before takes the named hash."""
    message = {"MessageData": MESSAGE, "GenerationAttributes": {"Algorithm": "HMAC_SHA512"}}
    arn = shared.put("M7", "HMAC_SHA256", "C", HMAC_KEY)
    refusal = await shared.refused(GENERATE, KeyIdentifier=arn, **message)
    assert "HMAC_SHA256" in refusal.message
    arn = shared.put("M7", "AES_256", "C", HMAC_KEY)
    answer = await shared.call(GENERATE, KeyIdentifier=arn, **message)
    assert len(answer["Mac"]) == 128
    other = {"MessageData": MESSAGE, "GenerationAttributes": {"Algorithm": "HMAC_SHA384"}}
    assert len((await shared.call(GENERATE, KeyIdentifier=arn, **other))["Mac"]) == 96


@pytest.mark.parametrize(
    ("mode", "value", "wanted"),
    [
        ("EMV_COMMON_SESSION_KEY", ATC, "ApplicationCryptogram"),
        ("MASTERCARD_SESSION_KEY", ATC, "ApplicationCryptogram"),
        ("EMV2000", AC, "ApplicationTransactionCounter"),
        ("VISA", AC, "ApplicationTransactionCounter"),
        ("AMEX", AC, "ApplicationTransactionCounter"),
        ("UNION_PAY", AC, "ApplicationTransactionCounter"),
    ],
)
async def test_session_key_value_must_fit_the_mode(
    shared: Any, tools: Any, mode: str, value: dict[str, str], wanted: str
) -> None:
    """The other member of the union is refused; the right one serves."""
    arn = shared.put("E2", "TDES_2KEY", "X", tools.tdes)
    members = {"KeyIdentifier": arn, "MessageData": "8424000008"}
    refusal = await shared.refused(GENERATE, **members, GenerationAttributes=emv(mode, value))
    assert wanted in refusal.message
    right = ATC if value is AC else AC
    answer = await shared.call(GENERATE, **members, GenerationAttributes=emv(mode, right))
    assert len(answer["Mac"]) == 16


async def test_visa_and_amex_scripts_are_the_same(shared: Any, tools: Any) -> None:
    """As the service says; EMV2000 and UnionPay differ from them and each other."""
    arn = shared.put("E2", "TDES_2KEY", "X", tools.tdes)
    macs = {}
    for mode in ("VISA", "AMEX", "EMV2000", "UNION_PAY"):
        answer = await shared.call(
            GENERATE,
            KeyIdentifier=arn,
            MessageData="8424000008",
            GenerationAttributes=emv(mode, ATC),
        )
        macs[mode] = answer["Mac"]
    assert macs["VISA"] == macs["AMEX"]
    assert len(set(macs.values())) == 3


@pytest.mark.parametrize("kind", ["DukptIso9797Algorithm1", "DukptIso9797Algorithm3"])
@pytest.mark.parametrize("message", ["00", "00" * 7, "00" * 9, "00" * 23])
async def test_dukpt_pads_nothing(shared: Any, tools: Any, kind: str, message: str) -> None:
    """Algorithms 1 and 3 under DUKPT take whole blocks."""
    refusal = await shared.refused(
        GENERATE,
        KeyIdentifier=shared.put("B0", "TDES_2KEY", "X", tools.tdes),
        MessageData=message,
        GenerationAttributes=dukpt(kind, "REQUEST"),
    )
    assert "MessageData" in refusal.message


async def test_dukpt_cmac_takes_eight_bytes_or_more(shared: Any, tools: Any) -> None:
    """Aligned or not."""
    members = {
        "KeyIdentifier": shared.put("B0", "TDES_2KEY", "X", tools.tdes),
        "GenerationAttributes": dukpt("DukptCmac", "REQUEST"),
    }
    refusal = await shared.refused(GENERATE, **members, MessageData="00" * 7)
    assert "MessageData" in refusal.message
    for size in (8, 9, 4096):
        await shared.call(GENERATE, **members, MessageData="00" * size)


@pytest.mark.parametrize(
    ("bdk", "attributes", "words"),
    [
        ("TDES", dukpt("DukptCmac", "BIDIRECTIONAL"), "DukptKeyVariant"),
        ("TDES", dukpt("DukptCmac", "REQUEST", AES_KSN), "KeySerialNumber"),
        ("AES", dukpt("DukptCmac", "REQUEST"), "KeySerialNumber"),
        ("TDES", dukpt("DukptCmac", "REQUEST", DukptDerivationType="AES_128"), "TDES_2KEY"),
        ("TDES", dukpt("DukptCmac", "REQUEST", DukptDerivationType="TDES_3KEY"), "TDES_2KEY"),
        ("AES", dukpt("DukptIso9797Algorithm3", "REQUEST", AES_KSN), "DukptDerivationType"),
        (
            "AES",
            dukpt("DukptIso9797Algorithm1", "REQUEST", AES_KSN, DukptDerivationType="AES_128"),
            "DukptDerivationType",
        ),
        (
            "AES",
            dukpt("DukptCmac", "REQUEST", AES_KSN, DukptDerivationType="AES_256"),
            "stronger",
        ),
    ],
)
async def test_dukpt_combinations_that_do_not_exist(
    shared: Any, tools: Any, bdk: str, attributes: dict[str, Any], words: str
) -> None:
    """KSN, variant and type must go with the BDK and the algorithm."""
    arn = (
        shared.put("B0", "AES_128", "X", AES_BDK)
        if bdk == "AES"
        else shared.put("B0", "TDES_2KEY", "X", tools.tdes)
    )
    refusal = await shared.refused(
        GENERATE, KeyIdentifier=arn, MessageData=ALIGNED, GenerationAttributes=attributes
    )
    assert words in refusal.message


@pytest.mark.parametrize("variant", ["REQUEST", "RESPONSE", "BIDIRECTIONAL"])
@pytest.mark.parametrize("key_type", ["TDES_2KEY", "TDES_3KEY", "AES_128"])
async def test_aes_dukpt_variants(shared: Any, variant: str, key_type: str) -> None:
    """An AES BDK has all variants, and derives TDES keys for algorithms 1 and 3."""
    arn = shared.put("B0", "AES_128", "X", AES_BDK)
    kinds = ["DukptCmac"]
    if key_type.startswith("TDES"):
        kinds += ["DukptIso9797Algorithm1", "DukptIso9797Algorithm3"]
    for kind in kinds:
        attributes = dukpt(kind, variant, AES_KSN, DukptDerivationType=key_type)
        members = {"KeyIdentifier": arn, "MessageData": ALIGNED}
        answer = await shared.call(GENERATE, **members, GenerationAttributes=attributes)
        await shared.call(VERIFY, **members, VerificationAttributes=attributes, Mac=answer["Mac"])


async def test_option_b_wants_a_long_pan(shared: Any, tools: Any) -> None:
    """Up to 16 digits the real service refuses it, in these words."""
    arn = shared.put("E2", "TDES_2KEY", "X", tools.tdes)
    members = {"KeyIdentifier": arn, "MessageData": "8424000008"}
    option = {"MajorKeyDerivationMode": "EMV_OPTION_B"}
    refusal = await shared.refused(
        GENERATE,
        **members,
        GenerationAttributes=emv("EMV_COMMON_SESSION_KEY", AC, **option),
    )
    assert refusal.message == (
        "PAN length is invalid for EMV major key derivation mode EMV_OPTION_B"
    )
    long = {**option, "PrimaryAccountNumber": "12345678901234567"}
    await shared.call(
        GENERATE, **members, GenerationAttributes=emv("EMV_COMMON_SESSION_KEY", AC, **long)
    )
