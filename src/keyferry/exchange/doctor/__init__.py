"""
Why an exchange or an import fails: the first check that fails, its cause, the fix.

`diagnose` examines an input; `explain` says what a code means; `explain_failure` does so for an
error an exchange ended with.
"""

from keyferry.exchange.doctor.examination import AtHand, Cause, Diagnosis, Finding, Unmade
from keyferry.exchange.doctor.explanations import SYSTEMS, Explanation, explain
from keyferry.exchange.doctor.failure import FailureDiagnosis, explain_failure
from keyferry.exchange.doctor.recognition import diagnose

__all__ = [
    "SYSTEMS",
    "AtHand",
    "Cause",
    "Diagnosis",
    "Explanation",
    "FailureDiagnosis",
    "Finding",
    "Unmade",
    "diagnose",
    "explain",
    "explain_failure",
]
