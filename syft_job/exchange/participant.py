"""The local participant: address, private home, and which public keys count for which person."""

from __future__ import annotations

from dataclasses import dataclass, field

from syft_job.errors import ConfigError, StoreError
from syft_job.format.key_history import KeyHistory
from syft_job.format.manifest import JobSpec, SubmissionLimits
from syft_job.format.signing import Key
from syft_job.fs.mounts import has_sized_directories, settle_time_s
from syft_job.home import contacts
from syft_job.home.home import Home
from syft_job.model.job_ref import JobRef


@dataclass(slots=True)
class Participant:
    """A person who acts or reads on this machine, with their home and the limits that they accept."""

    email: str
    home: Home
    limits: SubmissionLimits = field(default_factory=SubmissionLimits)
    _chains: dict[str, KeyHistory | None] = field(default_factory=dict)
    _held: frozenset[str] | None = None
    _settles: float | None = None
    _has_sized_directories: bool | None = None

    def owns(self, place: JobRef) -> bool:
        """Whether the job is in this person's own datasite."""
        return place.owner == self.email

    def owner_keys(self, place: JobRef, spec: JobSpec | None) -> frozenset[str]:
        """The keys of which the owner's markers must be signed with one; none where none is known.

        That is the key which the job was submitted to. For the owner it counts only where the home holds it. Where the
        job names none, it is any that the owner did not give up: by the home for the owner, by `key.json` for others.
        """
        chain = self.chain_of(place.owner)
        pinned = spec.owner_key if spec is not None else None
        if not pinned:
            return chain.trusted_keys if chain is not None else frozenset()
        if not self.owns(place) or pinned in self.held:
            return frozenset({pinned})
        return frozenset({chain.present}) if chain is not None else frozenset()

    def answering_key(self, spec: JobSpec | None) -> Key:
        """The key to sign the owner's markers with: the one that the job was submitted to, else the present one.

        Raises:
            ConfigError: see `Home.key`.
        """
        present = self.home.key()
        return self.home.key_for(spec.owner_key if spec is not None else None) or present

    def doubt(self, place: JobRef, spec: JobSpec | None) -> str | None:
        """Why its submitter cannot check, or should not rely on, the owner's markers; None where it can."""
        pinned, chain = spec.owner_key if spec is not None else None, self.chain_of(place.owner)
        if not pinned or chain is None:
            return None
        is_given_up = pinned in chain.compromised_keys
        if not self.owns(place):
            given_up = f"{place.owner} gave up the key that this was submitted to, because others may have it:"
            return f"{given_up} do not rely on the answers here, and submit it anew" if is_given_up else None
        if pinned not in self.held:
            return "it was submitted to another key than yours: its submitter cannot check your answer"
        given_up = "it was submitted to a key that you gave up: its submitter is warned not to rely on your answer"
        return f"{given_up}, and should submit it anew" if is_given_up else None

    def chain_of(self, person: str) -> KeyHistory | None:
        """The keys of ``person``, one's own from the home and another's as published; None where none can be read."""
        if person not in self._chains:
            self._chains[person] = self._read_chain(person)
        return self._chains[person]

    @property
    def is_home_elsewhere(self) -> bool:
        """Whether this person's keys are on another machine: a key is published for them, and this home has none.

        A published key is not trusted here (format.md §Seals): it only shows that a home exists.
        """
        if self.home.keyring.history is not None:
            return False
        try:
            return contacts.read_published_keys(self.home.root, self.email) is not None
        except ConfigError:
            return True  # something is published, however broken
        except (OSError, StoreError):
            return False  # the folder does not answer, which others report

    @property
    def home_warning(self) -> str | None:
        """A warning where this person's home is not on this machine; None where it is, or where there is none."""
        if not self.is_home_elsewhere:
            return None
        return (
            f"The home of {self.email} is not on this machine ({self.home.path} has no key): neither ledger nor keys"
            " are here to tell what was decided and run, so the states shown for this datasite may be wrong; held"
            " results are not here, and nothing can be decided here."
        )

    def _read_chain(self, person: str) -> KeyHistory | None:
        if person == self.email:
            return self.home.keyring.history
        try:
            return contacts.read_published_keys(self.home.root, person)
        except (ConfigError, OSError, StoreError):
            return None

    @property
    def held(self) -> frozenset[str]:
        """One's own keys whose private half is in the home."""
        if self._held is None:
            self._held = self.home.keyring.held_keys
        return self._held

    @property
    def settles(self) -> float:
        """The seconds without a change after which a directory's stamp shows a later one."""
        if self._settles is None:
            self._settles = settle_time_s(self.home.root)
        return self._settles

    @property
    def has_sized_directories(self) -> bool:
        """Whether a directory's size in this folder shows that it has few entries."""
        if self._has_sized_directories is None:
            self._has_sized_directories = has_sized_directories(self.home.root)
        return self._has_sized_directories

    def forget_keys(self) -> None:
        """Forget the keys that were read: they are read once for each sweep or read of a job, not once a job."""
        self._chains.clear()
        self._held = None
