"""Card, PIN, MAC and EMV commands: published vectors, and `keyferry.crypto` as second opinion."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from keyferry.crypto import emv
from keyferry.crypto.card_verification import cvv
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import TDESBDK, TDESPurpose
from keyferry.crypto.mac import cbc_mac, retail_mac
from keyferry.crypto.padding import Padding
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encrypt_pin_block
from keyferry.crypto.pin_verification import ibm3624_offset, visa_pvv
from keyferry.crypto.tdes_key import TDESKey

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
OTHER = bytes.fromhex("11" * 8 + "22" * 8)
KPE_A = "1PUNE000,302A81872F21CE1D0A8791AC9B0C7A6ABB5A9D73F6EB4872,B8E0CBEEB718723D"
KPE_B = "1PUNE000,0E1E69D28D24BABD7152C3ECAB2A04E4A471A1C8CD7FF123,01C98B8A08067F7A"
PAN = "4123456789012345"
PAN12 = PAN[3:15]


def block(pin: str, pan: str = PAN, key: bytes = OTHER) -> str:
    """Encrypt an ISO format 0 block under KPE A."""
    opened = CipherKey(Cipher.TDES, key)
    return encrypt_pin_block(opened, PINBlockFormat.ISO_0, pin, pan).hex().upper()


@pytest.mark.parametrize(
    ("data", "digits"),
    [("41234567890123458701101", "56149820"), ("41234567890123492511201", "52630622")],
)
async def test_published_cvvs(ask, akb, data: str, digits: str) -> None:
    """5D computes what the public simulator's tests expect; 5E agrees, with three digits too."""
    key = akb("1CDNE000")
    assert await ask(f"5D#3#{key}##{data}#") == f"6D#{digits}#08D7B4##"
    assert await ask(f"5E#3#{key}##{data}#{digits[:3]}#") == "6E#Y#08D7B4#"
    assert await ask(f"5E#3#{key}##{data}#000#") == "6E#N#08D7B4#"


async def test_published_translations(ask) -> None:
    """31 and 335 compute the recomputed vectors; a block of another PAN is not sane."""
    assert (
        await ask(f"31#1#{KPE_A}#{KPE_B}#0B764ADBA78B005A#123456789012#")
        == "41#8DE55A3A172850B9#Y#"
    )
    assert (
        await ask(f"335##1##1#{KPE_A}#{KPE_B}#0B764ADBA78B005A#123456789012#012345678912#")
        == "435#A4CC24A0B9D115A5#Y#D2B91C#DDB736##"
    )
    assert await ask(f"30#{KPE_A}#1234#123456789012#") == "40#0B764ADBA78B005A#"
    assert await ask(f"31#1#{KPE_A}#{KPE_B}#0B764ADBA78B005A#999999999999#") == "41##N#"


async def test_dukpt_translation(ask, akb) -> None:
    """3E opens a block under the working key of a BDK."""
    ksn = "FFFF9876543210E00001"
    working = TDESBDK(KEY).working_key(bytes.fromhex(ksn), TDESPurpose.PIN)
    arriving = block("1234", key=working)
    answer = await ask(f"3E#1#1#{akb('1dDNE000')}#M#{ksn}#{KPE_A}#M##{arriving}#{PAN12}#{PAN12}#")
    assert answer == f"4E#{block('1234')}#Y#08D7B4#D2B91C##"


async def test_visa_pvv(ask, akb) -> None:
    """32 verifies a PVV, 37 makes the one of the new PIN."""
    key = akb("1VVNE000")
    pvv = visa_pvv(TDESKey(KEY), pan=PAN, pvki="1", pin="1234")
    fields = f"3#1#{{}}#{KPE_A}#{key}##{pvv}#1#{PAN[4:15]}#{PAN12}#"
    assert await ask("32#" + fields.format(block("1234"))) == "42#Y#"
    assert await ask("32#" + fields.format(block("4321"))) == "42#N#"
    assert await ask("32#" + fields.format("00" * 8)) == "42#S#"
    new = visa_pvv(TDESKey(KEY), pan=PAN, pvki="1", pin="98765")
    change = "37#" + fields.format(block("1234")) + f"{block('98765')}#"
    assert await ask(change) == f"47#Y#{new}#"


@pytest.mark.parametrize("wrapped", [False, True], ids=["clear table", "table as AKB"])
async def test_ibm_3624(ask, akb, wrapped: bool) -> None:
    """32 verifies an offset, 37 makes the one of the new PIN; the table may be an AKB."""
    table, key = "0123456789012345", akb("1V3NE000")
    data = PAN[:10]

    def offset(pin: str) -> str:
        return ibm3624_offset(
            TDESKey(KEY), decimalization_table=table, validation_data=data + "FFFFFF", pin=pin
        )

    shown = akb("1nCNE000", bytes.fromhex(table)) if wrapped else table
    fields = f"2#1#{{}}#{KPE_A}#{shown}#{offset('1234')}#{data}#F#4#{key}#{PAN12}#"
    assert await ask("32#" + fields.format(block("1234"))) == "42#Y#"
    assert await ask("32#" + fields.format(block("1235"))) == "42#N#"
    change = "37#" + fields.format(block("1234")) + f"{block('4711')}#"
    assert await ask(change) == f"47#Y#{offset('4711')}#"


@pytest.mark.parametrize("algorithm", ["1", "3"])
async def test_macs(ask, akb, algorithm: str) -> None:
    """98 makes the MAC of its algorithm, 99 verifies its left part."""
    data = b"a message of no whole number of blocks"
    expected = (
        cbc_mac(CipherKey(Cipher.TDES, KEY), data)
        if algorithm == "1"
        else retail_mac(TDESKey(KEY), data)
    )
    text = expected.hex().upper()
    grouped = " ".join(text[at : at + 4] for at in range(0, 16, 4))
    fields = f"{akb('1MDNE000')}#{algorithm}#7##U#{2 * len(data)}#{data.hex()}#"
    assert await ask(f"98#{fields}18#") == f"A8#{algorithm}#{grouped}#08D7B4#"
    assert await ask(f"99#{fields}{grouped[:9]}#18#") == f"A9#{algorithm}#Y#08D7B4#"
    assert await ask(f"99#{fields}0000 0000#18#") == f"A9#{algorithm}#N#08D7B4#"
    assert await ask(f"99#{fields}00#18#") == "00#010885#"


async def test_data(ask, akb) -> None:
    """97 encrypts, and decrypts what it encrypted; the result stands in field 8."""
    key, data = akb("1DDNE000"), "00112233445566778899AABBCCDDEEFF"
    answer = (await ask(f"97#E#6#{key}#D#U#32#{data}#")).split("#")
    assert answer[0] == "A7"
    assert (await ask(f"97#D#6#{key}#D#U#32#{answer[8]}#")).split("#")[8] == data
    assert await ask(f"97#E#6#{key}#D#U#31#{data}#") == "00#010685#"


async def test_hmac(ask, akb) -> None:
    """39B takes a key from two AKBs."""
    parts = akb("1M2NE000", bytes(range(24))), akb("1M2NE000", bytes(range(24, 32)))
    expected = hmac.digest(bytes(range(32)), b"data", hashlib.sha256).hex().upper()
    answer = await ask(f"39B#{parts[0]}#{parts[1]}#2#{b'data'.hex()}#")
    assert answer.split("#")[:2] == ["49B", expected]


async def test_cryptograms(ask, akb) -> None:
    """350 verifies an ARQC of CVN 10 and CVN 18 and answers; a wrong one gets no answer."""
    imk, data = akb("1mENE000"), bytes(range(16))
    card = emv.derive_icc_master_key(TDESKey(KEY), pan=PAN)
    arqc = emv.generate_arqc(TDESKey(card), data)
    arpc = emv.arpc_method1(TDESKey(card), arqc=arqc, arc=b"00").hex().upper()
    message = f"350#1#{imk}#{PAN}###{{}}#{data.hex()}#3030#"
    answer = await ask(message.format(arqc.hex()))
    assert answer.split("#")[:2] == ["450", arpc]
    assert (await ask(message.format("00" * 8))).split("#")[:2] == ["450", ""]
    assert (await ask(message.format("00" * 8) + "3035#")).split("#")[4] == "N"
    session = emv.derive_common_session_key(card, emv.common_diversifier(b"\x00\x01"))
    arqc = emv.generate_arqc(TDESKey(session), data)
    arpc = emv.arpc_method1(TDESKey(session), arqc=arqc, arc=b"00").hex().upper()
    answer = await ask(f"350#2#{imk}#{PAN}##0001#{arqc.hex()}#{data.hex()}#3030#3035#")
    assert answer.split("#")[1] == arpc
    assert answer.split("#")[4] == "Y"


async def test_script_macs_in_parts(ask, akb) -> None:
    """352 continues a MAC over parts, and comes to what the whole would give."""
    imk, data = akb("1mENE00M"), bytes(range(40))
    head = f"352#1#{imk}#{PAN}#00#0001#"
    whole = (await ask(f"{head}3##{data.hex()}#")).split("#")[2]
    session = emv.derive_visa_script_key(
        emv.derive_icc_master_key(TDESKey(KEY), pan=PAN), b"\x00\x01"
    )
    expected = retail_mac(TDESKey(session), data, padding=Padding.NONE)
    assert bytes.fromhex(whole) == expected
    iv = (await ask(f"{head}0##{data[:16].hex()}#")).split("#")[2]
    assert iv.startswith("1IDNE000,")
    assert (await ask(f"{head}3#{iv}#{data[16:].hex()}#")).split("#")[2] == whole


async def test_pin_change_script(ask, akb) -> None:
    """351 brings the new PIN to the card under the session keys of its ARQC."""
    enc, mac, arqc = akb("1mENE00E"), akb("1mENE00M"), bytes(range(8))
    header = "8424000210"
    answer = await ask(
        f"351#0#1##{KPE_A}#{enc}#{mac}##{block('4711')}##{PAN}#00#{arqc.hex()}#{header}#{PAN12}##"
    )
    fields = answer.split("#")
    card = emv.derive_icc_master_key(TDESKey(KEY), pan=PAN)
    session = TDESKey(emv.derive_common_session_key(card, arqc))
    sent = bytes.fromhex(fields[2])
    assert session.decrypt_cbc(sent, bytes(8)).hex().upper() == "244711FFFFFFFFFF"
    expected = emv.script_mac(session, bytes.fromhex(header) + sent)
    assert bytes.fromhex(fields[3]) == expected


async def test_a_card_value_is_the_one_of_crypto(ask, akb) -> None:
    """The three digits that a card carries are the left of the eight."""
    value = cvv(TDESKey(KEY), pan=PAN, expiry="2912", service_code="201")
    assert (await ask(f"5D#3#{akb('1CDNE000')}##{PAN}2912201#")).split("#")[1][:3] == value


async def test_blocks_open_again(ask) -> None:
    """What 30 encrypts is the PIN block of ISO format 0."""
    made = (await ask(f"30#{KPE_A}#123456#{PAN12}#")).split("#")[1]
    key = CipherKey(Cipher.TDES, OTHER)
    assert decrypt_pin_block(key, PINBlockFormat.ISO_0, bytes.fromhex(made), PAN) == "123456"
