"""Decide whether other local users could replace what is at a path.

The model is OpenSSH's ``safe_path()``: a private directory is as safe as the least safe directory on the way to it.
This module only examines paths; it changes nothing and knows nothing of homes and jobs.

Invariants, for a path that `find_unsafe` accepts, with *user* the effective user of this process:

1. Each existing directory on the way, "/" and the last one included, belongs to *user* or to root.
2. None of them is writable by others. A group may write only if it is the private group of *user* or of root: it has
   the same name, it is the user's primary group, it has no other member, and the directory has no access control list
   (with one, the group bits are the mask of all named users and groups).
3. One exception: a sticky directory of root's, such as /tmp, may be writable by others if the next component belongs to
   *user* (not merely to root, whose programs remove and recreate things there) and is no symbolic link. The last
   directory of the path is never excepted.
4. Symbolic links are resolved component by component, relative to open descriptors; the directories on the way to a
   link and those on the way to its target satisfy 1 to 3 alike.

Components that do not exist yet are accepted: `make_directory` creates them privately and refuses those of others.

A directory that is closed today may have been open before, so `find_unsafe_entry` applies 1 and 2 to its entries. A
file that belongs to another user can be changed by that user, whatever the mode of its directory is.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from syft_job.errors import StoreError

MAX_LINKS = 40
"""The number of symbolic links that Linux follows in one path (path_resolution(7))."""

_DIRECTORY_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ENTRY_FLAGS = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_NOFOLLOW | os.O_CLOEXEC
_ROOT_UID = 0
_ACCESS_ACL = "system.posix_acl_access"


@dataclass(frozen=True, slots=True)
class UnsafePath:
    """A directory or file that makes a path unsafe: its path, the reason, and the command or step that repairs it."""

    path: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path!r} {self.reason}. {self.remedy}"


def require_safe(path: Path, purpose: str, *, setting: str) -> None:
    """Return if no other local user can replace the directory ``path`` or its entries.

    Args:
        path: an absolute path; components that do not exist yet are accepted.
        purpose: what the directory is, for the message, such as "the home".
        setting: the environment variable that chooses another directory.

    Raises:
        StoreError: one of the directories on the way is unsafe; the message names it and the command that repairs it.
    """
    unsafe = find_unsafe(path)
    if unsafe is not None:
        subject = purpose[:1].upper() + purpose[1:]
        raise StoreError(
            f"{subject} {str(path)!r} is not safe from other users: {unsafe}, or choose another directory with"
            f" {setting}."
        )


def find_unsafe(path: Path) -> UnsafePath | None:
    """Return the first directory on the way to ``path`` that breaks an invariant of this module, or None.

    Raises:
        StoreError: the path cannot be examined: it leads through a file or through too many links.
    """
    user = os.geteuid()
    remaining = list(reversed(path.absolute().parts[1:]))
    links = 0
    directory = "/"
    dir_fd = os.open(directory, _DIRECTORY_FLAGS)
    try:
        while True:
            directory_status = os.fstat(dir_fd)
            is_shared = _is_shared_sticky(directory_status) and bool(remaining)
            if not is_shared and (unsafe := _unsafe_reason(dir_fd, directory, directory_status, user)):
                return unsafe
            if not remaining:
                return None
            name = remaining.pop()
            inner = _join(directory, name)
            try:
                status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
            except FileNotFoundError:
                return None
            if is_shared and name != ".." and (unsafe := _unsafe_below_sticky(directory, inner, status, user)):
                return unsafe
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if links > MAX_LINKS:
                    raise StoreError(f"The path {str(path)!r} leads through more than {MAX_LINKS} symbolic links.")
                target = os.readlink(name, dir_fd=dir_fd)
                remaining.extend(reversed([part for part in target.split("/") if part not in ("", ".")]))
                if target.startswith("/"):
                    directory, next_fd = "/", os.open("/", _DIRECTORY_FLAGS)
                else:
                    continue
            elif not stat.S_ISDIR(status.st_mode):
                raise StoreError(f"The path {str(path)!r} leads through {inner!r}, which is not a directory.")
            else:
                directory, next_fd = inner, os.open(name, _DIRECTORY_FLAGS, dir_fd=dir_fd)
            os.close(dir_fd)
            dir_fd = next_fd
    except OSError as error:
        raise StoreError(f"The path {str(path)!r} cannot be examined: {error}.", errno=error.errno) from error
    finally:
        os.close(dir_fd)


def find_unsafe_entry(directory: Path) -> UnsafePath | None:
    """Return the first entry of ``directory`` that other users could change, or None; deeper levels are not examined.

    A symbolic link counts as safe if it belongs to the user or root.

    Raises:
        StoreError: the directory cannot be listed.
    """
    user = os.geteuid()
    try:
        dir_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with os.scandir(dir_fd) as entries:
                for entry in entries:
                    if unsafe := _unsafe_entry(dir_fd, entry, str(directory / entry.name), user):
                        return unsafe
        finally:
            os.close(dir_fd)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"The folder {str(directory)!r} cannot be examined: {error}.", errno=error.errno) from error
    return None


def _unsafe_entry(dir_fd: int, entry: os.DirEntry[str], path: str, user: int) -> UnsafePath | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # a temporary file
    if status.st_uid not in (user, _ROOT_UID):
        reason = f"belongs to {_user_name(status.st_uid)}, who can change it, and this process runs as"
        remedy = "Find out how it came there, and restore your own from a backup, or remove it"
        return UnsafePath(path, f"{reason} {_user_name(user)}", remedy)
    if stat.S_ISLNK(status.st_mode) or not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return None
    try:
        descriptor = os.open(entry.name, _ENTRY_FLAGS, dir_fd=dir_fd)
    except OSError:
        return None  # removed, or replaced by a link, in a directory that only this user writes to
    try:
        return _unsafe_reason(descriptor, path, os.fstat(descriptor), user)
    finally:
        os.close(descriptor)


def find_unsafe_file(descriptor: int, path: Path) -> UnsafePath | None:
    """Return why other users could have written an open file, or None: invariants 1 and 2 for the file itself.

    Args:
        descriptor: the open file.
        path: its path, for the message.
    """
    return _unsafe_reason(descriptor, str(path), os.fstat(descriptor), os.geteuid())


def _join(directory: str, name: str) -> str:
    if name == "..":
        return os.path.dirname(directory)
    return f"{directory.rstrip('/')}/{name}"


def _is_shared_sticky(status: os.stat_result) -> bool:
    """Return True if this is a directory like /tmp: writable by others, but sticky and owned by root."""
    is_writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return bool(is_writable and status.st_mode & stat.S_ISVTX and status.st_uid == _ROOT_UID)


def _unsafe_below_sticky(directory: str, path: str, status: os.stat_result, user: int) -> UnsafePath | None:
    """Return why the entry ``path`` of a shared sticky directory breaks invariant 3, or None."""
    if stat.S_ISLNK(status.st_mode):
        reason = f"is a symbolic link in {directory!r}, where every user may write"
        return UnsafePath(path, reason, "Name the directory that it leads to")
    if status.st_uid != user:
        return _owned_by_other(path, status.st_uid, user, where=f" in {directory!r}, where every user may write")
    return None


def _unsafe_reason(descriptor: int, path: str, status: os.stat_result, user: int) -> UnsafePath | None:
    """Return why an open directory or file breaks invariant 1 or 2, or None."""
    if status.st_uid not in (user, _ROOT_UID):
        return _owned_by_other(path, status.st_uid, user)
    mode = stat.S_IMODE(status.st_mode)
    quoted = _shell_quoted(path)
    if mode & stat.S_IWOTH:
        return UnsafePath(path, f"can be written by every user (mode {mode:04o})", f"Run: chmod go-w {quoted}")
    if not mode & stat.S_IWGRP:
        return None
    if _has_access_list(descriptor):
        reason = f"can be written by those whom its access control list names (mode {mode:04o})"
        return UnsafePath(path, reason, f"Run: setfacl -b {quoted} && chmod g-w {quoted}")
    if any(_is_private_group(status.st_gid, owner) for owner in {user, _ROOT_UID}):
        return None
    reason = f"can be written by the group {_group_name(status.st_gid)} (mode {mode:04o})"
    return UnsafePath(path, reason, f"Run: chmod g-w {quoted}")


def _owned_by_other(path: str, owner: int, user: int, where: str = "") -> UnsafePath:
    own_name, owner_name = _user_name(user), _user_name(owner)
    reason = f"belongs to {owner_name}{where}, and this process runs as {own_name}"
    if user == _ROOT_UID:
        return UnsafePath(path, reason, f"Run it as {owner_name}")
    return UnsafePath(path, reason, f"Run it as {owner_name}, let root run: chown {user} {_shell_quoted(path)}")


def _shell_quoted(path: str) -> str:
    import shlex  # only a refusal needs it

    return shlex.quote(path)


def _has_access_list(descriptor: int) -> bool:
    """Return True if a POSIX access control list grants more than the mode; False if the system has none."""
    if not hasattr(os, "getxattr"):
        return False
    try:
        # A descriptor that was opened with O_PATH has no extended attributes of its own, the name in /proc has.
        return bool(os.getxattr(f"/proc/self/fd/{descriptor}", _ACCESS_ACL))
    except OSError:
        return False  # ENODATA: none; ENOTSUP: the file system has none; without /proc the mode is all there is


@lru_cache(maxsize=64)
def _is_private_group(gid: int, uid: int) -> bool:
    """Return True if the group is the user private group of ``uid`` and has no other member."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    if group.gr_name != user.pw_name or user.pw_gid != gid or set(group.gr_mem) - {user.pw_name}:
        return False
    return all(entry.pw_uid == uid for entry in pwd.getpwall() if entry.pw_gid == gid)


def _user_name(uid: int) -> str:
    """Return the name of a user, or its number if it has no name."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _group_name(gid: int) -> str:
    """Return the quoted name of a group, or its number if it has no name."""
    import grp

    try:
        return repr(grp.getgrgid(gid).gr_name)
    except KeyError:
        return str(gid)
