"""What the trail of a Region says of aliases and tags that were brought from another."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from keyferry.service.audit import service_call
from keyferry.service.replication.events import key_arn
from keyferry.service.store.records import AliasRecord, AuditRecord, KeyRecord


def alias_put(
    operation: str, alias: AliasRecord, target: KeyRecord, *, region: str, now: datetime
) -> AuditRecord:
    """CreateAlias or UpdateAlias, which the service did by itself."""
    arn = key_arn(target, region=region)
    members = {"AliasName": alias.name, "KeyArn": arn}
    return _call(operation, members, {"Alias": members}, alias.account, region, now)


def alias_deleted(alias: AliasRecord, *, region: str, now: datetime) -> AuditRecord:
    """DeleteAlias, which the service did by itself."""
    return _call("DeleteAlias", {"AliasName": alias.name}, {}, alias.account, region, now)


def tags_put(
    record: KeyRecord, tags: Sequence[tuple[str, str]], *, region: str, now: datetime
) -> AuditRecord:
    """TagResource, which the service did by itself."""
    request = {
        "ResourceArn": key_arn(record, region=region),
        "Tags": [{"Key": key, "Value": value} for key, value in tags],
    }
    return _call("TagResource", request, {}, record.account, region, now)


def tags_removed(
    record: KeyRecord, tag_keys: Sequence[str], *, region: str, now: datetime
) -> AuditRecord:
    """UntagResource, which the service did by itself."""
    request = {"ResourceArn": key_arn(record, region=region), "TagKeys": list(tag_keys)}
    return _call("UntagResource", request, {}, record.account, region, now)


def regions_added(
    record: KeyRecord, regions: Sequence[str], *, region: str, now: datetime
) -> AuditRecord:
    """AddKeyReplicationRegions, which the service did at an administrator's word."""
    request = {
        "KeyIdentifier": key_arn(record, region=region),
        "ReplicationRegions": list(regions),
    }
    return _call("AddKeyReplicationRegions", request, {}, record.account, region, now)


def _call(
    operation: str,
    request: Mapping[str, Any],
    response: Mapping[str, Any],
    account: str,
    region: str,
    now: datetime,
) -> AuditRecord:
    return service_call(
        operation=operation,
        request=request,
        response=response,
        account=account,
        region=region,
        request_id=str(uuid.uuid4()),
        event_id=str(uuid.uuid4()),
        now=now,
    )
