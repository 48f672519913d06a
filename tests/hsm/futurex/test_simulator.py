"""What the simulated device does and refuses, token by token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyferry.crypto.ciphers import Cipher
from keyferry.crypto.kdf import KeyDerivationFunction, derive_key
from keyferry.crypto.keyblock import KBPK, KeyBlockHeader
from keyferry.hsm.futurex.simulator import Device, fresh_state
from keyferry.hsm.futurex.simulator.mfk import variant

PAN, PAN_DIGITS, PARTIAL = "4123456789012345", "345678901234", "45678901234"
CARD = f"AV{PAN};FA2712;FB101;"


def refused(answer: dict[str, str]) -> tuple[str, str]:
    """Return number and tag of an error frame."""
    assert answer["AO"] == "ERRO", answer
    return answer["AM"], answer["AN"]


def key(ask, usage: str = "K1", mode: str = "B", kind: str = "3", export: str = "E") -> str:
    """Generate a key under the PMK."""
    letter = "T" if kind in "23" else "A"
    block: str = ask(f"AOGPGS;FS6;CT{kind};AKD0000{usage}{letter}{mode}00{export}0000;")["BG"]
    return block


# --- keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "header", "length"),
    [
        ("2", "P0TB", 112),
        ("3", "B0TX", 112),
        ("4", "P0AB", 112),
        ("5", "K1AB", 112),
        ("6", "K1AB", 144),
    ],
)
def test_generated_keys(device: Device, ask, kind: str, header: str, length: int) -> None:
    """A key comes back in a block of the published length, which the PMK opens."""
    answer = ask(f"AOGPGS;FS6;CT{kind};AKD0000{header}00E0000;AG77;")
    block = answer["BG"]
    assert block.startswith(f"D{length:04d}{header}00E0000")
    assert len(block) == length
    assert answer["AG"] == "77"
    assert "BB" not in answer
    assert len(answer["AE"]) == 6
    opened = device.keys.pmk.unwrap(block)
    assert len(opened.key) == {"2": 16, "3": 24, "4": 16, "5": 24, "6": 32}[kind]


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        ("AOGPGS;FS6;CT7;AKD0000K1TB00E0000;", ("34", "CT")),
        ("AOGPGS;FS3;CT3;AKD0000K1TB00E0000;", ("34", "FS")),
        ("AOGPGS;FS6;CT6;AKD0000K1TB00E0000;", ("34", "CT")),
        ("AOGPGS;FS6;CT3;AKB0000K1TB00E0000;", ("34", "AK")),
        ("AOGPGS;FS6;CT3;AKD0000ZZTB00E0000;", ("34", "AK")),
        ("AOGPGS;FS6;CT3;AKD0000K1TQ00E0000;", ("34", "AK")),
        ("AOGPGS;FS6;CT3;AKD0000K1TB00Q0000;", ("34", "AK")),
        ("AOGPGS;FS6;CT3;AKD0000K1TB00E00;", ("34", "AK")),
        ("AOGPGS;FS6;CT3;", ("901", "AK")),
        ("AOGPGS;FS6;AKD0000K1TB00E0000;", ("901", "CT")),
        ("AOGPGS;FS1;CT6;AKB0000K1AB00E0000;", ("34", "AK")),
        ("AOGRSA;RB1024;CZG;BJ6;RA10001;KB1;KF1;SP1;", ("34", "RB")),
        ("AOGRSA;RB2048;CZG;BJ6;RA3;KB1;KF1;SP1;", ("34", "RA")),
        ("AOGECC;BJ6;RA1;KB1;CZX;", ("34", "RA")),
        ("AONOPE;", ("34", "AO")),
        ("AOGMAC;", ("34", "AO")),
        ("AOecho;", ("34", "AO")),
        ("ECHO;", ("34", "AO")),
        ("AOECHO", ("34", "AO")),
        (";", ("34", "AO")),
    ],
)
def test_refusals(ask, request_text: str, expected: tuple[str, str]) -> None:
    """Each mistake has its number and names its token."""
    answer = ask(request_text)
    assert refused(answer) == expected
    assert answer["BB"] == {"34": "INVALID TOKEN", "901": "MISSING TOKEN"}[expected[0]]


def test_the_public_error_frame() -> None:
    """An unknown command gets the published answer, byte for byte."""
    assert Device().answer(b"AOXXXX;") == b"AOERRO;AM34;ANAO;BBINVALID TOKEN;"
    assert Device().answer(b"AOXXXX;AG9;") == b"AOERRO;AM34;ANAO;BBINVALID TOKEN;AG9;"


def test_check_digits_are_a_setting() -> None:
    """The other public traces show four digits."""
    state = fresh_state()
    device = Device(state, settings=state.settings.changed(["check_digits=4"]))
    answer = device.answer(b"AOGPGS;FS6;CT3;AKD0000K1TB00E0000;")
    assert isinstance(answer, bytes)
    assert len(answer.split(b";AE")[1]) == 5


def test_without_a_major_key(ask) -> None:
    """FS1 needs an MFK, which a fresh device does not have."""
    answer = Device().answer(b"AOGPGS;CT3;FS1;")
    assert answer == b"AOERRO;AM903;ANFS;BBMAJOR KEY NOT LOADED;"
    assert len(ask("AOGPGS;CT3;FS1;")["BG"]) == 48


def test_disabled_commands() -> None:
    """Clear PINs are off from the start; RSA can be switched off."""
    assert Device().answer(b"AOCPIN;") == b"AOERRO;AM902;ANAO;BBCOMMAND DISABLED;"
    state = fresh_state()
    device = Device(state, settings=state.settings.changed(["rsa=no"]))
    answer = device.answer(b"AOGRSA;RB2048;CZG;BJ6;RA10001;KB1;KF1;SP1;")
    assert answer == b"AOERRO;AM902;ANAO;BBCOMMAND DISABLED;"


# --- transfer -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kek_kind", "expected"), [("3", "B0096B0TX00E0000"), ("6", "D0112B0TX")])
def test_export_and_import(ask, kek_kind: str, expected: str) -> None:
    """The block under the KEK has its version and length, and comes back as the same key."""
    kek = key(ask, kind=kek_kind)
    made = ask("AOGPGS;FS6;CT3;AKD0000B0TX00E0000;")
    out = ask(f"AOTWKA;FS6;AP{kek};BG{made['BG']};OFT;")
    assert out["BH"].startswith(expected)
    assert out["AE"] == made["AE"]
    back = ask(f"AOTWKM;FS6;AP{kek};BH{out['BH']};")
    assert back["AE"] == made["AE"]
    assert back["BG"][:16] == made["BG"][:16]


def test_export_rules(ask) -> None:
    """Usage, mode, exportability and strength each refuse, naming the key that is wrong."""
    kek, weak = key(ask), key(ask, kind="2")
    working = key(ask, "P0")
    cases = {
        ("905", "AP"): f"AP{key(ask, 'P0')};BG{working};",
        ("905", "BG"): f"AP{kek};BG{key(ask, 'P0', export='N')};",
        ("904", "AP"): f"AP{kek[:-1]}{'0' if kek[-1] != '0' else '1'};BG{working};",
        ("34", "BG"): f"AP{kek};BG{working[:-1]};",
    }
    for expected, tokens in cases.items():
        assert refused(ask(f"AOTWKA;FS6;{tokens}OFT;")) == expected
    assert refused(ask(f"AOTWKA;FS6;AP{weak};BG{working};OFT;")) == ("905", "AP")
    assert refused(ask(f"AOTWKA;FS6;AP{key(ask, mode='D')};BG{working};OFT;")) == ("905", "AP")
    assert refused(ask(f"AOTWKA;FS6;AP{kek};BG{key(ask, kind='6')};OFT;")) == ("905", "AP")


def test_without_pci_hsm_mode_a_weak_kek_serves(device: Device, ask) -> None:
    """Strength is a rule of the mode, not of the command."""
    weak, strong = key(ask, kind="2"), key(ask, "P0", kind="3")
    lenient = Device(device.state, settings=device.settings.changed(["pci_hsm=no"]))
    answer = lenient.answer(f"AOTWKA;FS6;AP{weak};BG{strong};OFT;".encode())
    assert isinstance(answer, bytes)
    assert answer.startswith(b"AOTWKA;BHB0096P0TB")


def test_another_device_does_not_open_a_key(ask) -> None:
    """A block of one PMK is refused by another device."""
    block = key(ask)
    answer = Device().answer(f"AOTWKA;FS6;AP{block};BG{block};OFT;".encode())
    assert answer == b"AOERRO;AM904;ANAP;BBKEY AUTHENTICATION FAILED;"


def test_slots(ask) -> None:
    """A key may be named by its slot; an empty slot is an invalid token."""
    kek = key(ask)
    assert ask(f"AOTWKA;FS6;AP{kek};BGBD1;OFT;")["BH"].startswith("B0096P0TB")
    assert refused(ask(f"AOTWKA;FS6;AP{kek};BGBD99;OFT;")) == ("34", "BG")


# --- cryptograms --------------------------------------------------------------------------------


def test_modifiers() -> None:
    """Modifier m goes as m × 8 into the first byte of each part."""
    assert variant(bytes(16), 4).hex() == "2000000000000000" * 2
    assert variant(bytes(24), 1).hex() == "0800000000000000" * 3


def test_cryptograms_travel(ask) -> None:
    """A working key under MFK and KEK is the same key on both ways, modifier on the KEK or not."""
    kek = ask("AOGPGS;CT2;FS1;")["BG"]
    made = ask(f"AOGWKS;AS1;AP{kek};FS2;")
    again = ask(f"AOTWKS;AS1;AP{kek};BH{made['BH']};")
    assert (again["BG"], again["AE"]) == (made["BG"], made["AE"])
    out = ask(f"AOTWKA;AS1;AP{kek};BG{made['BG']};")
    assert (out["BH"], out["AE"]) == (made["BH"], made["AE"])
    bare = ask(f"AOTWKM;AS0;AP{kek};BH{made['BH']};")
    assert bare["AE"] != made["AE"]
    alone = ask("AOGWKS;AS1;AP00000000000000000000000000000000;FS2;")
    assert alone["FS"] == "2"
    assert set(alone["BH"]) == {"0"}


def test_a_cryptogram_becomes_a_block(ask) -> None:
    """GKBL gives a key of the MFK a header under either major key; it stays the same key."""
    made = ask("AOGWKS;AS1;AP0;FS2;")
    for version, length in (("B", 96), ("D", 112)):
        answer = ask(f"AOGKBL;AS1;BG{made['BG']};AK{version}0000P0TB00E0000;")
        assert answer["AE"] == made["AE"]
        assert answer["BB"] == answer["BG"]
        assert answer["BG"].startswith(f"{version}{length:04d}P0TB00E0000")
    assert refused(ask(f"AOGKBL;AS1;BG{made['BG']};AKD0000P0AB00E0000;"))[1] in ("AK", "BG")


# --- cards and PINs -----------------------------------------------------------------------------


def test_card_values(ask) -> None:
    """What the device makes it verifies; another value, and another key, it does not."""
    cvk = key(ask, "C0", "C", "2")
    made = ask(f"AOGCVV;{CARD}CA{cvk};FT;")
    assert len(made["FC"]) == len(made["FT"]) == 3
    assert ask(f"AOVCVV;{CARD}CA{cvk};FC{made['FC']};")["BB"] == "Y"
    assert ask(f"AOVCVC;{CARD}CA{cvk};FT{made['FT']};")["BB"] == "Y"
    wrong = f"{(int(made['FC']) + 1) % 1000:03d}"
    assert ask(f"AOVCVV;{CARD}CA{cvk};FC{wrong};")["BB"] == "N"
    assert refused(ask(f"AOGCVV;{CARD}CA{key(ask, 'P0', 'B', '2')};")) == ("905", "CA")
    assert refused(ask(f"AOGCVV;{CARD}CA{key(ask, 'C0', 'V', '2')};")) == ("905", "CA")
    assert refused(ask(f"AOVCVV;{CARD}CA{cvk};FC111;FT111;")) == ("34", "FC")
    assert refused(ask(f"AOVCVV;{CARD}CA{cvk};")) == ("901", "FC")


def test_card_value_of_a_published_key(device: Device, ask) -> None:
    """The public CVV vector: key 0123…3210, PAN 4123456789012345, 8701, 101 gives 561."""
    material = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    header = KeyBlockHeader.parse("D0000C0TC00E0000")
    block = device.keys.pmk.wrap(header, material, masked_bytes=24)
    assert ask(f"AOGCVV;AV4123456789012345;CA{block};FA8701;FB101;")["FC"] == "561"
    halves = [device.keys.mfk("CA").encrypt(half, 3) for half in (material[:8], material[8:])]
    answer = ask(f"AOGCVV;AV4123456789012345;CA{halves[0]};CB{halves[1]};FA8701;FB101;FT;")
    assert answer["FC"] == "561"


def test_pins(ask) -> None:
    """A PIN made by the device translates, verifies, and gives its PVV under its keys."""
    pvk = key(ask, "V2", "C", "2")
    tail = f"CA{pvk};BY1;BZ{PARTIAL};AK{PAN_DIGITS};"
    made = ask(f"AOGPIN;BF1;BTBD1;{tail}CM4;")
    moved = ask(f"AOTPIN;AW1;AXBD1;BTBD2;AL{made['AL']};AK{PAN_DIGITS};")
    assert moved["BB"] == "Y"
    verify = f"AOVPIN;BF1;AW1;AXBD2;{tail}AL{moved['AL']};"
    assert ask(f"{verify}BX{made['BX']};")["BB"] == "Y"
    wrong = f"{(int(made['BX']) + 1) % 10000:04d}"
    assert ask(f"{verify}BX{wrong};")["BB"] == "N"
    clear = ask(f"AOEPIN;AXBD1;AF1111;AW1;AK{PAN_DIGITS};")["AL"]
    assert ask(f"AOGOFF;BF1;AL{clear};AXBD1;{tail}")["BB"] == "W"
    fine = ask(f"AOEPIN;AXBD1;AF1234;AW1;AK{PAN_DIGITS};")["AL"]
    assert len(ask(f"AOGOFF;BF1;AL{fine};AXBD1;{tail}")["BX"]) == 4
    garbage = ask(f"AOTPIN;AW1;AXBD1;BTBD2;AL{'00' * 8};AK{PAN_DIGITS};")
    assert garbage["BB"] == "S"
    assert "AL" not in garbage


def test_clear_pins_need_more_than_the_command(ask) -> None:
    """In PCI-HSM mode CPIN is refused even where it is enabled."""
    answer = ask(f"AOCPIN;AW1;AL{'00' * 8};AXBD1;AK{PAN_DIGITS};")
    assert refused(answer) == ("905", "AX")


# --- key pairs and certificates -----------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(ask) -> dict[str, str]:
    """An authority inside the device: private key, certificate, TPK."""
    pair = ask("AOGECC;BJ6;RA2;KB1;CZG;")
    day = f"{datetime.now(UTC) - timedelta(hours=1):%Y%m%d}"
    certificate = ask(
        f"AOASGC;RY3;BF{day};XE1122;KUdigitalSignature,nonRepudiation,keyCertSign;AL6;AD1;"
        f"BCCA:TRUE;RTKDH CA1;RSSelfSignedCertificate;SG10101;FS6;RC{pair['RC']};"
    )["RV"]
    tpk = ask(f"AOAVPC;FS6;RY3;KB1;CZV;RV{certificate};")["RD"]
    return {"RC": pair["RC"], "RV": certificate, "TPK": tpk}


def issue(ask, authority: dict[str, str], private_key: str, **changes: str) -> dict[str, str]:
    """Have the authority certify a key; return the answer of ASSR."""
    csr = ask(
        f"AOASYR;RG6;KUcritical,digitalSignature;RTPublicKey Cert;LA10201;FS6;RC{private_key};"
    )["RU"]
    day = f"{datetime.now(UTC) - timedelta(hours=1):%Y%m%d}"
    tokens = {
        "RY": "3",
        "BF": day,
        "XE": "1122",
        "AL": "6",
        "KU": "digitalSignature,nonRepudiation",
        "RU": csr,
        "SG": "20301",
        "FS": "6",
        "RH": authority["RV"],
        "RC": authority["RC"],
        "RG": "1",
        **changes,
    }
    answer: dict[str, str] = ask(
        "AOASSR;" + "".join(f"{tag}{value};" for tag, value in tokens.items())
    )
    return answer


def test_both_sides_of_an_agreement(device: Device, ask, authority) -> None:
    """Two pairs certified and trusted derive one key, which is the KDF's of their secret."""
    ours, theirs = (ask("AOGECC;BJ6;RA2;KB1;CZX;") for _ in range(2))
    tpks = []
    for pair in (ours, theirs):
        leaf = issue(ask, authority, pair["RC"])["RV"]
        tpks.append(ask(f"AOAVPC;FS6;RY3;KB1;CZX;SA{authority['TPK']};RV{leaf};")["RD"])
    derived = [
        device.keys.pmk.unwrap(
            ask(f"AOSDDH;FS6;AS0;CT6;RG4;AK0123456789;KM0;RC{own};RD{peer};")["BG"]
        )
        for own, peer in ((ours["RC"], tpks[1]), (theirs["RC"], tpks[0]))
    ]
    assert derived[0].key == derived[1].key
    assert derived[0].header.encode(length=0) == "D0000K1AB00N0000"
    # A key that signs does not agree, and a key that agrees does not certify.
    signer = ask("AOGECC;BJ6;RA2;KB1;CZG;")
    answer = ask(f"AOSDDH;FS6;AS0;CT6;RG4;AK01;KM0;RC{signer['RC']};RD{tpks[1]};")
    assert refused(answer) == ("905", "RC")
    assert refused(issue(ask, {**authority, "RC": ours["RC"]}, ours["RC"])) == ("905", "RC")
    answer = ask(f"AOSDDH;FS6;AS0;CT6;RG4;AK01;KM0;RC{ours['RC']};RD{authority['TPK']};")
    assert refused(answer) == ("905", "RD")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            KeyDerivationFunction.NIST_SP800,
            "C0761E73D0AB5655AEAF534CDA8E669DE327FD04EBE477F35A5AD4715DE44742",
        ),
        (
            KeyDerivationFunction.ANSI_X963,
            "CA04B3EAD33083D9552A9510E815E27C9B846308D5E176071319BB2F8257CFA0",
        ),
    ],
)
def test_derivation_vector(function: KeyDerivationFunction, expected: str) -> None:
    """The vector computed with the facts: Z 00…41, info 0123456789, SHA-256."""
    info = bytes.fromhex("0123456789")
    key = derive_key(
        bytes(range(0x42)), kdf=function, hash_name="SHA256", shared_info=info, size=32
    )
    assert key.hex().upper() == expected


def test_certificates_are_verified(ask, authority) -> None:
    """Another authority, a changed TPK and a leaf as root are each refused in their own words."""
    pair = ask("AOGECC;BJ6;RA2;KB1;CZX;")
    leaf = issue(ask, authority, pair["RC"])["RV"]
    other = ask("AOGECC;BJ6;RA2;KB1;CZG;")
    day = f"{datetime.now(UTC) - timedelta(hours=1):%Y%m%d}"
    stranger = ask(
        f"AOASGC;RY3;BF{day};XE10;KUkeyCertSign;AL6;AD1;BCCA:TRUE;RTKDH CA1;"
        f"RSSelfSignedCertificate;SG1;FS6;RC{other['RC']};"
    )["RV"]
    tpk = ask(f"AOAVPC;FS6;RY3;KB1;CZV;RV{stranger};")["RD"]
    assert refused(ask(f"AOAVPC;FS6;RY3;KB1;CZX;SA{tpk};RV{leaf};")) == ("906", "RV")
    assert refused(ask(f"AOAVPC;FS6;RY3;KB1;CZV;RV{leaf};")) == ("906", "RV")
    assert refused(ask(f"AOAVPC;FS6;RY3;KB1;CZX;RV{stranger};")) == ("34", "CZ")
    changed = authority["TPK"][:-1] + ("0" if authority["TPK"][-1] != "0" else "1")
    assert refused(ask(f"AOAVPC;FS6;RY3;KB1;CZX;SA{changed};RV{leaf};")) == ("904", "SA")
    assert refused(ask("AOAVPC;FS6;RY3;KB1;CZV;RV3000;")) == ("906", "RV")
    mismatched = issue(ask, {**authority, "RC": other["RC"]}, pair["RC"])
    assert refused(mismatched) == ("906", "RH")


def test_expired_certificates(ask, authority) -> None:
    """A leaf whose days are over is refused; one of tomorrow is not, since clocks differ."""
    pair = ask("AOGECC;BJ6;RA2;KB1;CZX;")
    old = issue(ask, authority, pair["RC"], BF="20200101", XE="10")["RV"]
    trust = f"AOAVPC;FS6;RY3;KB1;CZX;SA{authority['TPK']};RV"
    assert refused(ask(f"{trust}{old};")) == ("906", "RV")
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y%m%d}"
    early = issue(ask, authority, pair["RC"], BF=tomorrow, XE="10")["RV"]
    assert ask(f"{trust}{early};")["AO"] == "AVPC"
    assert refused(issue(ask, authority, pair["RC"], BF="20251331")) == ("34", "BF")
    assert refused(issue(ask, authority, pair["RC"], KU="everything")) == ("34", "KU")
    assert refused(issue(ask, authority, pair["RC"], SG="0")) == ("34", "SG")


def test_keys_do_not_change_places(ask) -> None:
    """A private key is no working key, and a working key is no private key."""
    pair, working = ask("AOGECC;BJ6;RA2;KB1;CZX;"), key(ask, "P0")
    assert refused(ask(f"AOTWKA;FS6;AP{key(ask)};BG{pair['RC']};OFT;")) == ("905", "BG")
    answer = ask(f"AOASYR;RG6;KUdigitalSignature;RTx;LA1;FS6;RC{working};")
    assert refused(answer) == ("905", "RC")


def test_block_lengths_hide_two_key_tdes(ask) -> None:
    """Two- and three-key TDES are padded alike under a KEK that opens outside."""
    kek = bytes(range(24))
    kbpk = KBPK(Cipher.TDES, kek)
    header = KeyBlockHeader.parse("B0000P0TB00E0000")
    assert len(kbpk.wrap(header, bytes(16), masked_bytes=24)) == 96
    assert len(key(ask, "P0", "B", "2")) == len(key(ask, "P0", "B", "3"))
