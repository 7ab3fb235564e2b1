"""`JobClient`: submit to someone, list what is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from syft_job.exchange import datasite, submission, transitions
from syft_job.exchange.job_index import JobIndex
from syft_job.exchange.participant import Participant
from syft_job.exchange.submission import SubmissionPreview
from syft_job.format.key_history import KeyHistory
from syft_job.format.manifest import JobResources
from syft_job.home.home import Home
from syft_job.model import names
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JOBS, JobRef, expand_user
from syft_job.model.text import escape_message

from . import fs, session
from .config import SyftJobConfig
from .job import JobInfo
from .jobs import JobsList

_ANNOUNCED_FINDINGS = 20
"""At most so many findings of a submission are announced."""


def get_client(syftbox_folder_path: str | Path, email: str, user_email: str | None = None, **options: Any) -> JobClient:
    """Open the folder at ``syftbox_folder_path`` for ``email``; ``~`` is expanded.

    Args:
        syftbox_folder_path: the folder that holds the datasites.
        email: whose folder it is.
        user_email: who acts, when that is somebody else.
        options: further fields of `SyftJobConfig`.

    Raises:
        PathMissing: (a FileNotFoundError) there is no such folder.
        ConfigError: (a ValueError) it is a file, or an address or option is wrong.
    """
    client = JobClient(SyftJobConfig.from_syftbox_folder(syftbox_folder_path, email, **options), user_email)
    session.remember(client)
    return client


class JobClient:
    """One person at one folder.

    Args:
        config: whose folder it is, and what its owner set.
        user_email: who acts; by default the one whose folder it is.
        announce: called with the lines that verbs announce; None silences them.
    """

    def __init__(
        self,
        config: SyftJobConfig,
        user_email: str | None = None,
        *,
        announce: Callable[[str], object] | None = print,
    ) -> None:
        self.config = config
        self.email = names.normalize_address(user_email) if user_email else config.email
        self.announce = announce
        self.root = config.syftbox_folder
        self.home = Home.of(self.root, self.email)
        self.participant = Participant(self.email, self.home, config.limits)
        self.store = JobIndex(self.root, self.participant)

    @property
    def jobs(self) -> JobsList:
        """All jobs that this person can see, newest submission first.

        Listing changes nothing and opens again only what moved since the last time.
        """
        records = self.store.records()
        missing = self.store.notes()
        notes = list(missing)
        if (warning := self.participant.home_warning) and any(record.owner == self.email for record in records):
            notes.insert(0, f"⚠ {warning}")
        return JobsList.of_records(
            records, self.config.email, self.job_of, notes, missing=missing, unlisted=self.store.unlisted
        )

    def job_of(self, record: JobRecord) -> JobInfo:
        """The live object for a record of this client's folder."""
        return JobInfo.of_record(record, self)

    def submit_bash_job(
        self,
        user: str,
        script: str | Path,
        job_name: str = "",
        *,
        resources: JobResources | Mapping[str, Any] | None = None,
        datasets: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        include: Sequence[str] = (),
    ) -> Path:
        """Submit a bash script to ``user``; returns the job's directory.

        Args:
            user: the owner's address.
            script: the script's text, or the path (a `Path`) of a file that holds it.
            job_name: at most 80 bytes; generated when it is empty.
            resources: time, memory and processors that the job asks for, also as a mapping: ``{"time_limit": "2h"}``.
            datasets: names of the owner's data that it wants to read.
            metadata: anything in JSON's types, integers only, for people and programs.
            include: names the script if it is refused because it looks like a secret.

        Raises:
            InvalidName, InvalidSubmission: (ValueErrors) the address, the name or the script cannot be used.
            JobExists: (a FileExistsError) you have a job of that name there; it is untouched.
            PathMissing: (a FileNotFoundError) the owner has no datasite here.
        """
        source = submission.bash_source(script, include=include)
        return self._submit(user, source, job_name, (), resources, datasets, metadata)

    def submit_python_job(
        self,
        user: str,
        code_path: str | Path,
        job_name: str = "",
        dependencies: Sequence[str] | None = None,
        entrypoint: str | None = None,
        *,
        resources: JobResources | Mapping[str, Any] | None = None,
        datasets: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        include: Sequence[str] = (),
    ) -> Path:
        """Submit a Python file or a folder of code to ``user``; returns the job's directory.

        In a folder, `main.py` is started, or its only `.py` file, or ``entrypoint``. Secrets (`.env`, private keys,
        credentials), version control, caches, environments, logs and what a file `.syftjobignore` in the folder
        names in gitignore syntax are left out, each announced with a line; `preview_submission` shows all of it
        before. What a reviewer could misread in the code is announced, too. ``include`` are patterns in the same syntax
        of what travels nevertheless. ``dependencies`` are requirements such as ``"numpy>=2"``, recorded and shown to
        the owner; ``entrypoint`` is relative to the folder. For the other arguments and the errors see
        `submit_bash_job`.
        """
        source = submission.python_source(expand_user(code_path).absolute(), entrypoint, include=include)
        return self._submit(user, source, job_name, dependencies or (), resources, datasets, metadata)

    def preview_submission(
        self,
        user: str,
        path: str | Path,
        job_name: str = "",
        entrypoint: str | None = None,
        *,
        include: Sequence[str] = (),
    ) -> SubmissionPreview:
        """What submitting ``path`` would take along, with sizes, and what it would leave out; writes nothing.

        Args:
            user: the owner's address.
            path: a `.py` file, a folder of code, or a `.sh` script.
            job_name: as for `submit_python_job`.
            entrypoint: the same.
            include: the same.

        Raises:
            InvalidName, InvalidSubmission, PathMissing: what a submission would raise.
        """
        source = self.read_source(path, entrypoint, include=include)
        return submission.preview(self.participant, user, source, name=job_name)

    def read_source(
        self, path: str | Path, entrypoint: str | None = None, *, include: Sequence[str] = ()
    ) -> submission.Source:
        """The code at ``path`` (a `.py` file, a folder, or a `.sh` script) as `submit_source` takes it."""
        file = expand_user(path).absolute()
        if file.suffix == ".sh" and not file.is_dir():
            return submission.bash_source(file, include=include)
        return submission.python_source(file, entrypoint, include=include)

    def submit_source(
        self,
        user: str,
        source: submission.Source,
        job_name: str = "",
        *,
        dependencies: Sequence[str] = (),
        resources: JobResources | Mapping[str, Any] | None = None,
        datasets: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> Path:
        """Submit what `read_source` read; for the arguments and the errors see `submit_python_job`."""
        return self._submit(user, source, job_name, dependencies, resources, datasets, metadata)

    def setup_ds_job_folder_as_do(self, ds_email: str) -> Path:
        """Open a folder for ``ds_email``'s jobs in one's own datasite, and publish one's key and rules.

        Returns:
            The folder in which they may lay jobs.
        """
        submitter = names.normalize_address(ds_email)
        folder = self.open_datasite() / submitter
        with fs.open_directory(self.root, self.email, *JOBS, submitter, create=True):
            return folder

    def open_datasite(self) -> Path:
        """Make one's own datasite ready for jobs: its folders, its rules and one's published key.

        Returns:
            The folder in which the submitters' folders lie.
        """
        with fs.open_directory(self.root, self.email, *JOBS, create=True) as jobs:
            datasite.publish_rules(jobs)
        self.home.key()
        return self.root.joinpath(self.email, *JOBS)

    def rotate_key(self, *, compromised: bool = False) -> KeyHistory:
        """Make a new key one's present one and publish it; what was submitted to an earlier one is answered with that.

        Args:
            compromised: say of all keys until now that others may have them, so that nobody relies on them any more.

        Raises:
            ConfigError: there is no key yet, or another one than this home's is published.
            StoreError: the home is a copy that nobody adopted, or cannot be written.
        """
        if self.home.exists:
            transitions.require_home(self.participant)
        return self.home.rotate_key(compromised=compromised)

    def say(self, line: str) -> None:
        """Announce a line, unless this client was silenced; names in it are made safe to display."""
        if self.announce is not None:
            self.announce(escape_message(line))

    def warn(self, line: str) -> None:
        """Announce a warning: on stderr where lines are printed, because what goes to stdout is settled."""
        if self.announce is print:
            print(line, file=sys.stderr)
        else:
            self.say(line)

    def job_at(self, place: JobRef) -> JobInfo:
        """The job at ``place``, looked at now.

        Raises:
            JobNotFoundError: there is none.
        """
        return self.job_of(self.store.get(place))

    def _submit(
        self,
        user: str,
        source: submission.Source,
        job_name: str,
        dependencies: Sequence[str],
        resources: JobResources | Mapping[str, Any] | None,
        datasets: Sequence[str],
        metadata: Mapping[str, Any] | None,
    ) -> Path:
        findings = submission.findings_of(source)
        place = submission.submit(
            self.participant,
            user,
            source,
            name=job_name,
            dependencies=dependencies,
            resources=resources,
            datasets=datasets,
            metadata=metadata,
        )
        for line in submission.announced(place.name, source):
            self.say(line)
        for finding in findings[:_ANNOUNCED_FINDINGS]:
            self.say(f"⚠ {finding}")
        if len(findings) > _ANNOUNCED_FINDINGS:
            self.say(f"⚠ and {len(findings) - _ANNOUNCED_FINDINGS} more findings; the review of the job shows all")
        return place.under(self.root)

    def __repr__(self) -> str:
        return f"JobClient(email={self.email!r}, folder={str(self.root)!r})"
