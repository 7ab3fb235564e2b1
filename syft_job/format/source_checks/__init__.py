"""Findings: typed observations about submitted files, for the reviewer and for the submitter.

A finding never refuses anything. It names what a reader of the code could miss, with the file and the line. The checks
are pure functions of a path and its bytes; callers branch on `FindingCode`, never on the words of a message.
"""

from syft_job.model.findings import Finding, FindingCode, Location, Severity

from .checks import check_file, is_script, reviewable_text
from .words import misreading_of

__all__ = [
    "Finding",
    "FindingCode",
    "Location",
    "Severity",
    "check_file",
    "is_script",
    "misreading_of",
    "reviewable_text",
]
