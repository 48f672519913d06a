"""What the trail says of replication, beside the callers' own requests."""

from __future__ import annotations

import uuid
from datetime import datetime

import msgspec

from keyferry.service.audit import service_call, service_event
from keyferry.service.control.answers import attributes_answer, is_exportable
from keyferry.service.store.records import AuditRecord, KeyRecord
from keyferry.service.store.replication_records import MultiRegionRecord

EXPORT_REPLICA = "ExportKeyReplica"
IMPORT_REPLICA = "ImportKeyReplica"
DELETE_REPLICA = "DeleteKeyReplica"


def key_arn(record: KeyRecord | MultiRegionRecord, *, region: str) -> str:
    """The ARN of a key in one of its Regions."""
    return f"arn:aws:payment-cryptography:{region}:{record.account}:key/{record.key_id}"


def synchronized(
    kind: str,
    record: KeyRecord | MultiRegionRecord,
    *,
    region: str,
    replica_region: str,
    now: datetime,
) -> AuditRecord:
    """
    A SynchronizeMultiRegionKey event.

    Args:
        kind: its replicationType.
        region: whose trail it is for; the ARN is of that Region.
        replica_region: the Region of the replica it is about.
    """
    return service_event(
        event_name="SynchronizeMultiRegionKey",
        details={
            "keyArn": key_arn(record, region=region),
            "replicationRegion": replica_region,
            "replicationType": kind,
        },
        account=record.account,
        region=region,
        event_id=str(uuid.uuid4()),
        now=now,
    )


def replica_created(record: KeyRecord, *, region: str, now: datetime) -> AuditRecord:
    """The CreateKey record of a replica, which the service makes by itself."""
    attributes = msgspec.to_builtins(attributes_answer(record.attributes))
    request = {
        "KeyAttributes": attributes,
        "Exportable": is_exportable(record),
        "Enabled": record.enabled,
    }
    key = request | {
        "KeyArn": key_arn(record, region=region),
        "KeyCheckValue": record.check_value,
        "KeyCheckValueAlgorithm": record.check_value_algorithm,
        "KeyState": record.state.value,
        "KeyOrigin": record.origin.value,
        "UsageStartTimestamp": record.usage_started_at,
        "UsageStopTimestamp": record.usage_stopped_at,
    }
    return service_call(
        operation="CreateKey",
        request=request,
        response={"Key": key},
        account=record.account,
        region=region,
        request_id=str(uuid.uuid4()),
        event_id=str(uuid.uuid4()),
        now=now,
    )
