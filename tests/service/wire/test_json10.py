"""Responses: timestamps as numbers, nothing absent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from keyferry.service.wire import control_types as t
from keyferry.service.wire import json10

KEY = t.Key(
    key_arn="arn",
    key_attributes=t.KeyAttributes(
        key_usage="u", key_class="c", key_algorithm="a", key_modes_of_use=t.KeyModesOfUse()
    ),
    key_check_value="AB",
    key_check_value_algorithm="CMAC",
    enabled=True,
    exportable=False,
    key_state="CREATE_COMPLETE",
    key_origin="EXTERNAL",
    create_timestamp=datetime(2023, 10, 18, 15, 37, 58, 920_400, tzinfo=UTC),
)


def test_timestamps_are_epoch_seconds_with_milliseconds() -> None:
    """The published example value is written as a JSON number; absent members are left out."""
    answer = json.loads(json10.encode_response(t.CreateKeyOutput(key=KEY)))
    assert answer["Key"]["CreateTimestamp"] == 1697643478.92
    assert "UsageStartTimestamp" not in answer["Key"]
    assert len(answer["Key"]["KeyAttributes"]["KeyModesOfUse"]) == 9
    assert None not in answer["Key"].values()


def test_timestamps_of_another_zone_and_none_at_all() -> None:
    """An instant is the same number in every zone; a naive one is a mistake of ours."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert json10.epoch_seconds(moment) == 1767225600.0
    assert json10.epoch_seconds(moment.astimezone(timezone(timedelta(hours=9)))) == 1767225600.0
    with pytest.raises(ValueError, match="zone"):
        json10.epoch_seconds(datetime(2026, 1, 1))  # noqa: DTZ001 (the point of the test)


def test_timestamps_inside_other_structures() -> None:
    """A timestamp two structures down is written as a number too."""
    status = t.MpaStatus(
        mpa_session_arn="arn", status="PENDING", initiation_date=datetime(2026, 1, 1, tzinfo=UTC)
    )
    key = msgspec.structs.replace(KEY, mpa_status=status)
    answer = json.loads(json10.encode_response(t.GetKeyOutput(key=key)))
    assert answer["Key"]["MpaStatus"]["InitiationDate"] == 1767225600.0


def test_responses_without_timestamps_and_without_members() -> None:
    """Lists of summaries and empty answers are written as they are."""
    assert json10.encode_response(t.DeleteAliasOutput()) == b"{}"
    aliases = t.ListAliasesOutput(aliases=[t.Alias(alias_name="alias/a")])
    assert json10.encode_response(aliases) == b'{"Aliases":[{"AliasName":"alias/a"}]}'
