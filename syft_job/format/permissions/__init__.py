"""Permission files in SyftBox's format: who may read, write or administer what in a datasite.

The rules, in the order in which a request meets them:

1. The owner may do everything; no file is read for that.
2. Of the files ``syft.pub.yaml`` in the directories from the datasite to the path, the nearest one decides alone.
   Nothing is merged. A file with ``terminal: true`` ends the search: files below it are ignored.
3. In the file that decides, the most specific pattern that matches decides alone. No match means no access.
4. Admin access includes write access, and write access includes read access. To write a permission file takes admin
   access.
5. What cannot be parsed (a broken or oversized file, a link, a FIFO) gives access to the owner only.

This package parses permission files, evaluates them, and encodes the two that syft_job writes. It reads and writes no
file (`exchange.permissions` finds the one that decides), it does not verify who wrote one, and it enforces nothing: a
sync transport does.
"""

from .evaluate import Access, UnknownTemplateError, evaluate, no_access, owner_access
from .pattern import EVERYONE, REQUESTING_USER, USER_TEMPLATE, Rule
from .rule_file import (
    FILE_NAME,
    LOGS,
    MARKERS,
    MAX_FILE_BYTES,
    RESULTS,
    RuleFile,
    datasite_rules,
    is_earlier_datasite_rules,
    job_rules,
    parse,
    parse_any_template,
    printable_path,
)

__all__ = [
    "EVERYONE",
    "FILE_NAME",
    "LOGS",
    "MARKERS",
    "MAX_FILE_BYTES",
    "REQUESTING_USER",
    "RESULTS",
    "USER_TEMPLATE",
    "Access",
    "Rule",
    "RuleFile",
    "UnknownTemplateError",
    "datasite_rules",
    "evaluate",
    "is_earlier_datasite_rules",
    "job_rules",
    "no_access",
    "owner_access",
    "parse",
    "parse_any_template",
    "printable_path",
]
