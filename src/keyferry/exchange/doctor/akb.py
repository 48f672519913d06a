"""Atalla key blocks: three parts, header, key field, MAC, key. The MFK is at hand as the KBPK."""

from __future__ import annotations

from typing import Final

from keyferry.crypto.check_values import tdes_kcv
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock.akb import AKB, MFK, AKBHeader, AKBVersion
from keyferry.errors import KeyBlockAuthenticationError, MalformedKeyBlockError
from keyferry.exchange.doctor.check_value import check_stated, compare, shown_values
from keyferry.exchange.doctor.examination import Cause, Examination

_COPY: Final = "copy the AKB again: 8 characters, a comma, the key field, a comma, 16 hex digits"
_DESIGN: Final = "have the HSM make the key with a header of its migration guide's tables"

PARTS: Final = Cause(
    "akb-parts",
    "a comma or a whole part was lost, or other characters stand for the commas",
    _COPY,
)
LOWER_CASE: Final = Cause(
    "akb-lower-case",
    "a tool turned it into lower case, in which the letters of the header mean other things",
    _COPY,
)
HEADER: Final = Cause("akb-header", "the header was cut, or blanks came into it", _COPY)
VERSION: Final = Cause(
    "akb-version", "the text is no AKB, or one of a firmware nobody has described", _COPY
)
USAGE: Final = Cause("akb-usage", "header byte 1 was edited", _DESIGN)
MODE: Final = Cause("akb-mode", "header byte 3 was edited", _DESIGN)
EXPORTABILITY: Final = Cause("akb-exportability", "header byte 4 was edited", _DESIGN)
RESERVED: Final = Cause("akb-reserved", "header byte 5 must be 0", _DESIGN)
LETTERS: Final = Cause("akb-letters", "a header byte is no letter or digit", _DESIGN)
FIELD: Final = Cause("akb-key-field", "hex digits of the key field were lost or changed", _COPY)
FIELD_SIZE: Final = Cause(
    "akb-key-field-size",
    "the key field of a TDES key has 48 digits; some were lost, or it is a legacy cryptogram",
    _COPY,
)
MAC_FORM: Final = Cause("akb-mac-form", "the end was lost, or something follows it", _COPY)
MFK_SIZE: Final = Cause(
    "mfk-size", "an MFK or KEK has 16 or 24 bytes", "give the whole key, its components combined"
)
MFK_DIFFERS: Final = Cause(
    "mfk",
    "the AKB is under the MFK of another HSM or partition, or the MFK was changed",
    "ask the HSM for the check digits of its MFK (9A KEY)",
)
ALTERED: Final = Cause(
    "akb-altered",
    "the MFK is right, so header or key field were changed; the header is under the MAC",
    "use the AKB as the HSM gave it; change attributes by the HSM only",
)
MAC: Final = Cause(
    "akb-mac",
    "it was made under another MFK, or changed; it does not tell which",
    "compare the check digits of the MFK (9A KEY) with those of the HSM that made it",
)
PUBLIC_KEY: Final = Cause(
    "akb-public-key",
    "a public key AKB holds 2 bytes of length, exponent, 2 bytes of length, modulus",
    "run 12A again and keep field 2 of its answer whole",
)

_FIELDS: Final = {
    "AKB parts": PARTS,
    "AKB header": HEADER,
    "AKB version": VERSION,
    "AKB key usage": USAGE,
    "AKB algorithm": LETTERS,
    "AKB mode": MODE,
    "AKB exportability": EXPORTABILITY,
    "AKB reserved": RESERVED,
    "AKB special handling": LETTERS,
    "AKB other": LETTERS,
    "AKB key field": FIELD,
    "AKB MAC": MAC_FORM,
}
_TDES_FIELD_BYTES: Final = 24


def examine_akb(text: str, examination: Examination) -> None:
    """Examine an AKB."""
    check = "form"
    try:
        akb = AKB.parse(text)
    except MalformedKeyBlockError as error:
        cause = LOWER_CASE if _is_lowered(text) else _FIELDS.get(error.field, PARTS)
        examination.fail(check, cause, str(error))
    header = akb.header
    examination.fact("header", header.encode())
    examination.fact("made under", f"{'TDES' if header.version == '1' else 'AES'} MFK")
    examination.fact("key usage", header.usage)
    examination.fact("exportability", header.exportability)
    public = header.algorithm == "R" and _is_public(akb.key_field)
    if header.algorithm == "R" and not public and len(akb.key_field) % 8:
        examination.fail(check, PUBLIC_KEY, "the lengths inside the key field do not fit it")
    tdes = header.algorithm != "R" and header.version is AKBVersion.TDES_MFK
    if tdes and len(akb.key_field) != _TDES_FIELD_BYTES:
        examination.fail(
            check,
            FIELD_SIZE,
            f"the key field has {2 * len(akb.key_field)} digits, expected {2 * _TDES_FIELD_BYTES}",
        )
    examination.passed(check)
    key = _check_mac(text, header, examination)
    _check_key(key, examination)


def _is_lowered(text: str) -> bool:
    """Whether header and key field hold letters, none of them a capital; HSMs write capitals."""
    header, _, key_field = text.partition(",")
    return text.islower() and header.islower() and key_field.islower()


def _is_public(key_field: bytes) -> bool:
    """Whether a key field is exponent and modulus, each behind its length."""
    exponent_bytes = int.from_bytes(key_field[:2], "big")
    rest = key_field[2 + exponent_bytes :]
    return len(rest) > 2 and int.from_bytes(rest[:2], "big") == len(rest) - 2


def _check_mac(text: str, header: AKBHeader, examination: Examination) -> bytes | None:
    check, at_hand = "MAC", examination.at_hand
    if header.version is not AKBVersion.TDES_MFK:
        examination.unmade(check, "the construction under an AES MFK, which is not public")
        return None
    if at_hand.kbpk is None:
        examination.unmade(check, "the MFK or KEK (--kbpk-file)")
        return None
    mfk = at_hand.kbpk.reveal()
    if len(mfk) not in (16, 24):
        examination.fail("MFK", MFK_SIZE, f"a key of {len(mfk)} bytes")
    shown = tdes_kcv(mfk).hex().upper()
    stated = at_hand.kbpk_check_value
    if stated and not compare(shown, stated):
        examination.fail(
            "MFK", MFK_DIFFERS, f"the MFK at hand has {shown}, the HSM shows {stated.upper()}"
        )
    opened = MFK(mfk)
    try:
        akb = opened.authenticate(text)
    except KeyBlockAuthenticationError:
        examination.fail(
            check, ALTERED if stated else MAC, "the MAC does not verify under the MFK at hand"
        )
    examination.passed(check)
    symmetric = header.algorithm != "R" and len(akb.key_field) == _TDES_FIELD_BYTES
    return opened.unwrap(text).key if symmetric else None


def _check_key(key: bytes | None, examination: Examination) -> None:
    if key is None:
        examination.unmade("check value", "the key: what opens the input")
        return
    values = list(shown_values(Cipher.TDES, key).values())
    examination.fact("check value", values[0])
    check_stated(values[0], values, examination)
