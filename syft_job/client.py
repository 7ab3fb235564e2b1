"""`JobClient`: one participant at one shared folder; it submits jobs and lists them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from syft_job.exchange import datasite, submission, submission_source, transitions
from syft_job.exchange.job_finder import find_job, possible_refs
from syft_job.exchange.job_index import JobIndex
from syft_job.exchange.participant import Participant
from syft_job.exchange.submission_preview import SubmissionPreview, announced, preview
from syft_job.exchange.submission_source import Source
from syft_job.format.key_history import KeyHistory
from syft_job.format.manifest import JobResources
from syft_job.home.home import Home
from syft_job.model import names
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JOBS, JobRef, expand_user
from syft_job.model.text import escape_message

from . import fs, session
from .config import SyftJobConfig
from .errors import Action, JobNotFoundError, Remedy
from .job import JobInfo
from .jobs import JobsList

_MAX_ANNOUNCED_FINDINGS = 20
"""How many findings of a submission are announced at most."""


def get_client(syftbox_folder_path: str | Path, email: str, user_email: str | None = None, **options: Any) -> JobClient:
    """Open the shared folder at ``syftbox_folder_path`` for ``email``; ``~`` is expanded.

    Args:
        syftbox_folder_path: the folder that holds the datasites.
        email: the address of the datasite.
        user_email: the address of the participant who acts, if it is another one.
        options: further fields of `SyftJobConfig`.

    Raises:
        PathMissing: (a FileNotFoundError) the folder does not exist.
        ConfigError: (a ValueError) it is a file, or an address or option is not valid.
    """
    client = JobClient(SyftJobConfig.from_syftbox_folder(syftbox_folder_path, email, **options), user_email)
    session.remember(client)
    return client


class JobClient:
    """One participant at one shared folder.

    Args:
        config: the folder, the address of the datasite, and the owner's settings.
        user_email: the address of the participant who acts; by default that of the datasite.
        announce: called with each line that a method announces; None suppresses them.
        word_remedy: words what to do about a warning; by default in Python's terms.
    """

    def __init__(
        self,
        config: SyftJobConfig,
        user_email: str | None = None,
        *,
        announce: Callable[[str], object] | None = print,
        word_remedy: Callable[[Remedy], str] = Remedy.in_python,
    ) -> None:
        self.config = config
        self.email = names.normalize_address(user_email) if user_email else config.email
        self.announce = announce
        self._word_remedy = word_remedy
        self.root = config.syftbox_folder
        self.home = Home.of(self.root, self.email)
        self.participant = Participant(self.email, self.home, config.limits)
        self.store = JobIndex(self.root, self.participant)

    @property
    def jobs(self) -> JobsList:
        """All jobs that this participant can see, newest submission first.

        Listing changes nothing, and reads again only what changed since the last time.
        """
        records = self.store.records()
        missing = self.store.notes()
        notes = list(missing)
        if (warning := self.participant.home_warning) and any(record.owner == self.email for record in records):
            notes.insert(0, f"⚠ {warning}")
        return JobsList.of_records(
            records, self.config.email, self.job_of, notes, missing=missing, unlisted=self.store.unlisted
        )

    def find_job(self, name: str) -> JobInfo:
        """Find one job that this participant can see, also where a list leaves it out because there are too many.

        Args:
            name: ``"name"``, ``"submitter/name"``, ``"owner/submitter/name"``, or the first digits of an id (four or
                more). Without an owner, one's own datasite is meant where no list has the job.

        Raises:
            JobNotFoundError: (a ValueError) there is no such job.
            AmbiguousJob: (a JobNotFoundError) there are several; the message lists them.
        """
        records = self.store.records()
        position = find_job(name, ((record.place, record.id) for record in records), self.store.unlisted)
        if position is not None:
            return self.job_of(records[position])
        for ref in possible_refs(name, self.config.email):
            with suppress(JobNotFoundError):
                return self.job_of(self.store.get(ref))
        raise JobNotFoundError(
            f"There is no job '{name}' in {self.root}.", remedy=Remedy("See all of them", Action.LIST), name=name
        )

    def job_of(self, record: JobRecord) -> JobInfo:
        """The `JobInfo` of a record of this client's folder."""
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
        """Submit a bash script to ``user``.

        Args:
            user: the owner's address.
            script: the text of the script, or the path (a `Path`) of a file that holds it.
            job_name: at most 80 bytes; if empty, a name is generated.
            resources: time, memory and processors that the job asks for, also as a mapping: ``{"time_limit": "2h"}``.
            datasets: names of the owner's datasets that the job reads.
            metadata: values of JSON types, without floating-point numbers, for people and programs.
            include: patterns that name the script if it is refused because it looks like a secret.

        Returns:
            The job's directory in the shared folder.

        Raises:
            InvalidName, InvalidSubmission: (ValueErrors) the address, the name or the script cannot be used.
            JobExists: (a FileExistsError) the owner has a job of that name from you; it is not changed.
            PathMissing: (a FileNotFoundError) the owner has no datasite here.
        """
        source = submission_source.bash_source(script, include=include)
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
        """Submit a Python file or a folder of code to ``user``.

        In a folder, `main.py` is started, or its only `.py` file, or ``entrypoint``. Excluded are secrets (`.env`,
        private keys, credentials), version control, caches, environments, logs, and what a file `.syftjobignore` in the
        folder names in gitignore syntax. Each excluded file, and code that a reviewer could misread, is announced in a
        line; `preview_submission` shows the same without submitting.

        Args:
            user: the owner's address.
            code_path: a `.py` file or a folder.
            job_name: as for `submit_bash_job`.
            dependencies: requirements such as ``"numpy>=2"``, recorded and shown to the owner.
            entrypoint: the file to start, relative to the folder.
            resources: as for `submit_bash_job`.
            datasets: as for `submit_bash_job`.
            metadata: as for `submit_bash_job`.
            include: patterns in gitignore syntax of files to submit although they are excluded by default.

        Returns:
            The job's directory in the shared folder.

        Raises:
            InvalidName, InvalidSubmission, JobExists, PathMissing: as for `submit_bash_job`.
        """
        source = submission_source.python_source(expand_user(code_path).absolute(), entrypoint, include=include)
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
        """List the files that submitting ``path`` would submit, with sizes, and those it would exclude; writes nothing.

        Args:
            user: the owner's address.
            path: a `.py` file, a folder of code, or a `.sh` script.
            job_name: as for `submit_python_job`.
            entrypoint: the same.
            include: the same.

        Raises:
            InvalidName, InvalidSubmission, PathMissing: as the submission would.
        """
        source = self.read_source(path, entrypoint, include=include)
        return preview(self.participant, user, source, name=job_name)

    def read_source(self, path: str | Path, entrypoint: str | None = None, *, include: Sequence[str] = ()) -> Source:
        """Read the code at ``path`` (a `.py` file, a folder, or a `.sh` script) for `submit_source`."""
        file = expand_user(path).absolute()
        if file.suffix == ".sh" and not file.is_dir():
            return submission_source.bash_source(file, include=include)
        return submission_source.python_source(file, entrypoint, include=include)

    def submit_source(
        self,
        user: str,
        source: Source,
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
        """Create a folder for ``ds_email``'s jobs in your datasite, and publish your key and access rules.

        Returns:
            The folder in which they may create jobs.
        """
        submitter = names.normalize_address(ds_email)
        folder = self.open_datasite() / submitter
        with fs.open_directory(self.root, self.email, *JOBS, submitter, create=True):
            return folder

    def open_datasite(self) -> Path:
        """Create your datasite: its folders, its access rules and your published key. Repeating it changes nothing.

        Returns:
            The folder that holds the submitters' folders.
        """
        with fs.open_directory(self.root, self.email, *JOBS, create=True) as jobs:
            datasite.publish_rules(jobs)
        self.home.key()
        return self.root.joinpath(self.email, *JOBS)

    def rotate_key(self, *, compromised: bool = False) -> KeyHistory:
        """Rotate your signing key and publish the new one. Jobs submitted to an earlier key are still answered with it.

        Args:
            compromised: declare that others may have all previous keys, so that submitters do not rely on them.

        Raises:
            ConfigError: there is no key yet, or the published key is not the one of this home.
            StoreError: the home is a copy that was not adopted, or cannot be written.
        """
        if self.home.exists:
            transitions.require_home(self.participant)
        return self.home.rotate_key(compromised=compromised)

    def say(self, line: str) -> None:
        """Announce a line, unless announcements are suppressed; names in it are made safe to display."""
        if self.announce is not None:
            self.announce(escape_message(line))

    def warn(self, line: str, remedy: Remedy | None = None) -> None:
        """Announce a warning: on stderr where lines are printed, because the lines on stdout are fixed."""
        if remedy is not None:
            line = f"{line} {self._word_remedy(remedy)}"
        if self.announce is print:
            print(escape_message(line), file=sys.stderr)
        else:
            self.say(line)

    def job_at(self, place: JobRef) -> JobInfo:
        """The job with this owner, submitter and name, read now.

        Raises:
            JobNotFoundError: there is none.
        """
        return self.job_of(self.store.get(place))

    def _submit(
        self,
        user: str,
        source: Source,
        job_name: str,
        dependencies: Sequence[str],
        resources: JobResources | Mapping[str, Any] | None,
        datasets: Sequence[str],
        metadata: Mapping[str, Any] | None,
    ) -> Path:
        findings = submission_source.findings_of(source)
        ref = submission.submit(
            self.participant,
            user,
            source,
            name=job_name,
            dependencies=dependencies,
            resources=resources,
            datasets=datasets,
            metadata=metadata,
        )
        for line in announced(ref.name, source):
            self.say(line)
        for finding in findings[:_MAX_ANNOUNCED_FINDINGS]:
            self.say(f"⚠ {finding}")
        if len(findings) > _MAX_ANNOUNCED_FINDINGS:
            self.say(f"⚠ and {len(findings) - _MAX_ANNOUNCED_FINDINGS} more findings; the review of the job shows all")
        return ref.under(self.root)

    def __repr__(self) -> str:
        return f"JobClient(email={self.email!r}, folder={str(self.root)!r})"
