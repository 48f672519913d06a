"""Status and diagnostics: NC, NO, NI, N0, B2, and the counters J2, J4, J8, JK."""

from __future__ import annotations

from typing import Final

from keyferry.hsm.commands import Command, Evidence
from keyferry.hsm.fields import (
    DIGITS,
    HEX,
    REST,
    Constant,
    Fields,
    Number,
    Raw,
    Run,
    Terminated,
    Text,
    choice,
    digits,
    hexadecimal,
)
from keyferry.hsm.groups import IfNext, Repeat, When, equals
from keyferry.hsm.payshield.commands import tails

_SOURCE: Final = "PayShieldPressureTest"
_CLIENT: Final = (Evidence.CLIENT,)

_PERIOD: Final[Fields] = (
    Text("serial", 12),
    digits("start_date", 6),
    digits("start_time", 6),
    digits("end_date", 6),
    digits("end_time", 6),
    digits("current_date", 6),
    digits("current_time", 6),
)

NC: Final = Command(
    code="NC",
    response_code="ND",
    name="perform diagnostics",
    request=(tails.LMK,),
    response=(hexadecimal("lmk_check", 16), Text("firmware", 9)),
    source=_SOURCE,
    evidence=(Evidence.CAPTURE,),
)

NO: Final = Command(
    code="NO",
    response_code="NP",
    name="report HSM status",
    request=(choice("status_mode", "00", "01"),),
    response=(
        When(
            equals("status_mode", "00"),
            (
                choice("io_buffer", "0", "1", "2", "3"),
                choice("ethernet", "0", "1"),
                # Two digits until firmware 1.8a, four since; the fields after have 14 characters.
                Run("sockets_and_firmware", bytes(range(0x20, 0x7F)), 16, 18),
            ),
            otherwise=(choice("pci_flag", "0", "1", "2"),),
        ),
    ),
    source=_SOURCE,
    evidence=_CLIENT,
)

NI: Final = Command(
    code="NI",
    response_code="NJ",
    name="report network statistics",
    request=(choice("report", "11", reply="01"),),
    response=(
        Number("record_count", 4, counts="records"),
        Repeat(
            "records",
            (
                choice("protocol", "0", "1"),
                Text("local_port", 4, HEX),
                hexadecimal("address", 8),
                Text("remote_port", 4, HEX),
                choice("status", "0", "1"),
                Text("duration", 8),
            ),
            "record_count",
        ),
        hexadecimal("bytes_sent", 16),
        hexadecimal("bytes_received", 16),
        Repeat("counters", (hexadecimal("count", 8),), 9),
    ),
    source=_SOURCE,
    evidence=_CLIENT,
    errors={"01": "invalid report", "82": "no statistics available"},
)

N0: Final = Command(
    code="N0",
    response_code="N1",
    name="generate random value",
    request=(Number("random_bytes", 3, low=1, high=256, reply="01"),),
    response=(Raw("random", REST),),
    source=_SOURCE,
    evidence=_CLIENT,
    errors={"01": "invalid length"},
)

B2: Final = Command(
    code="B2",
    response_code="B3",
    name="echo",
    request=(
        IfNext(
            HEX,
            (
                Number("data_characters", 4, base=16, counts="data"),
                Raw("data", "data_characters", short="80"),
            ),
        ),
    ),
    response=(Raw("echoed", REST),),
    source=f"{_SOURCE}, thalessimulatorlibrary; published quick start",
    evidence=(Evidence.CAPTURE, Evidence.SIMULATOR),
    errors={"80": "data length error"},
)

J2: Final = Command(
    code="J2",
    response_code="J3",
    name="report HSM loading",
    request=(),
    response=(
        *_PERIOD,
        digits("seconds", 10),
        Repeat(
            "loads",
            (
                digits("from_percent", 3),
                digits("to_percent", 3),
                Number("count", 10),
                Text("end", 1),
            ),
        ),
    ),
    source=_SOURCE,
    evidence=_CLIENT,
)

J4: Final = Command(
    code="J4",
    response_code="J5",
    name="report host command volumes",
    request=(),
    response=(
        *_PERIOD,
        digits("seconds", 10),
        Repeat("volumes", (Text("command", 2), Number("count", 12))),
    ),
    source=_SOURCE,
    evidence=_CLIENT,
)

J8: Final = Command(
    code="J8",
    response_code="J9",
    name="report health counts",
    request=(),
    response=(
        *_PERIOD,
        Number("reboots", 10),
        Number("tampers", 10),
        Number("pin_failures_minute", 7),
        Number("pin_failures_hour", 5),
        Number("pin_attacks", 8),
    ),
    source=_SOURCE,
    evidence=_CLIENT,
)

_LMK_STATUS: Final[Fields] = (
    digits("id", 2),
    choice("authorised", "0", "1"),
    Number("activities", 2),
    choice("scheme", "V", "K"),
    choice("algorithm", "0", "1", "2"),
    choice("status", "L", "T"),
    Terminated("comment", b"\x14", high=99),
)

JK: Final = Command(
    code="JK",
    response_code="JL",
    name="report instantaneous status",
    request=(),
    response=(
        Text("serial", 12),
        digits("date", 6),
        digits("time", 6),
        Text("console", 1, DIGITS),
        Text("manager", 1, DIGITS),
        Text("host_1", 1, DIGITS),
        Text("host_2", 1, DIGITS),
        Text("reserved_1", 1),
        Text("reserved_2", 1),
        choice("tamper", "1", "2"),
        When(
            equals("tamper", "2"),
            (digits("tamper_cause", 2), digits("tamper_date", 6), digits("tamper_time", 6)),
        ),
        Number("lmk_count", 2, counts="lmks"),
        Number("test_lmks", 2),
        Number("old_lmks", 2),
        Repeat("lmks", _LMK_STATUS, "lmk_count"),
        # Demanded also where no LMK is loaded: clients look for it.
        Constant("end of LMKs", b"\x15"),
        Text("fraud", 1, DIGITS),
        Text("pin_attack", 1, DIGITS),
    ),
    source=_SOURCE,
    evidence=_CLIENT,
)

COMMANDS: Final = (NC, NO, NI, N0, B2, J2, J4, J8, JK)
