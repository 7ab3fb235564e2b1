"""Files and directories, opened so that nobody can lead us astray, written so that nobody sees a half.

The only room that writes into the tree. Every directory is opened relative to its parent without following links;
what is read is a plain file of bounded size; what is written appears whole or not at all. Each change to the disk is
counted first (`count_writes`), so that a test can stop the process at the k-th. It knows nothing of jobs.
"""

from .atomic_write import append, create, put, rename, whole_lines
from .cancellation import Interrupted, check_interrupted, interruptible
from .directories import directory, make_directory, make_new_directory, sync
from .entries import CHUNK, is_full, is_hole, kind_of, look, plain_file, read
from .file_copy import Copied, copy, hash_file
from .listing import first_names, list_names
from .modes import PASSABLE
from .os_errors import in_words, trouble
from .ownership import UnsafePath, find_unsafe, find_unsafe_entry, find_unsafe_file, require_safe
from .read_meter import METER, Reads, reads
from .removal import (
    RenamedTrees,
    discard,
    hold,
    is_temporary,
    removals_deferred,
    remove,
    remove_content,
    remove_temporaries,
    removing_with,
    temporary_name,
)
from .subtree import is_directory, names_below, open_plain, status_of
from .tree_walk import Entry, walk
from .write_hook import count_writes

__all__ = [
    "CHUNK",
    "METER",
    "PASSABLE",
    "Copied",
    "Entry",
    "Interrupted",
    "Reads",
    "RenamedTrees",
    "UnsafePath",
    "append",
    "check_interrupted",
    "copy",
    "count_writes",
    "create",
    "directory",
    "discard",
    "find_unsafe",
    "find_unsafe_entry",
    "find_unsafe_file",
    "first_names",
    "hash_file",
    "hold",
    "in_words",
    "interruptible",
    "is_directory",
    "is_full",
    "is_hole",
    "is_temporary",
    "kind_of",
    "list_names",
    "look",
    "make_directory",
    "make_new_directory",
    "names_below",
    "open_plain",
    "plain_file",
    "put",
    "read",
    "reads",
    "removals_deferred",
    "remove",
    "remove_content",
    "remove_temporaries",
    "removing_with",
    "rename",
    "require_safe",
    "status_of",
    "sync",
    "temporary_name",
    "trouble",
    "walk",
    "whole_lines",
]
