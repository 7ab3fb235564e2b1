"""The keys of one home: where the private halves lie, and how one is made, published and changed.

The home's own `key.json` decides which key is the present one; what lies in the datasite is a copy of it. A change can
be stopped after any write: either the next key was never the present one, or the rest is done at the next occasion.
Which key a statement must be sealed with is decided elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import Action, ConfigError, Remedy, UnreadableJob
from syft_job.format import signing
from syft_job.format.codec import load_json
from syft_job.format.key_history import KEY_FILE, LIMIT, KeyHistory, KeyRotation, document, key_place, parse
from syft_job.format.markers import now
from syft_job.format.signing import Key
from syft_job.model.job_ref import PUBLIC

from .contacts import published

EARLIER = "keys"
NEXT = "key.next"


class Keyring:
    """The keys of one home.

    `key` is the private half of the present key and `key.pub` its public one; `keys/` has those before it. From the
    first rotation on, `key.json` here says which key is the present one, and is what the datasite publishes.
    """

    def __init__(self, home: Path, root: Path, email: str) -> None:
        self._home = home
        self._root = root
        self._email = email
        self._read: tuple[object, KeyHistory | None, frozenset[str]] = (None, None, frozenset())
        self._settled: KeyHistory | None = None
        self._private: dict[str, Key] = {}

    @property
    def chain(self) -> KeyHistory | None:
        """The keys of this home, or None while there is none; looking makes and publishes nothing."""
        return self._look()[1]

    @property
    def held(self) -> frozenset[str]:
        """The keys whose private half is here."""
        return self._look()[2]

    @property
    def is_settled(self) -> bool:
        """Whether `settle` had nothing left to do when it was last called, and no key came since."""
        return self._settled is not None and self._settled == self.chain

    @property
    def is_published(self) -> bool:
        """Whether the datasite has the present key with all that it followed; needs no lock."""
        ours = self.chain
        try:
            return ours is not None and published(self._root, self._email) == ours
        except ConfigError:
            return False

    def private(self, public: str) -> Key | None:
        """The key whose public half is ``public``, if it is here. Call it under the home's lock."""
        if public not in self._private:
            for name in ("key", f"{EARLIER}/{_name(public)}", NEXT):
                key = self._key_in(name)
                if key is not None and key.public == public:
                    self._private[public] = key
                    break
        return self._private.get(public)

    def files(self) -> list[Path]:
        """The files and the folder of the private halves, as far as they are here."""
        folder = self._home / EARLIER
        earlier = [folder, *sorted(folder.iterdir())] if folder.is_dir() else []
        return [path for path in (self._home / "key", self._home / NEXT, *earlier) if path.exists()]

    def settle(self) -> Key:
        """The present key, made on first use; it is published, and a rotation that was cut short is brought to its end.

        Call it under the home's lock.

        Raises:
            ConfigError: another home has a newer key or the only one, or the private half is missing here.
        """
        self.publish()
        chain = self._own_copy()
        key = self._key_in("key") if chain is None else self._present(chain)
        assert key is not None  # noqa: S101 - it was published just now
        self._tidy()
        with fs.directory(self._home) as opened:
            if self._bytes("key") != key.to_bytes():
                fs.put(opened, "key", key.to_bytes(), mode=0o600)
            if self._bytes("key.pub") != f"{key.public}\n".encode():
                fs.put(opened, "key.pub", f"{key.public}\n".encode(), mode=0o600)
            fs.remove(opened, NEXT)
        self._settled = self.chain
        return key

    def publish(self, *, beside: str | None = None) -> None:
        """Publish the present key where nothing lies, or an earlier one that a transport brought back.

        Somebody else's is left where it is: it shows that somebody poses as this person. Call it under the home's lock.

        Args:
            beside: what lies in the datasite, too, unless it is away: an unmounted one leaves an empty folder.

        Raises:
            ConfigError: see `settle`.
        """
        chain, key = self._own_copy(), self._key_in("key")
        if chain is not None:
            key = self._present(chain)
        try:
            # Opened once: what is looked at is what is written into, whatever is mounted there meanwhile.
            with fs.directory(self._root, self._email, create=key is None) as datasite:
                if beside is None or fs.look(datasite, beside) is not None:
                    self._publish_in(datasite, chain, key)
        except FileNotFoundError:
            if key is None:
                raise
            return  # the datasite is away, with the folder perhaps: none is made in its stead

    def _publish_in(self, datasite: int, chain: KeyHistory | None, key: Key | None) -> None:
        with fs.directory(datasite, *PUBLIC, create=True) as opened:
            try:
                lying = fs.read(opened, KEY_FILE, limit=LIMIT)
                theirs = None if lying is None else parse(lying, self._email)
            except UnreadableJob as error:
                if key is None:
                    raise ConfigError(f"The key.json of {self._email} cannot be believed: {error}") from error
                return  # `trouble` tells it
            if key is None:
                if theirs is not None:
                    raise ConfigError(
                        f"A key is already published for {self._email}, and this home does not hold it. Work on the"
                        f" machine that made it, or move that home here ({self._home}); never make a second one."
                    )
                key = Key.generate()
                with fs.directory(self._home) as home:
                    fs.put(home, "key", key.to_bytes(), mode=0o600)
            ours = chain or KeyHistory(key.public)
            if lying is None or theirs is None or ours.knows(theirs.present):
                self._replace(opened, key, lying, theirs)
            elif theirs.knows(ours.present):
                raise ConfigError(self._older_words(ours, theirs))

    def trouble(self) -> str | None:
        """What is wrong with the published key, in a sentence, or None; no trouble is one that `publish` mends.

        The owner's own work does not depend on it: what counts here are the keys in the home.
        """
        try:
            theirs = published(self._root, self._email)
        except ConfigError as error:
            return str(error)
        ours = self.chain
        if theirs is None or ours is None or ours.knows(theirs.present):
            return None
        if theirs.knows(ours.present):
            return self._older_words(ours, theirs)
        return (
            f"The key published for {self._email} ({signing.fingerprint(theirs.present)}) is not this home's"
            f" ({signing.fingerprint(ours.present)}). Somebody may be posing as {self._email}, and what is submitted to"
            f" that key cannot be answered. Find out who wrote {self._where}; once it is removed, this home's key is"
            " published again: syft-job init"
        )

    def rotate(self, *, compromised: bool = False) -> KeyHistory:
        """Make a new key the present one. One that was cut short is only brought to its end by the next call.

        The earlier keys stay, to answer what was submitted to them. With ``compromised`` all of them are given up, in
        words that others can check. Call it under the home's lock.

        Raises:
            ConfigError: there is no key yet, or `trouble` with the published one.
        """
        chain, coming = self._own_copy(), self._key_in(NEXT)
        is_cut_short = chain is not None and coming is not None and coming.public == chain.present
        if self.chain is None:
            raise ConfigError(
                f"There is no key of {self._email} in {self._home} yet.", remedy=Remedy("To make one", Action.INIT)
            )
        if trouble := self.trouble():
            raise ConfigError(f"The key is not changed. {trouble}")
        old = self.settle()
        chain = self.chain
        assert chain is not None  # noqa: S101 - it is settled
        if is_cut_short and chain.before[-1].compromised == compromised:
            return chain
        new = Key.generate()
        passages = [*chain.before, KeyRotation(old.public, new.public, now())]
        before = [self._sealed(one, gives_up=compromised) for one in passages]
        data = document(self._email, new, before)
        parse(data, self._email)  # nothing is begun that others could not read
        fs.make_directory(self._home / EARLIER, mode=0o700)
        with fs.directory(self._home, EARLIER) as earlier, fs.directory(self._home) as home:
            fs.put(earlier, _name(old.public), old.to_bytes(), mode=0o600)
            fs.put(home, NEXT, new.to_bytes(), mode=0o600)
            fs.put(home, KEY_FILE, data, mode=0o600)  # from here on the new one is the present one
        self.settle()
        rotated = self.chain
        assert rotated is not None  # noqa: S101 - the same
        return rotated

    @property
    def _where(self) -> str:
        return "/".join((self._email, *PUBLIC, KEY_FILE))

    def _look(self) -> tuple[object, KeyHistory | None, frozenset[str]]:
        for name in (KEY_FILE, "key.pub", "key"):
            try:
                found = (self._home / name).stat()
            except FileNotFoundError:
                continue
            stamp = (name, found.st_mtime_ns, found.st_ino, found.st_size)
            if self._read[0] != stamp:
                chain = self._own_copy() or KeyHistory(self._public())
                folder = self._home / EARLIER
                held = {one.key for one in chain.before if (folder / _name(one.key)).exists()}
                self._read = (stamp, chain, frozenset({chain.present, *held}))
            return self._read
        return (None, None, frozenset())

    def _public(self) -> str:
        """The public half of the present key of a home that never had another one."""
        said = self._bytes("key.pub")
        if said is not None:
            public = said.decode("ascii", "replace").strip()
            if signing.is_key(public):
                return public
        return Key.from_bytes((self._home / "key").read_bytes()).public

    def _own_copy(self) -> KeyHistory | None:
        data = self._bytes(KEY_FILE)
        try:
            return None if data is None else parse(data, self._email, checked=False)
        except UnreadableJob as error:
            raise ConfigError(f"{self._home / KEY_FILE} is damaged: {error}. Restore it from a backup.") from error

    def _present(self, chain: KeyHistory) -> Key:
        key = self.private(chain.present)
        if key is None:
            raise ConfigError(
                f"The private half of the present key ({signing.fingerprint(chain.present)}) is not in {self._home}."
                " Restore the file 'key' from a backup made after the last rotation."
            )
        return key

    def _replace(self, opened: int, key: Key, lying: bytes | None, theirs: KeyHistory | None) -> None:
        """Lay what this home publishes into the open folder, or learn from it what a restored key alone did not say."""
        copy = self._bytes(KEY_FILE)
        if copy is None and theirs is not None:
            if theirs.before and lying is not None:
                with fs.directory(self._home) as home:
                    fs.put(home, KEY_FILE, lying, mode=0o600)
        elif lying is None or lying != copy:
            fs.put(opened, KEY_FILE, copy or document(self._email, key, []), temporary=f".{KEY_FILE}.tmp")

    def _tidy(self) -> None:
        """Remove what somebody who was stopped had half written here."""
        for folder in (self._home, self._home / EARLIER):
            if folder.is_dir():
                with fs.directory(folder) as opened:
                    fs.remove_temporaries(opened)

    def _sealed(self, passage: KeyRotation, *, gives_up: bool) -> dict[str, Any]:
        """The entry of a passage, sealed by the key that is left; one whose private half is gone stays as it was."""
        key = self.private(passage.key)
        if key is None:
            entries = load_json(self._bytes(KEY_FILE) or b"{}", limit=LIMIT).get("before", [])
            return next(dict(entry) for entry in entries if entry["key"] == passage.key)
        said: dict[str, Any] = {"key": passage.key, "next": passage.next, "at": passage.at}
        if passage.compromised or gives_up:
            said["compromised"] = True
        return said | {"seal": key.seal("passage", key_place(self._email), said)}

    def _older_words(self, ours: KeyHistory, theirs: KeyHistory) -> str:
        return (
            f"The key published for {self._email} ({signing.fingerprint(theirs.present)}) took the place of this home's"
            f" ({signing.fingerprint(ours.present)}): this home is from before that. Restore the newer one, or move it"
            f" here ({self._home}). If it is lost, or you never changed your key, which means that somebody else has"
            f" it: remove {self._where}, then syft-job keys rotate --compromised"
        )

    def _key_in(self, name: str) -> Key | None:
        data = self._bytes(name)
        return None if data is None else Key.from_bytes(data)

    def _bytes(self, name: str) -> bytes | None:
        try:
            return (self._home / name).read_bytes()
        except FileNotFoundError:
            return None


def _name(public: str) -> str:
    """The name of the file below `keys` that holds this key: its fingerprint without the gaps."""
    return signing.fingerprint(public).replace(" ", "")
