"""The algorithms together, on worked examples: DUKPT, AS 2805 and PIN translation."""

from __future__ import annotations

from keyferry.crypto.as2805 import session_pin_key
from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.dukpt import AESBDK, TDESBDK, AESPurpose, TDESPurpose, WorkingKeyType
from keyferry.crypto.mac import cbc_mac, cmac, retail_mac
from keyferry.crypto.padding import Padding
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, translate_pin_block
from keyferry.crypto.tdes_key import TDESKey

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
KSN = bytes.fromhex("FFFF9876543210E00001")
AES_BDK = AESBDK(bytes.fromhex("FEDCBA9876543210F1F1F1F1F1F1F1F1"))
AES_KSN = bytes.fromhex("123456789012345600000001")
PAN = "5432101234567890"
CARD_DATA = b"4012345678909D987"


def translated(key: CipherKey, outgoing: PINBlockFormat, fill: str | None = None) -> str:
    """Translate the block of PIN 1234 that every example starts from."""
    block = translate_pin_block(
        bytes.fromhex("BA2ADC4EBA48F711"),
        incoming_key=CipherKey(Cipher.TDES, KEY),
        incoming_format=PINBlockFormat.ISO_0,
        incoming_pan=PAN,
        outgoing_key=key,
        outgoing_format=outgoing,
        outgoing_pan=PAN,
        fill=fill,
    )
    return block.hex().upper()


def test_translation_to_tdes_dukpt() -> None:
    """A static key in, a transaction's PIN key out."""
    key = CipherKey(Cipher.TDES, TDESBDK(KEY).working_key(KSN, TDESPurpose.PIN))
    assert translated(key, PINBlockFormat.ISO_0) == "B7D9FE8EF6179CDC"


def test_translation_to_aes_dukpt() -> None:
    """The same to both kinds of working key an AES base key makes."""
    raw = AES_BDK.working_key(AES_KSN, AESPurpose.PIN_ENCRYPTION, WorkingKeyType.TDES_2KEY)
    key = CipherKey(Cipher.TDES, raw)
    assert translated(key, PINBlockFormat.ISO_0) == "8878B7579A6AF263"
    raw = AES_BDK.working_key(AES_KSN, AESPurpose.PIN_ENCRYPTION, WorkingKeyType.AES_128)
    key = CipherKey(Cipher.AES, raw)
    block = translated(key, PINBlockFormat.ISO_4, fill="2F69ADDE2E9E7ACE")
    assert block == "C7BDADD11F726A720F6B8BC2BB29C2BC"


def test_as2805_pin_block() -> None:
    """The key of one transaction opens its format 0 block."""
    kpe = CipherKey(Cipher.TDES, session_pin_key(KEY, "000438", "000000000328"))
    block = bytes.fromhex("EF4C27E7573F18ED")
    assert decrypt_pin_block(kpe, PINBlockFormat.ISO_0, block, "4242424242424242") == "1234"


def test_macs_under_tdes_dukpt() -> None:
    """The example message under the MAC keys of both directions."""
    request = TDESKey(TDESBDK(KEY).working_key(KSN, TDESPurpose.MAC_REQUEST))
    response = TDESKey(TDESBDK(KEY).working_key(KSN, TDESPurpose.MAC_RESPONSE))
    data = CARD_DATA.ljust(24, b"\0")
    assert retail_mac(request, data, padding=Padding.NONE).hex().upper() == "9CCC78173FC4FB64"
    assert retail_mac(response, data, padding=Padding.NONE).hex().upper() == "20364223C1FF00FA"
    assert cbc_mac(request, data, padding=Padding.NONE).hex().upper() == "0E8BA06B919A4CDF"
    assert cmac(request, CARD_DATA).hex().upper() == "211003F1D5B79DD7"
    assert cmac(response, CARD_DATA).hex().upper() == "82CC2B9B9EC710A6"


def test_data_under_dukpt() -> None:
    """The example message under the data keys, TDES and AES."""
    key = CipherKey(Cipher.TDES, TDESBDK(KEY).working_key(KSN, TDESPurpose.DATA_REQUEST))
    encrypted = key.encrypt_cbc(CARD_DATA.ljust(24, b"\0"), bytes(8))
    assert encrypted.hex().upper() == "FC0D53B7EA1FDA9EE68AAF2E70D9B9506229BE2AA993F04F"
    raw = AES_BDK.working_key(AES_KSN, AESPurpose.DATA_ENCRYPT, WorkingKeyType.AES_128)
    encrypted = CipherKey(Cipher.AES, raw).encrypt_cbc(CARD_DATA.ljust(32, b"\0"), bytes(16))
    assert (
        encrypted.hex().upper()
        == "E5AFA5B408A3310E3D779C8A9A2AE29448BD5B4232582090DB703AF647205A79"
    )
    raw = AES_BDK.working_key(AES_KSN, AESPurpose.MAC_GENERATION, WorkingKeyType.AES_128)
    mac = cmac(CipherKey(Cipher.AES, raw), CARD_DATA)
    assert mac.hex().upper() == "A2EB5C1C35809E58404E873C3C411E31"
