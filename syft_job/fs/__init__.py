"""Race-free file access relative to directory descriptors.

Invariants:

1. Only this package writes to the shared folder, and only by descriptor: every directory is opened relative to its
   parent, and no symbolic link is followed.
2. Reads are bounded: a regular file up to a given size, a directory up to a given number of entries.
3. Writes are atomic, and durable unless the caller says otherwise.
4. `write_hook` is called before each change to the disk, so that a crash test can stop the process at the k-th one.

The package knows nothing of jobs. `mounts`, `probe` and `watch` are imported by their own names.
"""

from .atomic_write import append_line, complete_lines_size, create_file, rename, write_file
from .cancellation import Interrupted, check_interrupted, interruptible
from .directories import fsync_directory, make_directory, make_new_directory, open_directory
from .entries import CHUNK_BYTES, describe_type, is_disk_full, is_hole, open_regular_file, read_file, stat_entry
from .file_copy import Copied, copy_file, hash_file
from .listing import first_names, list_names
from .modes import TRAVERSABLE_MODE
from .os_errors import store_error, translate_os_errors
from .ownership import UnsafePath, find_unsafe, find_unsafe_entry, find_unsafe_file, require_safe
from .read_meter import METER, ReadCounts, read_counts
from .removal import (
    PendingRemovals,
    defer_removals,
    discard,
    mark_in_use,
    redirect_removals,
    remove,
    remove_content,
    remove_temporaries,
)
from .subtree import is_directory, names_below, open_file_below, stat_below
from .temporary_names import is_temporary, temporary_name
from .tree_walk import Entry, walk
from .write_hook import hook_writes

__all__ = [
    "CHUNK",
    "CHUNK_BYTES",
    "METER",
    "PASSABLE",
    "TRAVERSABLE_MODE",
    "Copied",
    "Entry",
    "Interrupted",
    "PendingRemovals",
    "ReadCounts",
    "Reads",
    "RenamedTrees",
    "UnsafePath",
    "append",
    "append_line",
    "check_interrupted",
    "complete_lines_size",
    "copy",
    "copy_file",
    "count_writes",
    "create",
    "create_file",
    "defer_removals",
    "describe_type",
    "directory",
    "discard",
    "find_unsafe",
    "find_unsafe_entry",
    "find_unsafe_file",
    "first_names",
    "fsync_directory",
    "hash_file",
    "hold",
    "hook_writes",
    "in_words",
    "interruptible",
    "is_directory",
    "is_disk_full",
    "is_full",
    "is_hole",
    "is_temporary",
    "kind_of",
    "list_names",
    "look",
    "make_directory",
    "make_new_directory",
    "mark_in_use",
    "names_below",
    "open_directory",
    "open_file_below",
    "open_plain",
    "open_regular_file",
    "plain_file",
    "put",
    "read",
    "read_counts",
    "read_file",
    "reads",
    "redirect_removals",
    "removals_deferred",
    "remove",
    "remove_content",
    "remove_temporaries",
    "removing_with",
    "rename",
    "require_safe",
    "stat_below",
    "stat_entry",
    "status_of",
    "store_error",
    "sync",
    "temporary_name",
    "translate_os_errors",
    "trouble",
    "walk",
    "whole_lines",
    "write_file",
]

# The names by which other packages still call them; the commits that rename the callers remove this block.
CHUNK = CHUNK_BYTES
PASSABLE = TRAVERSABLE_MODE
Reads = ReadCounts
RenamedTrees = PendingRemovals
append = append_line
copy = copy_file
count_writes = hook_writes
create = create_file
directory = open_directory
hold = mark_in_use
in_words = translate_os_errors
is_full = is_disk_full
kind_of = describe_type
look = stat_entry
open_plain = open_file_below
plain_file = open_regular_file
put = write_file
read = read_file
reads = read_counts
removals_deferred = defer_removals
removing_with = redirect_removals
status_of = stat_below
sync = fsync_directory
trouble = store_error
whole_lines = complete_lines_size
