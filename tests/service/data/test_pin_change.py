"""GenerateMacEmvPinChange: the worked examples, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

NAME = "GenerateMacEmvPinChange"
SMC = "11111111111111112222222222222222"
IMK_AC = "FEDCBA98765432100123456789ABCDEF"
CARD = {
    "MajorKeyDerivationMode": "EMV_OPTION_A",
    "PrimaryAccountNumber": "1234567890123456",
    "PanSequenceNumber": "01",
}
AC = {"ApplicationCryptogram": "ABCDEF1234567890"}
ATC = {"ApplicationTransactionCounter": "FFFF"}
INVALID_BLOCK = (
    "Pin block provided is invalid. Please check your input to ensure all field values are correct."
)


@pytest.fixture
def keys(shared: Any, tools: Any) -> dict[str, str]:
    return {
        "pek": shared.put("P0", "TDES_2KEY", "B", tools.tdes),
        "smi": shared.put("E2", "TDES_2KEY", "X", tools.tdes),
        "smc": shared.put("E1", "TDES_2KEY", "X", SMC),
        "ac": shared.put("E0", "TDES_2KEY", "X", IMK_AC),
    }


def block_of(pin: str, key: str, pin_format: str = "ISO_0", pan: str = "1234567890123456") -> str:
    from keyferry.crypto.pin_block import PINBlockFormat, encrypt_pin_block
    from keyferry.crypto.tdes_key import TDESKey

    opened = TDESKey(bytes.fromhex(key))
    return encrypt_pin_block(opened, PINBlockFormat[pin_format], pin, pan).hex()


def change(keys: dict[str, str], tools: Any, method: dict[str, Any]) -> dict[str, Any]:
    return {
        "NewPinPekIdentifier": keys["pek"],
        "NewEncryptedPinBlock": block_of("9999", tools.tdes),
        "PinBlockFormat": "ISO_FORMAT_0",
        "SecureMessagingIntegrityKeyIdentifier": keys["smi"],
        "SecureMessagingConfidentialityKeyIdentifier": keys["smc"],
        "MessageData": "8424000210" + "00" * 3,
        "DerivationMethodAttributes": method,
    }


def common(mode: str, padding: str, position: str) -> dict[str, Any]:
    return {
        "EmvCommon": {
            **CARD,
            **AC,
            "Mode": mode,
            "PinBlockPaddingType": padding,
            "PinBlockLengthPosition": position,
        }
    }


@pytest.mark.parametrize(
    ("method", "block"),
    [
        ({"Mastercard": {**CARD, **AC}}, "28367E05DE3381C2"),
        (common("CBC", "NO_PADDING", "NONE"), "28367E05DE3381C2"),
        (common("ECB", "NO_PADDING", "NONE"), "28367E05DE3381C2"),
        (common("CBC", "ISO_IEC_7816_4", "FRONT_OF_PIN_BLOCK"), "437F3CCC31900E7E76F856F415348945"),
        (common("CBC", "ISO_IEC_7816_4", "NONE"), "28367E05DE3381C29D30A6055A8DEB86"),
    ],
)
async def test_scripts_under_common_session_keys(
    shared: Any, tools: Any, keys: dict[str, str], method: dict[str, Any], block: str
) -> None:
    """The block for the card comes out as worked; answers name every key."""
    answer = await shared.call(NAME, **change(keys, tools, method))
    assert answer["EncryptedPinBlock"] == block
    assert len(answer["Mac"]) == 16
    assert answer["NewPinPekArn"] == keys["pek"]
    assert answer["SecureMessagingIntegrityKeyArn"] == keys["smi"]
    assert answer["SecureMessagingConfidentialityKeyArn"] == keys["smc"]
    assert answer["NewPinPekKeyCheckValue"] == "08D7B4"
    assert answer["SecureMessagingIntegrityKeyCheckValue"] == "08D7B4"
    assert len(answer["SecureMessagingConfidentialityKeyCheckValue"]) == 6
    assert "VisaAmexDerivationOutputs" not in answer


async def test_macs_as_worked(shared: Any, tools: Any, keys: dict[str, str]) -> None:
    """The MAC covers MessageData and the encrypted block, padded by method 2."""
    from keyferry.crypto.emv import derive_common_session_key, derive_icc_master_key, script_mac
    from keyferry.crypto.tdes_key import TDESKey

    given = change(keys, tools, {"Mastercard": {**CARD, **AC}})
    answer = await shared.call(NAME, **given)
    master = derive_icc_master_key(
        TDESKey(bytes.fromhex(tools.tdes)), pan=CARD["PrimaryAccountNumber"], psn="01"
    )
    session = TDESKey(derive_common_session_key(master, bytes.fromhex("ABCDEF1234567890")))
    # The worked MAC is over a header of five bytes, which the shape of the API is too long for.
    short = script_mac(session, bytes.fromhex("8424000210" + answer["EncryptedPinBlock"]))
    assert short.hex().upper() == "8C4D10091A093B5B"
    whole = script_mac(session, bytes.fromhex(given["MessageData"] + answer["EncryptedPinBlock"]))
    assert answer["Mac"] == whole.hex().upper()


@pytest.mark.parametrize("scheme", ["Visa", "Amex"])
async def test_visa_and_amex(shared: Any, tools: Any, keys: dict[str, str], scheme: str) -> None:
    """Their block depends on the card's key, and on the current PIN if one is sent."""
    card = {**CARD, **ATC, "AuthorizationRequestKeyIdentifier": keys["ac"]}
    answer = await shared.call(NAME, **change(keys, tools, {scheme: card}))
    assert answer["EncryptedPinBlock"] == "D421231A6FD2F0FAEE671384F0D3A7B9"
    outputs = answer["VisaAmexDerivationOutputs"]
    assert outputs.keys() == {"AuthorizationRequestKeyArn", "AuthorizationRequestKeyCheckValue"}
    assert outputs["AuthorizationRequestKeyArn"] == keys["ac"]
    current = shared.put("P0", "TDES_2KEY", "D", IMK_AC)
    attributes = {
        "CurrentPinPekIdentifier": current,
        "CurrentEncryptedPinBlock": block_of("8888", IMK_AC),
    }
    with_current = await shared.call(
        NAME, **change(keys, tools, {scheme: {**card, "CurrentPinAttributes": attributes}})
    )
    outputs = with_current["VisaAmexDerivationOutputs"]
    assert outputs["CurrentPinPekArn"] == current
    assert len(outputs["CurrentPinPekKeyCheckValue"]) == 6
    # Two blocks in ECB: of the first, 08 and seven bytes of the PIN block, only the PIN differs.
    first, second = answer["EncryptedPinBlock"], with_current["EncryptedPinBlock"]
    assert first[:16] != second[:16]
    assert first[16:] == second[16:]
    bad = {**attributes, "CurrentEncryptedPinBlock": "0" * 16}
    refusal = await shared.refused(
        NAME, **change(keys, tools, {scheme: {**card, "CurrentPinAttributes": bad}})
    )
    assert refusal.message == INVALID_BLOCK


async def test_emv2000(shared: Any, tools: Any, keys: dict[str, str]) -> None:
    """Padded by method 2 (our choice), so two blocks."""
    answer = await shared.call(NAME, **change(keys, tools, {"Emv2000": {**CARD, **ATC}}))
    assert len(answer["EncryptedPinBlock"]) == 32


@pytest.mark.parametrize("pin_format", ["ISO_0", "ISO_1", "ISO_3"])
async def test_formats_of_the_new_pin(
    shared: Any, tools: Any, keys: dict[str, str], pin_format: str
) -> None:
    """What the card gets is the same, whatever the PIN came in."""
    given = change(keys, tools, {"Mastercard": {**CARD, **AC}}) | {
        "NewEncryptedPinBlock": block_of("9999", tools.tdes, pin_format),
        "PinBlockFormat": f"ISO_FORMAT_{pin_format[-1]}",
    }
    answer = await shared.call(NAME, **given)
    assert answer["EncryptedPinBlock"] == "28367E05DE3381C2"


async def test_bad_pin_block(shared: Any, tools: Any, keys: dict[str, str]) -> None:
    """Another PAN makes garbage of it."""
    given = change(keys, tools, {"Mastercard": {**CARD, **AC}}) | {
        "NewEncryptedPinBlock": block_of("9999", tools.tdes, pan="1234567890999456")
    }
    assert (await shared.refused(NAME, **given)).message == INVALID_BLOCK


async def test_length_without_padding(shared: Any, tools: Any, keys: dict[str, str]) -> None:
    """Nine bytes are no whole blocks."""
    method = common("CBC", "NO_PADDING", "FRONT_OF_PIN_BLOCK")
    refusal = await shared.refused(NAME, **change(keys, tools, method))
    assert refusal.message.startswith("PinBlockPaddingType")


async def test_option_b(shared: Any, tools: Any, keys: dict[str, str]) -> None:
    """As everywhere."""
    method = {"Mastercard": {**CARD, **AC, "MajorKeyDerivationMode": "EMV_OPTION_B"}}
    refusal = await shared.refused(NAME, **change(keys, tools, method))
    assert "EMV_OPTION_B" in refusal.message


@pytest.mark.parametrize(
    ("member", "other"),
    [
        ("NewPinPekIdentifier", "smc"),
        ("SecureMessagingIntegrityKeyIdentifier", "smc"),
        ("SecureMessagingConfidentialityKeyIdentifier", "smi"),
    ],
)
async def test_keys_have_their_roles(
    shared: Any, tools: Any, keys: dict[str, str], member: str, other: str
) -> None:
    """A key in another's place is refused."""
    given = change(keys, tools, {"Mastercard": {**CARD, **AC}}) | {member: keys[other]}
    refusal = await shared.refused(NAME, **given)
    assert refusal.message == "KeyUsages not allowed for this operation"
