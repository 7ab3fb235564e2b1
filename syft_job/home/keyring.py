"""The keys of one home: where the private halves are, and how a key is made, published and rotated.

Invariants:

1. The home's own `key.json` decides which key is the present one; the datasite publishes a copy of it. Before the
   first rotation there is no such file, and `key` is the present one.
2. A rotation may be interrupted after any write: either the next key has not become the present one, or the next call
   of `settle` completes the rest.
3. A key that another home or person published is never overwritten.

Which key a signature must be made with is decided elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import Action, ConfigError, Remedy, UnreadableJob
from syft_job.format import signing
from syft_job.format.codec import load_json
from syft_job.format.key_history import (
    KEY_FILE,
    MAX_KEY_FILE_BYTES,
    KeyHistory,
    KeyRotation,
    encode,
    parse,
    subject_of_keys,
)
from syft_job.format.markers import now
from syft_job.format.signing import Key
from syft_job.model.job_ref import PUBLIC

from .contacts import read_published_keys
from .paths import HomePaths


class Keyring:
    """The keys of one home.

    Args:
        paths: the paths of the home.
        root: the shared folder.
        email: the participant's address.
    """

    def __init__(self, paths: HomePaths, root: Path, email: str) -> None:
        self._paths = paths
        self._root = root
        self._email = email
        self._cached: tuple[object, KeyHistory | None, frozenset[str]] = (None, None, frozenset())
        self._settled: KeyHistory | None = None
        self._private: dict[str, Key] = {}

    @property
    def history(self) -> KeyHistory | None:
        """The key history of this home; None while there is no key. Nothing is created or published."""
        return self._read_keys()[1]

    @property
    def held_keys(self) -> frozenset[str]:
        """The public halves of the keys whose private half is in this home."""
        return self._read_keys()[2]

    @property
    def is_settled(self) -> bool:
        """Whether `settle` has completed in this process, and no key was added since."""
        return self._settled is not None and self._settled == self.history

    @property
    def is_published(self) -> bool:
        """Whether the datasite publishes exactly this home's key history; needs no lock."""
        ours = self.history
        try:
            return ours is not None and read_published_keys(self._root, self._email) == ours
        except ConfigError:
            return False

    def private(self, public: str) -> Key | None:
        """Return the key with this public half, if its private half is here. Call it under the home's lock."""
        if public not in self._private:
            earlier = self._paths.earlier_key(signing.fingerprint(public))
            for path in (self._paths.private_key, earlier, self._paths.next_key):
                key = _read_key(path)
                if key is not None and key.public == public:
                    self._private[public] = key
                    break
        return self._private.get(public)

    def private_files(self) -> list[Path]:
        """Return the files and the directory of the private halves, as far as they exist."""
        directory = self._paths.earlier_keys
        earlier = [directory, *sorted(directory.iterdir())] if directory.is_dir() else []
        return [path for path in (self._paths.private_key, self._paths.next_key, *earlier) if path.exists()]

    def settle(self) -> Key:
        """Return the present key; create it on first use, publish it, and complete an interrupted rotation.

        Call it under the home's lock.

        Raises:
            ConfigError: another home has a newer key or the only one, or the private half is missing here.
            StoreError: the home or the shared folder cannot be written.
        """
        self.publish()
        history = self._own_history()
        key = _read_key(self._paths.private_key) if history is None else self._present_key(history)
        assert key is not None  # noqa: S101 - `publish` created it
        self._remove_temporaries()
        with fs.open_directory(self._paths.home) as home_fd:
            for path, content in (
                (self._paths.private_key, key.to_bytes()),
                (self._paths.public_key, f"{key.public}\n".encode()),
            ):
                if _read_bytes(path) != content:
                    fs.write_file(home_fd, path.name, content, mode=0o600)
            fs.remove(home_fd, self._paths.next_key.name)
        self._settled = self.history
        return key

    def publish(self, *, only_beside: str | None = None) -> None:
        """Publish the key history if none is published, or if an earlier one was restored over it.

        Another person's key is left in place, because it shows that someone impersonates this participant. Call it
        under the home's lock.

        Args:
            only_beside: an entry without which the datasite counts as not mounted, so that nothing is published; an
                unmounted datasite leaves an empty folder.

        Raises:
            ConfigError: see `settle`.
            StoreError: the home or the shared folder cannot be written.
        """
        history = self._own_history()
        key = _read_key(self._paths.private_key) if history is None else self._present_key(history)
        try:
            # Opened once: what is examined is what is written to, whatever is mounted there in the meantime.
            with fs.open_directory(self._root, self._email, create=key is None) as datasite_fd:
                if only_beside is None or fs.stat_entry(datasite_fd, only_beside) is not None:
                    self._publish_to(datasite_fd, history, key)
        except FileNotFoundError:
            if key is None:
                raise
            return  # the datasite is not mounted, perhaps nor is the shared folder: neither is created here

    def _publish_to(self, datasite_fd: int, history: KeyHistory | None, key: Key | None) -> None:
        with fs.open_directory(datasite_fd, *PUBLIC, create=True) as dir_fd:
            try:
                data = fs.read_file(dir_fd, KEY_FILE, limit=MAX_KEY_FILE_BYTES)
                theirs = None if data is None else parse(data, self._email)
            except UnreadableJob as error:
                if key is None:
                    raise ConfigError(f"The key.json of {self._email} is not valid: {error}") from error
                return  # `published_key_problem` reports it
            if key is None:
                if theirs is not None:
                    raise ConfigError(
                        f"A key is already published for {self._email}, and this home does not hold it. Work on the"
                        f" machine that made it, or move that home here ({self._paths.home}); never make a second one."
                    )
                key = Key.generate()
                with fs.open_directory(self._paths.home) as home_fd:
                    fs.write_file(home_fd, self._paths.private_key.name, key.to_bytes(), mode=0o600)
            ours = history or KeyHistory(key.public)
            if data is None or theirs is None or ours.knows(theirs.present):
                self._replace_published(dir_fd, key, data, theirs)
            elif theirs.knows(ours.present):
                raise ConfigError(self._superseded_message(ours, theirs))

    def published_key_problem(self) -> str | None:
        """Return what is wrong with the published key, in a sentence; None if nothing is, or if `publish` repairs it.

        The owner's own work does not depend on it: this home trusts its own keys.
        """
        try:
            theirs = read_published_keys(self._root, self._email)
        except ConfigError as error:
            return str(error)
        ours = self.history
        if theirs is None or ours is None or ours.knows(theirs.present):
            return None
        if theirs.knows(ours.present):
            return self._superseded_message(ours, theirs)
        return (
            f"The key published for {self._email} ({signing.fingerprint(theirs.present)}) is not this home's"
            f" ({signing.fingerprint(ours.present)}). Somebody may be posing as {self._email}, and what is submitted to"
            f" that key cannot be answered. Find out who wrote {self._published_path}; once it is removed, this home's"
            " key is published again: syft-job init"
        )

    def rotate(self, *, compromised: bool = False) -> KeyHistory:
        """Make a new key the present one and publish it; a call after an interrupted rotation only completes that one.

        The earlier keys stay, to answer the jobs that were submitted to them. Call it under the home's lock.

        Args:
            compromised: declare all earlier keys compromised, each by its own signature.

        Returns:
            The key history with the new key.

        Raises:
            ConfigError: there is no key yet, or there is a `published_key_problem`.
            StoreError: the home or the shared folder cannot be written.
        """
        history, next_key = self._own_history(), _read_key(self._paths.next_key)
        is_interrupted = history is not None and next_key is not None and next_key.public == history.present
        if self.history is None:
            raise ConfigError(
                f"There is no key of {self._email} in {self._paths.home} yet.",
                remedy=Remedy("To make one", Action.INIT),
            )
        if problem := self.published_key_problem():
            raise ConfigError(f"The key is not changed. {problem}")
        old = self.settle()
        history = self.history
        assert history is not None  # noqa: S101 - it is settled
        if is_interrupted and history.rotations[-1].compromised == compromised:
            return history
        new = Key.generate()
        rotations = [*history.rotations, KeyRotation(old.public, new.public, now())]
        entries = [self._signed_entry(rotation, compromised=compromised) for rotation in rotations]
        data = encode(self._email, new, entries)
        parse(data, self._email)  # nothing is written that others could not read
        fs.make_directory(self._paths.earlier_keys, mode=0o700)
        with (
            fs.open_directory(self._paths.home, self._paths.earlier_keys.name) as earlier_fd,
            fs.open_directory(self._paths.home) as home_fd,
        ):
            earlier = self._paths.earlier_key(signing.fingerprint(old.public))
            fs.write_file(earlier_fd, earlier.name, old.to_bytes(), mode=0o600)
            fs.write_file(home_fd, self._paths.next_key.name, new.to_bytes(), mode=0o600)
            fs.write_file(home_fd, KEY_FILE, data, mode=0o600)  # from here on the new key is the present one
        self.settle()
        rotated = self.history
        assert rotated is not None  # noqa: S101 - it is settled
        return rotated

    @property
    def _published_path(self) -> str:
        return "/".join((self._email, *PUBLIC, KEY_FILE))

    def _read_keys(self) -> tuple[object, KeyHistory | None, frozenset[str]]:
        """Return a stamp of the key files, the key history and the held keys, read again only if the stamp changed."""
        for path in (self._paths.key_history, self._paths.public_key, self._paths.private_key):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            stamp = (path.name, status.st_mtime_ns, status.st_ino, status.st_size)
            if self._cached[0] != stamp:
                history = self._own_history() or KeyHistory(self._first_public_key())
                held = {
                    rotation.key
                    for rotation in history.rotations
                    if self._paths.earlier_key(signing.fingerprint(rotation.key)).exists()
                }
                self._cached = (stamp, history, frozenset({history.present, *held}))
            return self._cached
        return (None, None, frozenset())

    def _first_public_key(self) -> str:
        """Return the public half of the key of a home that was never rotated."""
        data = _read_bytes(self._paths.public_key)
        if data is not None:
            public = data.decode("ascii", "replace").strip()
            if signing.is_public_key(public):
                return public
        return Key.from_bytes(self._paths.private_key.read_bytes()).public

    def _own_history(self) -> KeyHistory | None:
        data = _read_bytes(self._paths.key_history)
        try:
            return None if data is None else parse(data, self._email, verified=False)
        except UnreadableJob as error:
            raise ConfigError(f"{self._paths.key_history} is damaged: {error}. Restore it from a backup.") from error

    def _present_key(self, history: KeyHistory) -> Key:
        key = self.private(history.present)
        if key is None:
            raise ConfigError(
                f"The private half of the present key ({signing.fingerprint(history.present)}) is not in"
                f" {self._paths.home}. Restore the file 'key' from a backup made after the last rotation."
            )
        return key

    def _replace_published(self, dir_fd: int, key: Key, published: bytes | None, theirs: KeyHistory | None) -> None:
        """Write this home's key history to the open public directory, or take over a longer one from there.

        A home whose key alone was restored from a backup has no history of its own; the published one has it.
        """
        own = _read_bytes(self._paths.key_history)
        if own is None and theirs is not None:
            if theirs.rotations and published is not None:
                with fs.open_directory(self._paths.home) as home_fd:
                    fs.write_file(home_fd, KEY_FILE, published, mode=0o600)
        elif published is None or published != own:
            fs.write_file(dir_fd, KEY_FILE, own or encode(self._email, key, []), temporary=f".{KEY_FILE}.tmp")

    def _remove_temporaries(self) -> None:
        for directory in (self._paths.home, self._paths.earlier_keys):
            if directory.is_dir():
                with fs.open_directory(directory) as dir_fd:
                    fs.remove_temporaries(dir_fd)

    def _signed_entry(self, rotation: KeyRotation, *, compromised: bool) -> dict[str, Any]:
        """Return the entry of a rotation, signed by the earlier key; unchanged if its private half is lost."""
        key = self.private(rotation.key)
        if key is None:
            data = _read_bytes(self._paths.key_history) or b"{}"
            entries = load_json(data, limit=MAX_KEY_FILE_BYTES).get("before", [])
            return next(dict(entry) for entry in entries if entry["key"] == rotation.key)
        entry: dict[str, Any] = {"key": rotation.key, "next": rotation.next, "at": rotation.at}
        if rotation.compromised or compromised:
            entry["compromised"] = True
        return entry | {"seal": key.sign("passage", subject_of_keys(self._email), entry)}

    def _superseded_message(self, ours: KeyHistory, theirs: KeyHistory) -> str:
        return (
            f"The key published for {self._email} ({signing.fingerprint(theirs.present)}) took the place of this home's"
            f" ({signing.fingerprint(ours.present)}): this home is from before that. Restore the newer one, or move it"
            f" here ({self._paths.home}). If it is lost, or you never changed your key, which means that somebody else"
            f" has it: remove {self._published_path}, then syft-job keys rotate --compromised"
        )


def _read_key(path: Path) -> Key | None:
    data = _read_bytes(path)
    return None if data is None else Key.from_bytes(data)


def _read_bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
