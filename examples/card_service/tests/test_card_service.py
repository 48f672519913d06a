"""The card service on keyferry: the fixtures come from its pytest plugin."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import card_service
import pytest
from card_service import CVK, PEK, PRINTER, PVK, CardService, Purchase

from keyferry.crypto.ciphers import Cipher, CipherKey
from keyferry.crypto.pin_block import PINBlockFormat, decrypt_pin_block, encrypt_pin_block
from keyferry.crypto.pin_verification import visa_pvv

PAN, EXPIRY = "4111111111111111", "2812"
KEY = "0123456789ABCDEFFEDCBA9876543210"
# Of PAN 4123456789012345, expiry 8701, under KEY; psec computes the same.
CVV, ICVV, CVV2 = "098", "651", "122"
ZPK = "89B07B35A1B3F47E89B07B35A1B3F488"


@pytest.fixture
def service(payment_cryptography, payment_cryptography_data):
    """A card service whose keys nobody knows."""
    card_service.create_keys(payment_cryptography)
    return CardService(payment_cryptography_data)


@pytest.fixture
def known_service(load_key, payment_cryptography_data):
    """A card service whose keys the test knows, to speak for acquirer and printer."""
    for alias, usage, key in (
        (CVK, "TR31_C0_CARD_VERIFICATION_KEY", KEY),
        (PVK, "TR31_V2_VISA_PIN_VERIFICATION_KEY", KEY),
        (PEK, "TR31_P0_PIN_ENCRYPTION_KEY", ZPK),
        (PRINTER, "TR31_P0_PIN_ENCRYPTION_KEY", KEY),
    ):
        load_key(key, usage=usage, algorithm="TDES_2KEY", alias=alias)
    return CardService(payment_cryptography_data)


def clear_pin(card):
    """Open the PIN block of a card, as only a test may."""
    key = CipherKey(Cipher.TDES, bytes.fromhex(ZPK))
    return decrypt_pin_block(key, PINBlockFormat.ISO_0, bytes.fromhex(card.pin_block), card.pan)


def pin_block(pin, pan=PAN):
    """Make a PIN block as a terminal would."""
    key = CipherKey(Cipher.TDES, bytes.fromhex(ZPK))
    return encrypt_pin_block(key, PINBlockFormat.ISO_0, pin, pan).hex().upper()


def pvv(pin, pan=PAN):
    """Compute the verification value of a PIN without the service."""
    return visa_pvv(CipherKey(Cipher.TDES, bytes.fromhex(KEY)), pan=pan, pvki="1", pin=pin)


def another_pin(card):
    """Find a PIN the card must not take: one of 10,000 others has the same verification value."""
    return next(pin for pin in ("0000", "0001", "0002") if pvv(pin) != card.pvv)


def test_a_card_buys(service):
    """What was issued is accepted."""
    card = service.issue(PAN, EXPIRY)
    purchase = Purchase(expiry=card.expiry, cvv=card.cvv, pin_block=card.pin_block)
    assert service.refusal(card, purchase) is None


def test_values_are_those_of_the_scheme(known_service):
    """Under a known key the card carries the published values."""
    card = known_service.issue("4123456789012345", "8701")
    assert (card.cvv, card.icvv, card.cvv2) == (CVV, ICVV, CVV2)
    assert card.pvv == pvv(clear_pin(card), card.pan)


def test_a_wrong_value_is_refused_with_its_reason(known_service):
    """Expiry, card data, PIN and PIN block are told apart."""
    card = known_service.issue(PAN, EXPIRY)
    good = Purchase(expiry=card.expiry, cvv=card.cvv, pin_block=pin_block(clear_pin(card)))
    assert known_service.refusal(card, good) is None

    other = f"{(int(card.cvv) + 1) % 1000:03}"
    assert known_service.refusal(card, replace(good, expiry="2901")) == "expiry"
    assert known_service.refusal(card, replace(good, cvv=other)) == "card data"

    wrong = replace(good, pin_block=pin_block(another_pin(card)))
    assert known_service.refusal(card, wrong) == "PIN"
    assert known_service.refusal(card, replace(good, pin_block="00" * 8)) == "PIN block"


def test_the_printer_gets_the_same_pin(known_service):
    """The PIN survives the change of key and format."""
    card = known_service.issue(PAN, EXPIRY)
    printer = CipherKey(Cipher.TDES, bytes.fromhex(KEY))
    mailed = bytes.fromhex(known_service.mail_pin(card))
    assert decrypt_pin_block(printer, PINBlockFormat.ISO_3, mailed, PAN) == clear_pin(card)


@pytest.mark.usefixtures("keyferry_environment")
def test_the_service_makes_its_own_clients():
    """Nothing is passed in: the environment leads boto3 to keyferry."""
    card_service.create_keys()
    assert len(CardService().issue(PAN, EXPIRY).cvv2) == 3


def test_the_program_as_a_whole(keyferry_account):
    """The same for a process of its own."""
    environment = {"PATH": os.environ["PATH"]} | keyferry_account.environment()
    program = str(Path(card_service.__file__))

    def run(*arguments):
        return subprocess.run(
            [sys.executable, program, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    run("create-keys")
    assert json.loads(run("issue", PAN, EXPIRY))["pan"] == PAN


def test_every_test_begins_with_nothing(payment_cryptography):
    """Keys and aliases of the tests before are not there."""
    assert payment_cryptography.list_keys()["Keys"] == []
    assert payment_cryptography.list_aliases()["Aliases"] == []
