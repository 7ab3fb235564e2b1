"""Permission files in SyftBox's words: who may read, write or administer what in a datasite.

The rules, in the order in which a question meets them:

1. The owner may do everything; nothing is opened for that.
2. Of the files ``syft.pub.yaml`` in the folders on the way from the datasite to the path, the nearest one decides
   alone. Nothing is merged. A file with ``terminal: true`` ends the way: what lies below it is not heard.
3. In the file that decides, the most specific pattern that matches decides alone. No match means no.
4. Who may administer may write, and who may write may read. To write a permission file one has to administer it.
5. What cannot be understood (a broken or oversized file, a link, a FIFO) lets nobody through but the owner.

This room reads permission files and builds the bytes of ours. It does not write them, it does not know who wrote
the ones it finds, and nothing here makes a folder keep to its rules: that is the transport's part.
"""

from .evaluate import Answer, explain, may_admin, may_read, may_write
from .pattern import ASKING_USER, EVERYBODY, TEMPLATE, Rule
from .rule_file import (
    FILE_BYTES,
    FILE_NAME,
    LOGS,
    MARKERS,
    RESULTS,
    RuleFile,
    datasite_rules,
    is_earlier_datasite_rules,
    job_rules,
    parse,
)

__all__ = [
    "ASKING_USER",
    "EVERYBODY",
    "FILE_BYTES",
    "FILE_NAME",
    "LOGS",
    "MARKERS",
    "RESULTS",
    "TEMPLATE",
    "Answer",
    "Rule",
    "RuleFile",
    "datasite_rules",
    "explain",
    "is_earlier_datasite_rules",
    "job_rules",
    "may_admin",
    "may_read",
    "may_write",
    "parse",
]
