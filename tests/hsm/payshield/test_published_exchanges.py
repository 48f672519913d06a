"""The simulator answers published exchanges under the public test LMK as they were printed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyferry.hsm.payshield.simulator import Device, Settings

Ask = Callable[..., bytes]

ZMK = "U1457FF6ADF6250C66C368416B4C9D383"
ZMK_2 = "U71979DEB8587E2734F1E99D5DCAEF9AC"

EXCHANGES = [
    (
        f"A8002{ZMK}U8463435FC4B4DAA0C49025272C29B12CU",
        "A900U2C62A23D001B97412950CD8BE66C7639070753",
    ),
    (f"A8002{ZMK}7BB126F2BE631486Z", "A90016224FDAA779AFB31FFD3C"),
    (
        f"A6001{ZMK_2}U482C4E722BB0CF1845E1E5BD16310119U",
        "A700U0E07CDC0161A0DE3B5AA44DF227EC9DEABDEBC",
    ),
    (
        f"A6001{ZMK_2}XC8E3118AFA853807EB7E92294663A5BAU",
        "A700U1EF828AA8F6B80EB83E19FBC373F3A856F1E3F",
    ),
    ("BU001U93CB819F8FEE4F78BF9C4CDD84750DB1", "BV00B70AD25C94548822"),
    (f"FA{ZMK}2B930A07119F93A8;XZ1", "FB00BAB32D775A38E4AB73936E"),
    (
        f"DW{ZMK}6A2C67C227784BC5D8508B6BED82ECB8;0U1",
        "DX00U8E3D3E2FD5919657F05A1AA90D32A01408D7B4",
    ),
]

# One clear key, 0123456789ABCDEF FEDCBA9876543210, under every type that was published.
SAME_KEY = [
    ("000", "U42BBE7D9A0A55D0EBDE055DE2791ACCD"),
    ("001", "U063A0E7C0F2124E56192A4510F395ED7"),
    ("002", "U1750CDFB0757D3B3994430636DBB281B"),
    ("003", "U7AD0BB2A32ADE115807C3572FC302BA5"),
    ("008", "U7B7B1BE6AFBA184A32F08E7514BAC82E"),
    ("009", "U8E3D3E2FD5919657F05A1AA90D32A014"),
    ("402", "U9B4934384B19946B040CD702B4D58145"),
    ("000", "XDA05B7A979CBD9A15A4FBD3D599B9380"),
]

CHECK_VALUES = [
    ("000", "U1457FF6ADF6250C66C368416B4C9D383", "1", "E14F4E"),
    ("000", "U71979DEB8587E2734F1E99D5DCAEF9AC", "1", "04EEC0"),
    ("000", "4ED06495741C280C", "0", "8BD52F"),
    ("002", "U8463435FC4B4DAA0C49025272C29B12C", "1", "070753"),
    ("002", "0406FBB23A5214DF", "0", "0035BB"),
    ("001", "U1EF828AA8F6B80EB83E19FBC373F3A85", "1", "6F1E3F"),
    ("001", "BAB32D775A38E4AB", "0", "73936E"),
    ("002", "X367930344805B1FAD6146EF4ED7502B3", "1", "C19328"),
    ("001", "U9D961F6AF1D24B38AB37B320022FF57D", "1", "77800C"),
    ("002", "56C1DC7F3A899043", "0", "77800C"),
]


@pytest.mark.parametrize(("request_", "response"), EXCHANGES)
def test_exchanges(ask: Ask, open_device: Device, request_: str, response: str) -> None:
    """Request and response as printed."""
    assert ask(open_device, request_) == response.encode()


def test_atalla_variant(ask: Ask) -> None:
    """With Atalla variant support on, variant 1 of the ZMK gives the same key."""
    device = Device(
        settings=Settings(
            default_lmk="02", trusted_format_only=False, x917_import=True, atalla_variants=True
        )
    )
    request = f"A6001{ZMK_2}X8E80C547F2A1324B84763B0EE32B73ADU1"
    assert ask(device, request) == b"A700U1EF828AA8F6B80EB83E19FBC373F3A856F1E3F"
    # Without the setting the digit is superfluous, which is a format error.
    assert ask(Device(settings=Settings(default_lmk="02")), request) == b"A715"


@pytest.mark.parametrize(("key_type", "key"), SAME_KEY)
def test_one_key_under_every_type(ask: Ask, open_device: Device, key_type: str, key: str) -> None:
    """Its whole check value comes out under each type, and under no other type."""
    assert ask(open_device, f"BUFF1{key};{key_type};000") == b"BV0008D7B4FB629D0885"
    other = "00A" if key_type != "00A" else "00B"
    assert ask(open_device, f"BUFF1{key};{other};000") == b"BV10"


@pytest.mark.parametrize(("key_type", "key", "flag", "kcv"), CHECK_VALUES)
def test_check_values(
    ask: Ask, open_device: Device, key_type: str, key: str, flag: str, kcv: str
) -> None:
    """The check value of each published key, six characters."""
    assert ask(open_device, f"BUFF{flag}{key};{key_type};001") == f"BV00{kcv}".encode()


def test_check_value_of_the_test_lmk(ask: Ask, device: Device) -> None:
    """NC shows the value commonly quoted for the set, and that this is a simulator."""
    assert ask(device, "NC%02") == b"ND002686040000000000SIM0-0001"
