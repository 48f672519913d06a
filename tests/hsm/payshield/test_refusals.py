"""Every way the simulator refuses a key command, with the code it must have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyferry.hsm.payshield.simulator import Device, Settings

Ask = Callable[..., bytes]


def made(answer: bytes, *, key_characters: int) -> tuple[str, str]:
    """Cut a good A1 answer into key and check value."""
    text = answer.decode()
    assert text[2:4] == "00", text
    assert len(text) == 4 + key_characters + 6
    return text[4:-6], text[-6:]


KEY_BLOCK_REFUSALS = [
    ("A00FFFS%1#K0A3N00E00", "15", "an LMK identifier of one digit"),
    ("A00FFFS%07#K0A3N00E00", "13", "an LMK that is not loaded"),
    ("A00FFFS%02#K0A3N00E00", "A1", "a key block type under a variant LMK"),
    ("A00002U", "A1", "a key type under a key block LMK"),
    ("A00FFFU#K0A3N00E00", "26", "a variant scheme"),
    ("A00FFFQ#K0A3N00E00", "26", "a scheme letter nobody knows"),
    ("A00FFFS", "15", "no header"),
    ("A00FFFS#K0A4N00E00", "A7", "an unknown algorithm"),
    ("A00FFFS#K0A3Q00E00", "A8", "an unknown mode"),
    ("A00FFFS#K0A3X00E00", "A8", "a mode the usage does not have"),
    ("A00FFFS#Q9A3N00E00", "A6", "an unknown usage"),
    ("A00FFFS#K0A3N00Q00", "AA", "an unknown exportability"),
    ("A00FFFS#K0A3N0xE00", "A9", "a key version that is no number"),
    ("A00FFFS#K0A3N00E09", "AB", "too many optional blocks"),
    ("A00FFFS#K0A3N00E01KV03", "AC", "an optional block shorter than its own head"),
    ("A00FFFS#K0A3N00E02KV081234KS", "15", "an optional block cut off"),
    ("A00FFFS#K0A3N00E02KV081234KV085678", "BC", "an optional block twice"),
    ("A00FFFS#K0A3N00E01PB081234", "AC", "filling, which is the device's business"),
    ("A00FFFS#K0A3N00E00extra", "15", "something superfluous"),
    ("A02FFFS#K0A3N00E00", "15", "an unknown mode of the command"),
    ("A00", "15", "nothing but a mode"),
    ("A0AFFFS1607S", "15", "half a ZKA derivation"),
    ("BUFFFU0123456789ABCDEF0123456789ABCDEF;FFF;001", "A1", "a variant key"),
    ("CS", "68", "a command without a public layout"),
    ("GK", "68", "the same"),
    ("ZZ", "68", "a command nobody knows"),
    ("BY", "15", "too short, whatever the settings say"),
]


@pytest.mark.parametrize(
    ("request_", "code", "why"), KEY_BLOCK_REFUSALS, ids=[why for _, _, why in KEY_BLOCK_REFUSALS]
)
def test_refusals(ask: Ask, device: Device, request_: str, code: str, why: str) -> None:
    """Each mistake has its code, and no data follows."""
    del why
    expected = request_[0] + chr(ord(request_[1]) + 1) + code
    assert ask(device, request_) == expected.encode()


VARIANT_REFUSALS = [
    ("A00ABCU", "28", "no such key type"),
    ("A00001S", "26", "a key block scheme"),
    ("A00001U#K0A3N00E00", "15", "a header for a variant key"),
    ("BU011U42BBE7D9A0A55D0EBDE055DE2791ACCD;001", "10", "another type's key"),
    ("BU0F1U42BBE7D9A0A55D0EBDE055DE2791ACCD", "04", "no such pair"),
    ("BU002U42BBE7D9A0A55D0EBDE055DE2791ACCD", "05", "a flag for another length"),
    ("BU009U42BBE7D9A0A55D0EBDE055DE2791ACCD", "05", "no such flag"),
    ("BUFF1U42BBE7D9A0A55D0EBDE055DE2791ACCD", "28", "no type at all"),
    ("BU001U42BBE7D9A0A55D0EBDE055DE2791ACC", "15", "a key cut off"),
    ("BU001U42BBE7D9A0A55D0EBDE055DE2791ACCG", "15", "a key that is not hex"),
    ("BU001UK123", "12", "user storage that is empty"),
    (
        "A8001U42BBE7D9A0A55D0EBDE055DE2791ACCDU42BBE7D9A0A55D0EBDE055DE2791ACCDR&P0N00S00",
        "11",
        "the second key of another type",
    ),
    (
        "A8001U063A0E7C0F2124E56192A4510F395ED7U063A0E7C0F2124E56192A4510F395ED7R&P0N00S00",
        "10",
        "the first key of another type",
    ),
    (
        "A8001U42BBE7D9A0A55D0EBDE055DE2791ACCDU063A0E7C0F2124E56192A4510F395ED7R",
        "15",
        "no attributes for a TR-31 block",
    ),
    (
        "A8001U42BBE7D9A0A55D0EBDE055DE2791ACCDU063A0E7C0F2124E56192A4510F395ED7R&B0N00S00",
        "A6",
        "attributes that are not the key's",
    ),
    (
        "A8001U42BBE7D9A0A55D0EBDE055DE2791ACCDU063A0E7C0F2124E56192A4510F395ED7R&P0N00S00!D",
        "BB",
        "an AES block under a TDES key",
    ),
    ("A41001UU42BBE7D9A0A55D0EBDE055DE2791ACCD", "03", "one component"),
    ("A60001U42BBE7D9A0A55D0EBDE055DE2791ACCD", "15", "half an import"),
]


@pytest.mark.parametrize(
    ("request_", "code", "why"), VARIANT_REFUSALS, ids=[why for _, _, why in VARIANT_REFUSALS]
)
def test_variant_refusals(
    ask: Ask, open_device: Device, request_: str, code: str, why: str
) -> None:
    """The same under a variant LMK."""
    del why
    expected = request_[0] + chr(ord(request_[1]) + 1) + code
    assert ask(open_device, request_) == expected.encode()


def test_a_weaker_key_wraps_no_stronger_one(ask: Ask, device: Device) -> None:
    """A5: neither out nor in does a key go under a weaker one."""
    weak, _ = made(ask(device, "A00FFFS#K1T2N00E00"), key_characters=97)
    strong, _ = made(ask(device, "A00FFFS#D0A1N00E00"), key_characters=97)
    assert ask(device, f"A8FFF{weak}{strong}R") == b"A9A5"


def test_wrapping_keys_are_for_wrapping(ask: Ask, device: Device) -> None:
    """BB: usage and mode of the wrapping key must allow it."""
    key, _ = made(ask(device, "A00FFFS#D0A1N00E00"), key_characters=97)
    for header in ("D0A3N00E00", "K0A3D00E00"):
        kek, _ = made(ask(device, f"A00FFFS#{header}"), key_characters=129)
        assert ask(device, f"A8FFF{kek}{key}R") == b"A9BB"
    unwrap_only, _ = made(ask(device, "A00FFFS#K0A3E00E00"), key_characters=129)
    block = ask(device, f"A8FFF{unwrap_only}{key}R").decode()[4:-6]
    assert ask(device, f"A6FFF{unwrap_only}{block}S") == b"A7BB"
    # A K1 key protects TR-31 blocks, not Thales ones.
    k1, _ = made(ask(device, "A00FFFS#K1A3N00E00"), key_characters=129)
    assert ask(device, f"A8FFF{k1}{key}S") == b"A9BB"


def test_exportability(ask: Ask, device: Device) -> None:
    """N stays, and rights only shrink on the way out."""
    kek, _ = made(ask(device, "A00FFFS#K0A3N00E00"), key_characters=129)
    fixed, _ = made(ask(device, "A00FFFS#D0A1N00N00"), key_characters=97)
    exportable, _ = made(ask(device, "A00FFFS#D0A1N00E00"), key_characters=97)
    assert ask(device, f"A8FFF{kek}{fixed}R") == b"A9AA"
    assert ask(device, f"A8FFF{kek}{exportable}R&S") == b"A9AA"
    assert ask(device, f"A8FFF{kek}{exportable}R&N")[16:17] == b"N"
    assert ask(device, f"A8FFF{kek}{exportable}R")[16:17] == b"E"


@pytest.mark.parametrize(
    ("activity", "request_"),
    [
        ("generate.K0.host", "A00FFFS#K0A3N00E00"),
        ("generate.*.host", "A00FFFS#K0A3N00E00"),
        ("generate.001.host", "A00001U%02"),
        ("generate.rsa.host", "EI0204802%02"),
        (
            "component.000.host",
            "A42000UU42BBE7D9A0A55D0EBDE055DE2791ACCDU1457FF6ADF6250C66C368416B4C9D383%02",
        ),
        (
            "export.009.host",
            "A8009U42BBE7D9A0A55D0EBDE055DE2791ACCDU8E3D3E2FD5919657F05A1AA90D32A014R%02&B0X00S00",
        ),
        (
            "import.000.host",
            "A6000U42BBE7D9A0A55D0EBDE055DE2791ACCDU8E3D3E2FD5919657F05A1AA90D32A014U%02",
        ),
    ],
)
def test_activities(ask: Ask, activity: str, request_: str) -> None:
    """Without its activity a command is refused with 17, after its syntax and its LMK."""
    device = Device(unauthorised=frozenset({activity}))
    code = request_[0] + chr(ord(request_[1]) + 1)
    assert ask(device, request_) == f"{code}17".encode()
    assert ask(device, request_ + "?") == f"{code}15".encode()


def test_disabled_and_unlicensed_commands(ask: Ask) -> None:
    """68 and 67 win over everything that could be wrong with the fields."""
    device = Device(
        settings=Settings(
            disabled_commands=frozenset({"A8"}), unlicensed_commands=frozenset({"FY"})
        )
    )
    assert ask(device, "A8rubbish") == b"A968"
    assert ask(device, "FYrubbish") == b"FZ67"
    assert ask(device, "NC")[:4] == b"ND00"
