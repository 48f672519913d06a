"""Answers of HSMs and AKBs, written out by hand or from the public vectors."""

from __future__ import annotations

from doctor_corpus.case import Case, case

ABOUT = "HSM answers and Atalla key blocks"
MFK = "0123456789ABCDEF8080808080808080FEDCBA9876543210"
AKB = "1PUNE000,B17A04DCF500DD5F7474C10ACC68D47AC2D2A4CD7948C008,4FFC0BC8BCC1980E"


def cases() -> list[Case]:
    """Return the cases."""
    return [
        case("payShield: good, framed", None, bytes.fromhex("0008") + b"0000" + b"B300"),
        case("payShield: 26, framed", "payshield-26", bytes.fromhex("0008") + b"0000A926"),
        case("payShield: A4, framed, in hex", "payshield-A4", "0008303030304137" + "4134"),
        case("payShield: 68 without length", "payshield-68", "0000B968"),
        case("payShield: 17 bare", "payshield-17", "IH17"),
        case("payShield: 13 with header HEAD", "payshield-13", "HEADA113"),
        case("payShield: 05 of BU", "payshield-05", "0000BV05", command="BU"),
        case(
            "payShield: no header", "payshield-10", bytes.fromhex("0004") + b"A710", header_bytes=0
        ),
        case("payShield: cut", "frame-length", bytes.fromhex("0021") + b"0000ND00"),
        case(
            "payShield: answer to another command", "frame-other-command", "0000A926", command="B8"
        ),
        case("payShield: no response code", "frame-malformed", bytes.fromhex("0004") + b"????"),
        case("Futurex: good", None, "[AOECHO;AG1;BBY;]"),
        case("Futurex: 34", "futurex-34", "[AOERRO;AM34;ANAO;BBINVALID TOKEN;]"),
        case(
            "Futurex: a number that is not public",
            "futurex-77",
            "[AOERRO;AM77;ANBG;BBSOMETHING;AG0001;]",
        ),
        case("Futurex: 905", "futurex-905", "[AOERRO;AM905;ANAP;BBKEY USAGE VIOLATION;]"),
        case("Futurex: not verified", "futurex-N", "[AOVCVV;BBN;]"),
        case("Futurex: cut", "frame-malformed", "[AOERRO;AM34;AN"),
        case("Atalla: good", None, "<21A#B0096C0TN00E0000#08D7#>"),
        case("Atalla: echo", None, "<00#000081#This is a test.#>"),
        case("Atalla: 0607", "atalla-0607", "<00#060785#>"),
        case("Atalla: 0607 with detail", "atalla-0607", "<00#060785#0607##>"),
        case("Atalla: key usage in field 4", "atalla-06", "<00#060485#>"),
        case("Atalla: header mismatch", "atalla-73", "<00#730180#>"),
        case("Atalla: unknown command", "atalla-22", "<00#220080#>"),
        case("Atalla: detailed", "atalla-03", "<00#030080#0201##>"),
        case("Atalla: cut", "frame-malformed", "<00#0607"),
        case("Atalla: five digits", "frame-malformed", "<00#06078#>"),
        case("AKB: good", None, AKB, kbpk=MFK, check_value="08D7B4"),
        case("AKB: good, nothing at hand", None, AKB),
        case("AKB: a comma lost", "akb-parts", AKB[::-1].replace(",", "", 1)[::-1]),
        case("AKB: header of 7", "akb-header", AKB[:4] + AKB[5:]),
        case("AKB: version 2", "akb-version", "2" + AKB[1:]),
        case("AKB: usage Q", "akb-usage", "1Q" + AKB[2:]),
        case("AKB: mode Q", "akb-mode", AKB[:3] + "Q" + AKB[4:]),
        case("AKB: exportability X", "akb-exportability", AKB[:4] + "X" + AKB[5:]),
        case("AKB: reserved 1", "akb-reserved", AKB[:5] + "1" + AKB[6:]),
        case("AKB: a dash at byte 6", "akb-letters", AKB[:6] + "-" + AKB[7:]),
        case("AKB: O for 0 in the key field", "akb-key-field", AKB.replace("B17A04", "B17AO4")),
        case("AKB: 16 digits of key field", "akb-key-field-size", AKB[:9] + AKB[9:25] + AKB[57:]),
        case("AKB: MAC of 14", "akb-mac-form", AKB[:-2]),
        case(
            "AKB: another MFK",
            "akb-mac",
            AKB,
            kbpk="2ABC3DEF4567018998107645FED3CBA20123456789ABCDEF",
        ),
        case("AKB: an MFK of 8 bytes", "mfk-size", AKB, kbpk=MFK[:16]),
        case("AKB: the HSM shows another MFK", "mfk", AKB, kbpk=MFK, kbpk_check_value="057A"),
        case(
            "AKB: made exportable by hand",
            "akb-altered",
            AKB.replace("1PUNE", "1PUNS"),
            kbpk=MFK,
            kbpk_check_value=_digits(),
        ),
        case(
            "AKB: the check value of another key", "check-value", AKB, kbpk=MFK, check_value="D2B9"
        ),
        case(
            "AKB: a public key cut",
            "akb-public-key",
            "1kREE000,0003010001010" + "0" + "AB" * 100 + ",0123456789ABCDEF",
        ),
    ]


def _digits() -> str:
    from keyferry.crypto.check_values import tdes_kcv

    return tdes_kcv(bytes.fromhex(MFK)).hex().upper()
