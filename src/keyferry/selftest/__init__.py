"""Known-answer tests of the cryptography, over files of vectors."""

from keyferry.selftest.files import packaged_files, read_directory
from keyferry.selftest.runner import CaseOutcome, FamilyReport, Status, run_file

__all__ = [
    "CaseOutcome",
    "FamilyReport",
    "Status",
    "packaged_files",
    "read_directory",
    "run_file",
]
