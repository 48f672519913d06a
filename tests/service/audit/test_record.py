"""Records in the shape that consumers of CloudTrail read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from keyferry.service.audit import Caller, api_call, service_event
from keyferry.service.audit.elements import REDACTED, shown_elements, shown_instant
from keyferry.service.authz.principal import Principal
from keyferry.service.wire import control_types as t
from keyferry.service.wire.shapes import Structure, Text

NOW = datetime(2025, 8, 21, 18, 25, 54, 987000, tzinfo=UTC)
KEY_ARN = "arn:aws:payment-cryptography:us-east-1:111122223333:key/abcdefghijklmnop"
PRINCIPAL = Principal(
    access_key_id="AKIDEXAMPLE",
    account="111122223333",
    arn="arn:aws:iam::111122223333:user/ana",
    name="ana",
)
ATTRIBUTES = t.KeyAttributes(
    key_usage="TR31_P0_PIN_ENCRYPTION_KEY",
    key_class="SYMMETRIC_KEY",
    key_algorithm="AES_128",
    key_modes_of_use=t.KeyModesOfUse(no_restrictions=True),
)
MODES = {
    "encrypt": False,
    "decrypt": False,
    "wrap": False,
    "unwrap": False,
    "generate": False,
    "sign": False,
    "verify": False,
    "deriveKey": False,
    "noRestrictions": True,
}
SHOWN_ATTRIBUTES = {
    "keyUsage": "TR31_P0_PIN_ENCRYPTION_KEY",
    "keyClass": "SYMMETRIC_KEY",
    "keyAlgorithm": "AES_128",
    "keyModesOfUse": MODES,
}


def key(**changes: Any) -> t.Key:
    members = {
        "key_arn": KEY_ARN,
        "key_attributes": ATTRIBUTES,
        "key_check_value": "0A0B0C",
        "key_check_value_algorithm": "CMAC",
        "enabled": True,
        "exportable": True,
        "key_state": "CREATE_COMPLETE",
        "key_origin": "AWS_PAYMENT_CRYPTOGRAPHY",
        "create_timestamp": NOW,
    }
    return t.Key(**members | changes)


def recorded(**changes: Any) -> dict[str, Any]:
    """A CreateKey record with changes, decoded."""
    members: dict[str, Any] = {
        "operation": "CreateKey",
        "read_only": False,
        "request": t.CreateKeyInput(key_attributes=ATTRIBUTES, exportable=True),
        "response": t.CreateKeyOutput(key=key()),
        "error": None,
        "region": "us-east-1",
        "principal": PRINCIPAL,
        "caller": Caller(source_ip="192.0.2.7", user_agent="aws-cli/2", host="hsm.example:8600"),
        "request_id": "11111111-2222-3333-4444-555555555555",
        "event_id": "66666666-7777-8888-9999-000000000000",
        "now": NOW,
    }
    record = api_call(**members | changes)
    document: dict[str, Any] = json.loads(record.body)
    return document


def test_a_whole_record_of_a_write() -> None:
    """Every member of a successful CreateKey, exactly."""
    assert recorded() == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "ana",
            "arn": "arn:aws:iam::111122223333:user/ana",
            "accountId": "111122223333",
            "accessKeyId": "AKIDEXAMPLE",
            "userName": "ana",
        },
        "eventTime": "2025-08-21T18:25:54Z",
        "eventSource": "payment-cryptography.amazonaws.com",
        "eventName": "CreateKey",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.7",
        "userAgent": "aws-cli/2",
        "requestParameters": {"keyAttributes": SHOWN_ATTRIBUTES, "exportable": True},
        "responseElements": {
            "key": {
                "keyArn": KEY_ARN,
                "keyAttributes": SHOWN_ATTRIBUTES,
                "keyCheckValue": "0A0B0C",
                "keyCheckValueAlgorithm": "CMAC",
                "enabled": True,
                "exportable": True,
                "keyState": "CREATE_COMPLETE",
                "keyOrigin": "AWS_PAYMENT_CRYPTOGRAPHY",
                "createTimestamp": "Aug 21, 2025, 6:25:54 PM",
            }
        },
        "requestID": "11111111-2222-3333-4444-555555555555",
        "eventID": "66666666-7777-8888-9999-000000000000",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
        "tlsDetails": {"clientProvidedHostHeader": "hsm.example:8600"},
    }


def test_a_read_has_no_response_elements() -> None:
    """Reads show what was asked, not what was answered."""
    record = recorded(
        operation="GetKey",
        read_only=True,
        request=t.GetKeyInput(key_identifier="alias/pin"),
        response=t.GetKeyOutput(key=key()),
    )
    assert record["requestParameters"] == {"keyIdentifier": "alias/pin"}
    assert record["responseElements"] is None
    assert record["readOnly"] is True


def test_a_refusal_has_code_and_message() -> None:
    """Also one whose request was never of the right shape: what can be shown is shown."""
    record = recorded(
        operation="DeleteKey",
        request={"KeyIdentifier": KEY_ARN, "DeleteKeyInDays": "soon", "Unknown": {"a": 1}},
        response=None,
        error=("ValidationException", "1 validation error detected: …"),
    )
    assert record["errorCode"] == "ValidationException"
    assert record["errorMessage"] == "1 validation error detected: …"
    assert record["requestParameters"] == {"keyIdentifier": KEY_ARN}
    assert record["responseElements"] is None


def test_without_parameters_or_answer() -> None:
    """No members at all is null, and so is a request that was not even JSON."""
    assert recorded(operation="ListKeys", request=t.ListKeysInput())["requestParameters"] is None
    assert recorded(request=None)["requestParameters"] is None
    record = recorded(
        operation="DeleteAlias",
        request=t.DeleteAliasInput(alias_name="alias/pin"),
        response=t.DeleteAliasOutput(),
    )
    assert record["responseElements"] is None


def test_tls_details() -> None:
    """Version and cipher suite if there was TLS; nothing at all if nothing is known."""
    caller = Caller(
        source_ip="::1", host="h", tls_version="TLSv1.3", cipher_suite="TLS_AES_128_GCM_SHA256"
    )
    assert recorded(caller=caller)["tlsDetails"] == {
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": "h",
    }
    assert "tlsDetails" not in recorded(caller=Caller(source_ip="::1"))


@pytest.mark.parametrize(
    ("arn", "kind"),
    [
        ("arn:aws:iam::111122223333:root", "Root"),
        ("arn:aws:iam::111122223333:role/keys", "Role"),
        ("arn:aws:sts::111122223333:assumed-role/keys/ana", "AssumedRole"),
        ("arn:aws:iam::111122223333:user/team/ana", "IAMUser"),
    ],
)
def test_kind_of_identity(arn: str, kind: str) -> None:
    """By the resource of the principal's ARN."""
    principal = Principal(access_key_id="A", account="111122223333", arn=arn, name="ana")
    assert recorded(principal=principal)["userIdentity"]["type"] == kind


def test_words_of_the_caller_are_cut() -> None:
    """A record stays small whatever headers and members were sent."""
    long = "x" * 5000
    record = recorded(
        caller=Caller(source_ip="::1", user_agent=long, host=long),
        error=("ValidationException", long),
        request={"KeyIdentifier": "y" * 200_000},
        operation="GetKey",
    )
    assert len(record["userAgent"]) == len(record["errorMessage"]) == 1024
    assert len(record["tlsDetails"]["clientProvidedHostHeader"]) == 1024
    assert record["requestParameters"]["omitted"] is True
    assert record["requestParameters"]["originalSize"] > 200_000


def test_service_event() -> None:
    """The real end of a key, as the service itself reports it."""
    record = service_event(
        event_name="DeleteKey",
        details={"keyArn": KEY_ARN},
        account="111122223333",
        region="us-east-1",
        event_id="e",
        now=NOW,
    )
    document = json.loads(record.body)
    assert document["eventType"] == "AwsServiceEvent"
    assert document["eventName"] == record.event_name == "DeleteKey"
    assert document["serviceEventDetails"] == {"keyArn": KEY_ARN}
    service = "payment-cryptography.amazonaws.com"
    assert document["userIdentity"] == {"accountId": "111122223333", "invokedBy": service}
    assert document["sourceIPAddress"] == document["userAgent"] == service
    assert document["requestParameters"] is None
    assert document["responseElements"] is None


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2025, 8, 21, 18, 25, 54, tzinfo=UTC), "Aug 21, 2025, 6:25:54 PM"),
        (datetime(2026, 1, 2, 0, 3, 4, tzinfo=UTC), "Jan 2, 2026, 12:03:04 AM"),
        (datetime(2026, 12, 31, 12, 0, 0, tzinfo=UTC), "Dec 31, 2026, 12:00:00 PM"),
        (
            datetime(2026, 5, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
            "Apr 30, 2026, 11:30:00 PM",
        ),
    ],
)
def test_instants(moment: datetime, shown: str) -> None:
    """UTC, twelve hours, no leading zero of day and hour."""
    assert shown_instant(moment) == shown


class TestSensitiveMembers:
    def test_import_and_export(self) -> None:
        """Wrapped keys are redacted in requests and answers, their neighbours are not."""
        request = t.ImportKeyInput(
            key_material=t.ImportKeyMaterial(
                tr34_key_block=t.ImportTr34KeyBlock(
                    certificate_authority_public_key_identifier=KEY_ARN,
                    signing_key_certificate="LS0t",
                    wrapped_key_block="308203AB",
                    key_block_format="X9_TR34_2012",
                    random_nonce="00112233",
                )
            ),
            tags=[t.Tag(key="team", value="pin")],
            requester_comment="why",
        )
        record = recorded(operation="ImportKey", request=request, response=None)
        block = record["requestParameters"]["keyMaterial"]["tr34KeyBlock"]
        assert block["wrappedKeyBlock"] == REDACTED
        assert block["certificateAuthorityPublicKeyIdentifier"] == KEY_ARN
        assert block["randomNonce"] == "00112233"
        assert record["requestParameters"]["tags"] == [{"key": "team", "value": "pin"}]
        assert record["requestParameters"]["requesterComment"] == REDACTED
        response = t.ExportKeyOutput(
            wrapped_key=t.WrappedKey(
                wrapping_key_arn=KEY_ARN,
                wrapped_key_material_format="TR31_KEY_BLOCK",
                key_material="D0144P0AB00E0000",
                key_check_value="0A0B0C",
            )
        )
        shown = recorded(operation="ExportKey", request=None, response=response)
        assert shown["responseElements"]["wrappedKey"] == {
            "wrappingKeyArn": KEY_ARN,
            "wrappedKeyMaterialFormat": "TR31_KEY_BLOCK",
            "keyMaterial": REDACTED,
            "keyCheckValue": "0A0B0C",
        }

    def test_optional_blocks(self) -> None:
        """Ids and values of header overrides go as a whole."""
        headers = t.KeyBlockHeaders(optional_blocks={"LB": "MyLabel"}, key_version="01")
        shown = shown_elements(headers, "KeyBlockHeaders")
        assert shown == {"optionalBlocks": REDACTED, "keyVersion": "01"}

    def test_map_entries_keep_their_names(self) -> None:
        """Regions as keys of a map are not members and are not renamed."""
        shown = shown_elements(
            key(replication_status={"us-west-2": t.ReplicationStatusType(status="IN_PROGRESS")}),
            "Key",
        )
        assert shown is not None
        assert shown["replicationStatus"] == {"us-west-2": {"status": "IN_PROGRESS"}}

    @pytest.mark.parametrize("value", ["SECRET", 7, ["SECRET"], {"SECRET": "SECRET"}, True])
    def test_nothing_sensitive_shows_whatever_was_sent(self, value: Any) -> None:
        """In every structure of the model, a value of any type in a sensitive place is hidden."""
        sensitive = {
            name for name, shape in t.SHAPES.items() if isinstance(shape, Text) and shape.sensitive
        }
        hidden = 0
        for name, shape in t.SHAPES.items():
            if not isinstance(shape, Structure):
                continue
            for member, member_shape in shape.members.items():
                if member_shape in sensitive:
                    shown = shown_elements({member: value}, name)
                    assert shown is not None
                    assert set(shown.values()) == {REDACTED}
                    hidden += 1
        assert hidden >= len(t.SENSITIVE_MEMBERS) - 1

    def test_table_and_model_agree(self) -> None:
        """Every member the generated table names is hidden, by its Python name."""
        for structure, members in t.SENSITIVE_MEMBERS.items():
            shape = t.SHAPES[structure]
            assert isinstance(shape, Structure)
            names = {name.lower(): name for name in shape.members}
            for member in members:
                name = names[member.replace("_", "")]
                shown = shown_elements({name: "SECRET"}, structure)
                assert list((shown or {}).values()) == [REDACTED]


def test_every_operation_has_shapes() -> None:
    """A record can be made for each operation of the API, known to this build or not."""
    for operation, shape in t.OPERATIONS.items():
        assert recorded(operation=operation, request={}, response=None)["eventName"] == operation
        assert shape.input.__name__ == f"{operation}Input"
        assert shape.output.__name__ == f"{operation}Output"
