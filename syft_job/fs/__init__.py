"""Race-free file access relative to directory descriptors.

Invariants:

1. Only this package writes to the shared folder, and only by descriptor: every directory is opened relative to its
   parent, and no symbolic link is followed.
2. Reads are bounded: a regular file up to a given size, a directory up to a given number of entries.
3. Writes are atomic, and durable unless the caller passes ``durable=False``.
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
    "CHUNK_BYTES",
    "METER",
    "TRAVERSABLE_MODE",
    "Copied",
    "Entry",
    "Interrupted",
    "PendingRemovals",
    "ReadCounts",
    "UnsafePath",
    "append_line",
    "check_interrupted",
    "complete_lines_size",
    "copy_file",
    "create_file",
    "defer_removals",
    "describe_type",
    "discard",
    "find_unsafe",
    "find_unsafe_entry",
    "find_unsafe_file",
    "first_names",
    "fsync_directory",
    "hash_file",
    "hook_writes",
    "interruptible",
    "is_directory",
    "is_disk_full",
    "is_hole",
    "is_temporary",
    "list_names",
    "make_directory",
    "make_new_directory",
    "mark_in_use",
    "names_below",
    "open_directory",
    "open_file_below",
    "open_regular_file",
    "read_counts",
    "read_file",
    "redirect_removals",
    "remove",
    "remove_content",
    "remove_temporaries",
    "rename",
    "require_safe",
    "stat_below",
    "stat_entry",
    "store_error",
    "temporary_name",
    "translate_os_errors",
    "walk",
    "write_file",
]
