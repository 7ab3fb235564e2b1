"""Files and directories, opened so that nobody can lead us astray, written so that nobody sees a half.

The only room that writes into the tree. Every directory is opened relative to its parent without following links;
what is read is a plain file of bounded size; what is written appears whole or not at all. Each change to the disk is
counted first (`count_writes`), so that a test can stop the process at the k-th. It knows nothing of jobs.
"""

from .copying import Copied, copy, hash_file
from .counting import count_writes
from .looking import CHUNK, is_full, kind_of, look, plain_file, read
from .places import directory, make_directory, make_new_directory, sync
from .removing import discard, hold, is_temporary, remove, remove_temporaries, temporary_name
from .walking import Entry, walk
from .words import in_words, trouble
from .writing import append, create, put, rename, whole_lines

__all__ = [
    "CHUNK",
    "Copied",
    "Entry",
    "append",
    "copy",
    "count_writes",
    "create",
    "directory",
    "discard",
    "hash_file",
    "hold",
    "in_words",
    "is_full",
    "is_temporary",
    "kind_of",
    "look",
    "make_directory",
    "make_new_directory",
    "plain_file",
    "put",
    "read",
    "remove",
    "remove_temporaries",
    "rename",
    "sync",
    "temporary_name",
    "trouble",
    "walk",
    "whole_lines",
]
