"""Any record becomes a row and comes back."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyferry.crypto.keyblock import Exportability, OptionalBlock
from keyferry.keys import KeyAlgorithm, KeyAttributes, KeyClass, KeyUsage, ModesOfUse
from keyferry.service.store import rows, sql
from keyferry.service.store.records import KeyOrigin, KeyRecord, KeyState, Sealed

instants = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 (given its time zone by the strategy)
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
digits = st.text(string.digits, min_size=12, max_size=12)
printable = st.text([chr(code) for code in range(0x20, 0x7F)], max_size=30)
blocks = st.builds(
    OptionalBlock, id=st.text(string.ascii_uppercase, min_size=2, max_size=2), data=printable
)
attributes = st.builds(
    KeyAttributes,
    key_usage=st.sampled_from(KeyUsage),
    key_class=st.sampled_from(KeyClass),
    key_algorithm=st.sampled_from(KeyAlgorithm),
    modes_of_use=st.sampled_from("BCDEGNSVX").map(ModesOfUse.from_letter),
)
key_records = st.builds(
    KeyRecord,
    account=digits,
    key_id=st.text(string.ascii_lowercase + "234567", min_size=16, max_size=16),
    attributes=attributes,
    exportability=st.sampled_from(Exportability),
    origin=st.sampled_from(KeyOrigin),
    check_value=st.text("0123456789ABCDEF", max_size=8),
    check_value_algorithm=st.sampled_from(["CMAC", "ANSI_X9_24", "HMAC", "SHA_1"]),
    derive_key_usage=st.none() | st.sampled_from(KeyUsage),
    optional_blocks=st.lists(blocks, max_size=4).map(tuple),
    key_version=st.text(string.ascii_uppercase + string.digits, min_size=2, max_size=2),
    public_key=st.none() | st.binary(max_size=50),
    certificate=st.none() | st.binary(max_size=50),
    issuer_key_id=st.none() | digits,
    created_at=instants,
    state=st.sampled_from(KeyState),
    enabled=st.booleans(),
    usage_started_at=st.none() | instants,
    usage_stopped_at=st.none() | instants,
    delete_pending_at=st.none() | instants,
    deleted_at=st.none() | instants,
    sealed=st.none() | st.builds(Sealed, st.binary(max_size=80), st.binary(max_size=80)),
    revision=st.integers(1, 2**62),
)


@given(key_records)
def test_key_records_round_trip(record: KeyRecord) -> None:
    """No member is lost, changed or mistaken for another."""
    row = rows.immutable_key_values(record) + rows.mutable_key_values(record)
    assert len(row) == len(sql.KEYS.columns)
    assert rows.key_from_row((*row, b"the MAC")) == record


@given(instants)
def test_instants_round_trip(instant: datetime) -> None:
    """To the microsecond."""
    assert rows.from_microseconds(rows.to_microseconds(instant)) == instant


def test_instants_of_other_zones_and_none() -> None:
    """Another time zone is the same instant; a naive one is a mistake of the caller."""
    zone = timezone(timedelta(hours=5, minutes=30))
    assert rows.to_microseconds(datetime(1970, 1, 1, 5, 30, 1, 7, tzinfo=zone)) == 1_000_007
    with pytest.raises(TypeError):
        rows.to_microseconds(datetime(2026, 1, 1))  # noqa: DTZ001
