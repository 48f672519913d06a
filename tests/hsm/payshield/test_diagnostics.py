"""What the simulator says of itself, in the widths public clients slice; and PINs under the LMK."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyferry.crypto.ciphers import Cipher
from keyferry.errors import ConfigurationError
from keyferry.hsm.firmware_profiles import profile_named
from keyferry.hsm.payshield.lmk import LMKScheme
from keyferry.hsm.payshield.simulator import Device, LMKRecord, Settings, fresh_state
from keyferry.hsm.payshield.simulator.firmware import PROFILES
from keyferry.hsm.payshield.simulator.lmk_store import load_lmk
from keyferry.hsm.payshield.simulator.outcome import CommandRefusedError
from keyferry.hsm.payshield.simulator.pin_under_lmk import PinUnderLMK
from keyferry.hsm.payshield.simulator.workload import Workload

Ask = Callable[..., bytes]


def test_diagnostics(ask: Ask, device: Device) -> None:
    """NC: check value with six significant characters, firmware of nine."""
    answer = ask(device, "NC").decode()
    assert len(answer) == 4 + 16 + 9
    assert answer[10:20] == "0" * 10
    assert answer[20:] == "SIM0-0001"
    assert ask(device, "NC%07") == b"ND13"


def test_status_widths(ask: Ask, device: Device) -> None:
    """NO 00 fills at least 24 + m of a frame, NO 01 less: so clients tell them apart."""
    for request, low, high in (("NO00", 24, 99), ("NO01", 0, 24)):
        total = 2 + len(ask(device, request))
        assert low <= total < high
    assert ask(device, "NO02") == b"NP15"
    pci = Device(settings=Settings(separate_type_002=True))
    assert ask(pci, "NO01") == b"NP002"


def test_random_values(ask: Ask, device: Device) -> None:
    """N0: from one byte to 256; other lengths are the command's own error 01."""
    assert len(ask(device, "N0256")) == 4 + 256
    assert ask(device, "N0000") == b"N101"
    assert ask(device, "N0257") == b"N101"
    assert ask(device, "N08") == b"N115"


def test_echo_lengths(ask: Ask, device: Device) -> None:
    """B2: shorter data than declared is 80, longer 15."""
    assert ask(device, "B20003abc") == b"B300abc"
    assert ask(device, "B20004abc") == b"B380"
    assert ask(device, "B20002abc") == b"B315"
    assert ask(device, "B2000g") == b"B315"


def test_counters(ask: Ask, device: Device) -> None:
    """J3 and J5 are cut as the load tester cuts them: 17 and 14 characters a record."""
    for _ in range(3):
        ask(device, "B2")
    ask(device, "??")
    volumes = ask(device, "J4").decode()[4 + 48 + 10 :]
    records = [volumes[start : start + 14] for start in range(0, len(volumes), 14)]
    assert "B2000000000003" in records
    assert "??000000000001" in records
    loads = ask(device, "J2").decode()[4 + 48 + 10 :]
    assert len(loads) % 17 == 0
    health = ask(device, "J8").decode()
    assert len(health) == 4 + 48 + 40
    assert health[52:62] == "0000000001"


def test_instantaneous_status(ask: Ask, device: Device) -> None:
    """JL: every LMK entry ends with 14, 15 stands behind them, and all LMKs are test LMKs."""
    answer = ask(device, "JK")
    assert answer[:4] == b"JL00"
    assert answer[16:28] == b"260102030405"
    assert answer.endswith(b"\x1500")
    lmks = answer[34 + 4 : answer.index(b"\x15")]
    assert lmks.count(b"\x14") == 2
    assert answer[35:41] == b"020200"
    assert b"K2Tsimulator\x14" in lmks
    assert b"V0Tpublic test set\x14" in lmks


def test_workload_counts_seconds() -> None:
    """Each second lands in the band of its load; seconds without commands in the lowest."""
    clock = [0.0]
    workload = Workload(lambda: clock[0])
    workload.add(0.55)
    clock[0] = 1.2
    workload.add(0.05)
    clock[0] = 4.0
    assert workload.bands() == ((0, 10, 3), (50, 60, 1))
    assert workload.seconds == 4


# --- PINs ---------------------------------------------------------------------------------------


def lmk_record(scheme: LMKScheme, cipher: Cipher) -> LMKRecord:
    """Return an LMK of a kind."""
    size = {Cipher.AES: 32, Cipher.TDES: 24}[cipher]
    key = "" if scheme is LMKScheme.VARIANT else "5A" * size
    return LMKRecord(id="00", scheme=scheme, cipher=cipher, key=key)


LMKS = [
    load_lmk(lmk_record(LMKScheme.VARIANT, Cipher.TDES)),
    load_lmk(lmk_record(LMKScheme.KEY_BLOCK, Cipher.TDES)),
    load_lmk(lmk_record(LMKScheme.KEY_BLOCK, Cipher.AES)),
]


@given(
    st.text("0123456789", min_size=4, max_size=12),
    st.text("0123456789", min_size=12, max_size=12),
    st.sampled_from(range(3)),
)
@settings(deadline=None)
def test_pins_round_trip(pin: str, account: str, which: int) -> None:
    """A sealed PIN has the full width whatever its length, and opens for its account."""
    sealer = PinUnderLMK(LMKS[which], Settings())
    sealed = sealer.seal(pin, account)
    assert len(sealed) == sealer.width
    assert sealed.isdecimal() or sealed[0] == "J"
    assert sealer.open(sealed, account) == pin


@pytest.mark.parametrize("which", range(3))
def test_pins_are_bound_to_the_account(which: int) -> None:
    """For another account the PIN is another one, or none."""
    sealer = PinUnderLMK(LMKS[which], Settings(pin_length=6))
    sealed = sealer.seal("1234", "401234567890")
    for other in range(50):
        with contextlib.suppress(CommandRefusedError):
            assert sealer.open(sealed, f"{other:012d}") != "1234"


@pytest.mark.parametrize(
    ("request_", "length"),
    [
        ("JA540008900009%02", 13),
        ("JA54000890000906%02", 13),
        ("JA1234567890128;05%00", 33),
        ("JA540008900009;12%00", 33),
    ],
)
def test_generated_pins(ask: Ask, device: Device, request_: str, length: int) -> None:
    """Either form of the request, under either LMK."""
    answer = ask(device, request_)
    assert answer[:4] == b"JB00"
    assert len(answer) == 4 + length


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("JA54000890000903", "24"),
        ("JA54000890000913", "24"),
        ("JA5400089000", "15"),
        ("JA5400089000090", "15"),
        ("JA540008900009;5", "15"),
        ("JA540008900009%07", "13"),
    ],
)
def test_refused_pins(ask: Ask, device: Device, request_: str, code: str) -> None:
    """Lengths outside 4 to 12, accounts of no known form."""
    assert ask(device, request_) == f"JB{code}".encode()


@pytest.mark.parametrize(
    ("release", "sockets", "refused"), [("1.14", 4, False), ("1.8a", 4, True), ("1.7", 2, True)]
)
def test_firmware_profiles(ask: Ask, release: str, sockets: int, refused: bool) -> None:
    """Releases differ in the width of the sockets of NO and in whether they know !D."""
    device = Device(firmware=profile_named(PROFILES, release))
    name = release.ljust(9)
    assert ask(device, "NC")[-9:].decode() == name
    status = ask(device, "NO00").decode()
    assert len(status) == len("NP00") + 2 + sockets + 14
    assert status[6 + sockets :].startswith(name)
    kek = ask(device, "A00FFFS#K1A3B00E00").decode()[4:-6]
    key = ask(device, "A00FFFS#P0A1B00E00").decode()[4:-6]
    assert ask(device, f"A8FFF{kek}{key}R!D")[2:4] == (b"15" if refused else b"00")
    assert ask(device, f"A8FFF{kek}{key}R")[:5] == b"A900R"


def test_an_unknown_firmware_is_refused() -> None:
    """What is no profile is refused with those there are."""
    with pytest.raises(ConfigurationError, match="no such profile") as caught:
        profile_named(PROFILES, "9.9")
    assert "1.14" in str(caught.value.hint)


def test_clear_test_pins(ask: Ask) -> None:
    """In test mode a PIN under the LMK is 0 and itself, filled with F to its width."""
    device = Device(settings=Settings(default_lmk="02", clear_test_pins=True, pin_length=8))
    answer = ask(device, "JA54000890000906").decode()
    assert (answer[:5], answer[-2:], len(answer)) == ("JB000", "FF", 13)


def test_tdes_key_block_lmk(ask: Ask) -> None:
    """A state may hold a TDES key block LMK: version 0 blocks, captured lengths, no AES keys."""
    state = fresh_state()
    state.lmks.append(
        LMKRecord(id="01", scheme=LMKScheme.KEY_BLOCK, cipher=Cipher.TDES, key="A7" * 24)
    )
    device = Device(state)
    assert ask(device, "A00FFFS%01#K0T2B00E00")[4:21] == b"S00072K0TB00E0001"
    assert ask(device, "A00FFFS%01#K0T3B00E00")[4:9] == b"S0008"
    assert ask(device, "A00FFFS%01#K0A1B00E00") == b"A148"
    first = ask(device, "A00FFFS%01#K0T2B00E00").decode()[4:-6]
    second = ask(device, "A00FFFS%00#K0T2B00E00").decode()[4:-6]
    assert ask(device, f"A8FFF{first}{second}R") == b"A9A2"
    assert ask(device, f"A8FFF{first}{first}R%00") == b"A9A3"
