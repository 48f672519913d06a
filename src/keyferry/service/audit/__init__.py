"""The trail: what was asked, by whom, and what came of it, in the shape of CloudTrail records."""

from keyferry.service.audit.queue import AuditQueue
from keyferry.service.audit.record import Caller, api_call, data_event, service_call, service_event

__all__ = ["AuditQueue", "Caller", "api_call", "data_event", "service_call", "service_event"]
