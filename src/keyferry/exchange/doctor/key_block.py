"""
TR-31 key blocks: form, header, optional blocks, MAC, key, the service's own rules, check value.

The order is that of the receiver, so the first check that fails here is the one that fails there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NoReturn

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import KBPK, BlockVersion, KeyBlockHeader
from keyferry.errors import (
    KeyAttributesError,
    KeyBlockAuthenticationError,
    KeyMaterialError,
    KeyStrengthError,
    MalformedKeyBlockError,
    UnsupportedKeyBlockError,
)
from keyferry.exchange.doctor import key_block_causes as causes
from keyferry.exchange.doctor.check_value import check_key_check_value, compare, shown_values
from keyferry.exchange.doctor.examination import Cause, Examination
from keyferry.keys import (
    KeyAlgorithm,
    KeyAttributes,
    KeyClass,
    KeyUsage,
    ModesOfUse,
    WrappingMethod,
    attributes_from_header,
    check_attributes,
    check_strength,
)

_API_CHARACTERS: Final = re.compile(r"[0-9a-zA-Z]*")
_API_SIZES: Final = range(56, 9985)
_FAMILIES: Final = {
    "T": (KeyAlgorithm.TDES_2KEY, KeyAlgorithm.TDES_3KEY),
    "A": (KeyAlgorithm.AES_128, KeyAlgorithm.AES_192, KeyAlgorithm.AES_256),
}
_FIELDS: Final[dict[str, Cause]] = {
    "header": causes.CUT_HEADER,
    "version": causes.UNKNOWN_VERSION,
    "length": causes.LENGTH_FIELD,
    "key usage": causes.USAGE_FIELD,
    "algorithm": causes.ALGORITHM_FIELD,
    "mode of use": causes.MODE_FIELD,
    "key version": causes.KEY_VERSION_FIELD,
    "exportability": causes.EXPORTABILITY_FIELD,
    "optional block count": causes.COUNT_FIELD,
    "key context": causes.CONTEXT_FIELD,
    "reserved character": causes.RESERVED_FIELD,
    "optional blocks": causes.OPTIONAL_ALIGNMENT,
    "optional block": causes.OPTIONAL_LENGTH,
    "optional block length": causes.OPTIONAL_LENGTH,
    "optional block length of length": causes.OPTIONAL_EXTENDED,
    "optional block extended length": causes.OPTIONAL_EXTENDED,
}


def examine_key_block(text: str, examination: Examination) -> None:
    """Examine a TR-31 block, with or without the scheme letter R of a payShield before it."""
    if text.startswith("R"):
        examination.fact("scheme letter", "R, the payShield's; the API wants the block without it")
        text = text[1:]
    _check_characters(text, examination)
    header, end = _check_header(text, examination)
    _check_length(text, header, examination)
    _check_body(text[end:], header, examination)
    key = _check_mac(text, header, examination)
    attributes = _check_attributes(header, key, examination)
    _check_kbpk_strength(attributes, examination)
    _check_api(text, header, examination)
    check_key_check_value(header, attributes, key, examination)


def _check_characters(text: str, examination: Examination) -> None:
    check = "characters"
    joined = "".join(text.split())
    # A label may hold blanks, so a blank is one too many only if the length says so.
    if joined != text and (
        re.search(r"[\t\r\n]", text) or text[1:5] == f"{len(joined):04}" != f"{len(text):04}"
    ):
        examination.fail(check, causes.WHITE_SPACE, "there is white space inside the block")
    if not (text.isascii() and text.isprintable()):
        examination.fail(check, causes.NOT_ASCII, "there are characters outside printable ASCII")
    if text[:1].islower() and text[:1].upper() in tuple(BlockVersion):
        examination.fail(check, causes.LOWER_CASE, "the header is in lower case")
    examination.passed(check)


def _check_header(text: str, examination: Examination) -> tuple[KeyBlockHeader, int]:
    check = "header"
    try:
        header, end = KeyBlockHeader.read(text)
    except UnsupportedKeyBlockError as error:
        examination.fail(check, causes.VENDOR_VERSION, str(error))
    except MalformedKeyBlockError as error:
        _fail_header(text, error, examination)
    examination.fact("version", f"{header.version}, under {header.version.cipher.name}")
    for name, value in (
        ("key usage", header.usage),
        ("algorithm", header.algorithm),
        ("mode of use", header.mode),
        ("exportability", header.exportability),
        ("optional blocks", ", ".join(block.id for block in header.optional_blocks) or "none"),
    ):
        examination.fact(name, value)
    examination.passed(check)
    return header, end


def _fail_header(text: str, error: MalformedKeyBlockError, examination: Examination) -> NoReturn:
    cause = _FIELDS.get(error.field)
    if error.field.startswith("optional block") and _ends_early(text):
        # A block cut inside its optional blocks fails there first; the length says it was cut.
        cause = causes.CUT
    if cause is None and error.field == "optional block id":
        following = "nothing behind" in str(error)
        repeated = "each id once" in str(error)
        cause = (
            causes.OPTIONAL_AFTER_PADDING
            if following
            else causes.OPTIONAL_REPEATED
            if repeated
            else causes.OPTIONAL_ID
        )
    check = "optional blocks" if error.field.startswith("optional blocks") else "header"
    if "optional block" in error.field and error.field != "optional block count":
        check = "optional blocks"
    examination.fail(check, cause or causes.OPTIONAL_DATA, str(error))


def _ends_early(text: str) -> bool:
    return text[1:5].isdigit() and int(text[1:5]) > len(text)


def _check_length(text: str, header: KeyBlockHeader, examination: Examination) -> None:
    check = "length"
    stated = header.length or 0
    problem = f"the header says {stated} characters, there are {len(text)}"
    if stated != len(text) and int(str(stated), 16) == len(text):
        examination.fail(check, causes.LENGTH_HEX, problem)
    if stated > len(text):
        examination.fail(check, causes.CUT, problem)
    if stated < len(text):
        over = text[stated:]
        if len(over) in (6, 16) and re.fullmatch(r"[0-9A-Fa-f]+", over):
            problem += f"; the last {len(over)} look like a check value"
            examination.fail(check, causes.CHECK_VALUE_BEHIND, problem)
        examination.fail(check, causes.TOO_LONG, problem)
    examination.passed(check)


def _check_body(body: str, header: KeyBlockHeader, examination: Examination) -> None:
    check = "key and MAC"
    version = header.version
    if not re.fullmatch(r"[0-9A-Fa-f]*", body):
        examination.fail(check, causes.BODY_NOT_HEX, "encrypted key and MAC are not hexadecimal")
    characters = len(body) - 2 * version.mac_bytes
    unit = 2 * version.payload_alignment
    if characters <= 0 or characters % unit:
        examination.fail(
            check,
            causes.BODY_SIZE,
            f"{max(characters, 0)} characters of encrypted key before a MAC of"
            f" {2 * version.mac_bytes}: expected a multiple of {unit}",
        )
    examination.passed(check)


def _check_mac(text: str, header: KeyBlockHeader, examination: Examination) -> bytes | None:
    """Open the block if the KBPK is there; return the key."""
    check = "MAC"
    at_hand = examination.at_hand
    if at_hand.kbpk is None:
        examination.unmade(check, "the KBPK (--kbpk-file)")
        return None
    kbpk = at_hand.kbpk.reveal()
    confirmed = _check_kbpk(kbpk, header, examination)
    try:
        unwrapped = KBPK(header.version.cipher, kbpk).unwrap(text)
    except KeyBlockAuthenticationError:
        _fail_mac(text, header, kbpk, examination, confirmed=confirmed)
    except MalformedKeyBlockError as error:
        examination.fail("key length", causes.KEY_LENGTH, str(error))
    examination.passed(check)
    return unwrapped.key


def _check_kbpk(kbpk: bytes, header: KeyBlockHeader, examination: Examination) -> bool:
    """Check that the KBPK can be the one; return whether its check value was confirmed."""
    check = "KBPK"
    cipher = header.version.cipher
    sizes: Sequence[int] = (16, 24) if cipher is Cipher.TDES else (16, 24, 32)
    if len(kbpk) not in sizes:
        cause = causes.KBPK_CIPHER if len(kbpk) == 32 else causes.KBPK_SIZE
        examination.fail(
            check,
            cause,
            f"a KBPK of {len(kbpk)} bytes, and version {header.version} is under"
            f" {cipher.name} with {', '.join(map(str, sizes))}",
        )
    values = shown_values(cipher, kbpk)
    stated = [block.data[2:] for block in header.optional_blocks if block.id == "KP"]
    confirmed = False
    for source, value in (
        *(("the block's KP", value) for value in stated),
        ("the sender", examination.at_hand.kbpk_check_value),
    ):
        if not value:
            continue
        if not any(compare(shown, value) for shown in values.values()):
            examination.fail(
                check,
                causes.KBPK_DIFFERS,
                f"the KBPK at hand has check value {' or '.join(values.values())},"
                f" {source} says {value.upper()}",
            )
        confirmed = True
    if not confirmed:
        examination.unmade("KBPK check value", "the sender's (--kbpk-kcv)")
    examination.passed(check)
    return confirmed


def _fail_mac(
    text: str, header: KeyBlockHeader, kbpk: bytes, examination: Examination, *, confirmed: bool
) -> NoReturn:
    """Say more about a MAC that does not verify, where trying the usual slips tells more."""
    check, problem = "MAC", "the MAC does not verify under the KBPK at hand"
    if header.version.cipher is Cipher.TDES:
        other = kbpk + kbpk[:8] if len(kbpk) == 16 else kbpk[:16]
        if _opens(text, header, other):
            examination.fail(
                check,
                causes.KBPK_FORM,
                f"{problem}, but does under its {len(other)}-byte form",
            )
        if len(kbpk) == 16 and _opens(text, header, kbpk[8:] + kbpk[:8]):
            examination.fail(
                check, causes.KBPK_SWAPPED, f"{problem}, but does with its halves exchanged"
            )
    if confirmed:
        examination.fail(check, causes.ALTERED, f"{problem}, whose check value is the right one")
    examination.fail(check, causes.WRONG_MAC, problem)


def _opens(text: str, header: KeyBlockHeader, kbpk: bytes) -> bool:
    try:
        KBPK(header.version.cipher, kbpk).unwrap(text)
    except KeyBlockAuthenticationError:
        return False
    except MalformedKeyBlockError:
        return True
    return True


def _check_attributes(
    header: KeyBlockHeader, key: bytes | None, examination: Examination
) -> KeyAttributes | None:
    """Check that the service can hold such a key, as far as header and key tell."""
    check = "key attributes"
    usage = KeyUsage.from_code(header.usage)
    if usage is None:
        examination.fail(
            check, causes.USAGE_NOT_IN_API, f"the API has no name for key usage {header.usage}"
        )
    if header.key_version.startswith("c"):
        examination.fail(
            check, causes.COMPONENT, f"key version {header.key_version} marks a key component"
        )
    if header.algorithm.value not in (*_FAMILIES, "H"):
        examination.fail(
            check,
            causes.ALGORITHM_NOT_IN_API,
            f"the API has no symmetric key of algorithm {header.algorithm}",
        )
    if header.algorithm.value == "H" and not any(b.id == "HM" for b in header.optional_blocks):
        examination.fail(
            check, causes.NO_HMAC_HASH, "an HMAC key without an HM block does not say its hash"
        )
    attributes = None
    if key is not None:
        attributes = _read_attributes(header, key, examination)
    else:
        _check_modes(header, usage, examination)
        examination.unmade("key length and strength", "the KBPK (--kbpk-file)")
    examination.passed(check)
    return attributes


def _read_attributes(header: KeyBlockHeader, key: bytes, examination: Examination) -> KeyAttributes:
    check = "key attributes"
    try:
        return attributes_from_header(header, key)
    except KeyMaterialError as error:
        cause = causes.WEAK_TDES if "degenerate" in str(error) else causes.KEY_SIZE
        examination.fail("key", cause, str(error))
    except KeyAttributesError as error:
        text = str(error)
        if " bits has no " in text:
            examination.fail("key", causes.KEY_SIZE, text)
        by_algorithm = text.startswith("KeyAlgorithm:") or " has no KeyAlgorithm" in text
        cause = causes.ALGORITHM_FOR_USAGE if by_algorithm else causes.MODE_FOR_USAGE
        examination.fail(check, cause, text)


def _check_modes(header: KeyBlockHeader, usage: KeyUsage, examination: Examination) -> None:
    """Check usage, algorithm and mode without the key: some size of the family must fit."""
    refusal: KeyAttributesError | None = None
    for algorithm in _FAMILIES.get(header.algorithm.value, ()):
        try:
            check_attributes(
                KeyAttributes(
                    key_usage=usage,
                    key_class=KeyClass.SYMMETRIC_KEY,
                    key_algorithm=algorithm,
                    modes_of_use=ModesOfUse.from_letter(header.mode),
                )
            )
        except KeyAttributesError as error:
            refusal = error
        else:
            return
    if refusal is not None:
        by_algorithm = str(refusal).startswith("KeyAlgorithm:")
        cause = causes.ALGORITHM_FOR_USAGE if by_algorithm else causes.MODE_FOR_USAGE
        examination.fail("key attributes", cause, str(refusal))


def _check_kbpk_strength(attributes: KeyAttributes | None, examination: Examination) -> None:
    check = "strength of the KBPK"
    kbpk = examination.at_hand.kbpk
    if attributes is None or kbpk is None:
        return
    size, aes = len(kbpk.reveal()), dict(examination.facts())["version"].endswith("AES")
    wrapping = KeyAlgorithm.aes_of(size) if aes else KeyAlgorithm.tdes_of(size)
    if wrapping is None:
        return
    try:
        check_strength(attributes.key_algorithm, method=WrappingMethod.TR31, wrapping=wrapping)
    except KeyStrengthError as error:
        examination.fail(check, causes.WEAK_KBPK, str(error))
    examination.passed(check)


def _check_api(text: str, header: KeyBlockHeader, examination: Examination) -> None:
    check = "rules of the API for blocks"
    if header.version is BlockVersion.E:
        examination.fail(check, causes.VERSION_E, "the API imports versions A, B, C and D")
    if header.context != "0":
        examination.fail(
            check, causes.CONTEXT_NOT_IN_API, f"the API takes key context 0, not {header.context}"
        )
    if not _API_CHARACTERS.fullmatch(text):
        examination.fail(
            check,
            causes.CHARACTERS_NOT_IN_API,
            "the API takes blocks of letters and digits only; an optional block holds others",
        )
    if len(text) not in _API_SIZES:
        examination.fail(
            check,
            causes.SIZE_NOT_IN_API,
            f"the API takes {_API_SIZES.start} to {_API_SIZES.stop - 1} characters,"
            f" not {len(text)}",
        )
    examination.passed(check)
