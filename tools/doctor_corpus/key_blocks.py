"""Broken TR-31 blocks and payShield keys."""

from __future__ import annotations

import random
from dataclasses import replace

from doctor_corpus.case import Case, case
from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.keyblock import (
    KBPK,
    Algorithm,
    BlockVersion,
    Exportability,
    KeyBlockHeader,
    ModeOfUse,
    OptionalBlock,
)

AES_KBPK = bytes.fromhex("88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6")
TDES_KBPK = bytes.fromhex("89E88CF7931444F334BD7547FC3F380C")
KEY_2 = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")  # check value 08D7B4
KEY_3 = bytes.fromhex("0123456789ABCDEFFEDCBA98765432108899AABBCCDDEEFF")
AES_KEY = bytes.fromhex("3F419E1CB7079442AA37474C2EFBF8B8")
ABOUT = "TR-31 blocks and payShield keys, each broken in one way"

HEADER = KeyBlockHeader(
    version=BlockVersion.D,
    usage="P0",
    algorithm=Algorithm.TDES,
    mode=ModeOfUse.BOTH_DIRECTIONS,
    exportability=Exportability.EXPORTABLE,
)


def _wrap(header: KeyBlockHeader, key: bytes, kbpk: bytes) -> str:
    cipher = header.version.cipher
    return KBPK(cipher, kbpk).wrap(
        header, key, random_bytes=random.Random(31).randbytes, allow_legacy=True
    )


def cases() -> list[Case]:
    """Return the cases."""
    good = _wrap(HEADER, KEY_2, AES_KBPK)
    aes, tdes = AES_KBPK.hex(), TDES_KBPK.hex()
    b_header = replace(HEADER, version=BlockVersion.B)
    under_tdes = _wrap(b_header, KEY_2, TDES_KBPK)

    def labelled(*blocks: OptionalBlock) -> str:
        return _wrap(replace(HEADER, optional_blocks=blocks), KEY_2, AES_KBPK)

    def of(key: bytes = KEY_2, *, kbpk: bytes = AES_KBPK, **members: object) -> str:
        return _wrap(replace(HEADER, **members), key, kbpk)  # type: ignore[arg-type]

    def put(text: str, offset: int, new: str) -> str:
        return text[:offset] + new + text[offset + len(new) :]

    with_ksn = labelled(OptionalBlock("KS", "FFFF9876543210E00000"))
    with_kp = labelled(OptionalBlock("KP", "01ABCDEF"))
    return [
        case("untouched, with all at hand", None, good, kbpk=aes, check_value="08D7B4"),
        case("untouched, nothing at hand", None, good),
        case("with the R of a payShield", None, "R" + good, kbpk=aes),
        case("a line break inside", "block-white-space", good[:60] + "\n" + good[60:]),
        case(
            "a dash of a word processor", "block-characters", (good[:40] + "–" + good[41:]).encode()
        ),
        case("all in lower case", "block-lower-case", good.lower()),
        case("version X", "block-version", "X" + good[1:]),
        case(
            "an S block without its S",
            "block-vendor",
            "10096B0AN00S000156B82A787599FA184E25CC67CD24EC67E213A6F95808FF9630E5133D4441E445BCD6A"
            "901A898186F",
        ),
        case("letters in the length", "block-length-field", put(good, 4, "O")),
        case("the last ten characters lost", "block-cut", good[:-10]),
        case("something behind", "block-too-long", good + ";END"),
        case("the check value behind", "block-check-value-behind", good + "08D7B4"),
        case("lower-case usage", "block-usage", put(good, 5, "p0")),
        case("algorithm Q", "block-algorithm", put(good, 7, "Q")),
        case("mode Z", "block-mode", put(good, 8, "Z")),
        case("key version with a dash", "block-key-version", put(good, 9, "-1")),
        case("exportability X", "block-exportability", put(good, 11, "X")),
        case("letters in the count", "block-optional-count", put(good, 12, "0A")),
        case("key context 7", "block-context", put(good, 14, "7")),
        case("an LMK identifier in the header", "block-reserved", put(good, 14, "01")),
        case(
            "a label longer than its length",
            "block-optional-id",
            put(put(labelled(OptionalBlock("LB", "AB-CDEFGHIJK")), 12, "02"), 18, "06"),
        ),
        case("a blank inside", "block-white-space", good[:60] + " " + good[60:]),
        case("KS longer than the block", "block-optional-length", put(with_ksn, 18, "FF")),
        case(
            "a length of length of 00",
            "block-optional-extended-length",
            put(put(with_ksn, 18, "00"), 20, "00"),
        ),
        case("KS that is not hex", "block-optional-data", put(with_ksn, 20, "XY")),
        case(
            "KS twice",
            "block-optional-repeated",
            "D0160P0TB00E0200" + 2 * "KS18FFFF9876543210E00000" + good[16:],
        ),
        case(
            "KC behind PB",
            "block-optional-order",
            "D0128P0TB00E0200" + "PB080000" + "LB080000" + good[16:],
        ),
        case(
            "no padding behind KS",
            "block-optional-padding",
            "D0136P0TB00E0100" + "KS18FFFF9876543210E00000" + good[16:],
        ),
        case("O for 0 in the key", "block-not-hex", good[:50] + "O" + good[51:]),
        case("half a cipher block", "block-size", "D0096P0TB00E0000" + good[32:]),
        case("a component as KBPK", "kbpk-size", under_tdes, kbpk=tdes[:16]),
        case("an AES key for version B", "kbpk-cipher", under_tdes, kbpk=aes),
        case("the sender's KBPK is another", "kbpk", good, kbpk=aes, kbpk_check_value="ABCDEF"),
        case("KP names another KBPK", "kbpk", with_kp, kbpk=aes),
        case("the KBPK as K1K2K1", "kbpk-form", under_tdes, kbpk=tdes + tdes[:16]),
        case("the KBPK's halves exchanged", "kbpk-halves", under_tdes, kbpk=tdes[16:] + tdes[:16]),
        case(
            "an edited mode, KBPK confirmed",
            "block-altered",
            put(good, 8, "E"),
            kbpk=aes,
            kbpk_check_value=_check_value(AES_KBPK),
        ),
        case("another KBPK, nothing confirmed", "block-mac", good, kbpk="11" * 32),
        case("a usage the API has not", "usage-not-in-api", of(usage="B1", mode=ModeOfUse.DERIVE)),
        case("a component", "key-component", of(key_version="c1"), kbpk=aes),
        case("single DES", "algorithm-not-in-api", of(KEY_2[:8], algorithm=Algorithm.DES)),
        case(
            "HMAC without its hash",
            "hmac-hash",
            of(
                bytes(range(32)),
                usage="M7",
                algorithm=Algorithm.HMAC,
                mode=ModeOfUse.GENERATE_AND_VERIFY,
            ),
        ),
        case("a BDK that encrypts", "mode-for-usage", of(usage="B0")),
        case(
            "a TDES MAC usage with an AES key",
            "algorithm-for-usage",
            of(AES_KEY, usage="M3", algorithm=Algorithm.AES, mode=ModeOfUse.GENERATE_AND_VERIFY),
        ),
        case("equal halves", "degenerate-tdes-key", of(2 * KEY_2[:8]), kbpk=aes),
        case(
            "AES of 20 bytes", "key-size", of(bytes(range(20)), algorithm=Algorithm.AES), kbpk=aes
        ),
        case("three keys under two", "weak-kbpk", _wrap(b_header, KEY_3, TDES_KBPK), kbpk=tdes),
        case("version E", "version-not-in-api", of(version=BlockVersion.E), kbpk=aes),
        case("for exchange only", "context-not-in-api", of(context="2"), kbpk=aes),
        case(
            "a label with blanks",
            "characters-not-in-api",
            labelled(OptionalBlock("LB", "key of branch 7")),
            kbpk=aes,
        ),
        case(
            "KC of another key",
            "check-value-block",
            labelled(OptionalBlock("KC", "00ABCDEF")),
            kbpk=aes,
        ),
        case("the check value of another key", "check-value", good, kbpk=aes, check_value="D2B91C"),
        case(
            "the check value by CMAC",
            "check-value-method",
            good,
            kbpk=aes,
            check_value=_check_value(KEY_2, Cipher.TDES),
        ),
        case(
            "a check value of three digits", "check-value-size", good, kbpk=aes, check_value="08D"
        ),
        case("a key under a variant LMK", "lmk-key", "U42BBE7D9A0A55D0EBDE055DE2791ACCD"),
        case("a variant key cut", "lmk-key-size", "U42BBE7D9A0A55D0EBDE055DE2791AC"),
        case(
            "an S block cut",
            "s-block-length",
            "S00072K0TB00E0001FB8A4952BFE42179AB8D79A81943DF1FAD67CF015117EE8528E799",
        ),
        case(
            "an S block with algorithm Q",
            "s-block-header",
            "S00072K0QB00E0001FB8A4952BFE42179AB8D79A81943DF1FAD67CF015117EE8528E79900",
        ),
        case(
            "an S block that may not leave",
            "s-block-not-exportable",
            "S00072P0TB00N0001FB8A4952BFE42179AB8D79A81943DF1FAD67CF015117EE8528E79900",
        ),
        case("nothing at all", "empty", "  \n"),
        case("a letter to the bank", "unknown-input", "Dear Sir, the key is in the envelope."),
    ]


def _check_value(key: bytes, cipher: Cipher = Cipher.AES) -> str:
    from keyferry.crypto.check_values import cmac_kcv

    return cmac_kcv(cipher, key).hex().upper()
