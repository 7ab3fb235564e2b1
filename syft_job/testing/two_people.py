"""`TwoPeople`: an owner and a submitter with a folder between them, for tests of software that builds on syft_job.

Both are real clients with homes of their own, on one folder or on two replicas between which the test delivers files.
Only the sync tool is simulated.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from syft_job.client import JobClient, get_client
from syft_job.execution import sandboxes
from syft_job.format.markers import OWNERS_NAMES
from syft_job.job import JobInfo
from syft_job.model import names
from syft_job.model.job_ref import JOBS, JobRef

OWNER = "omar@example.org"
SUBMITTER = "ada@example.org"


class Delivery(NamedTuple):
    """One file on its way between two replicas: its path below the root, from where to where.

    Where ``source`` has no such file any more, delivering it removes the file.
    """

    path: str
    source: Path
    target: Path


class TwoPeople:
    """An owner, a submitter, and one folder that both have; nothing is printed unless ``announce`` is given.

    Use it as a context manager. Homes and workspaces are in its folder, and the environment is restored at the end:

        with TwoPeople() as people:
            people.submit("echo hello > outputs/greeting.txt", name="Greeting")
            people.owner_job("Greeting").approve()
            assert people.submitters_job("Greeting").status == "approved"

    Args:
        base: the folder of everything; by default a temporary one that is removed at the end.
        apart: give each a replica of the folder; files travel only with `deliver`.
        announce: called with the lines that verbs announce.
        owner, submitter: their addresses.
        options: further fields of `SyftJobConfig`, for both. By default ``sandbox`` is ``"bare"`` on a host that can do
            no other, so that a test approves and runs its jobs everywhere.
    """

    def __init__(
        self,
        base: Path | None = None,
        *,
        apart: bool = False,
        announce: Callable[[str], object] | None = None,
        owner: str = OWNER,
        submitter: str = SUBMITTER,
        **options: Any,
    ) -> None:
        self._given = base
        self._apart = apart
        self._announce = announce
        self._options = {"sandbox": "auto" if sandboxes.unavailable_reason() is None else "bare"} | options
        self._earlier: dict[str, str | None] = {}
        self._temporary: list[Path] = []
        self._alike: dict[str, bytes] = {}
        self.owner_email = owner
        self.submitter_email = submitter

    def __enter__(self) -> Self:
        folder = self._given or self._made(tempfile.gettempdir())
        self._set("SYFT_JOB_HOME", folder / "homes")
        if "SYFT_JOB_WORK" not in os.environ:
            # Root drops to another user to run a job, and that user must be able to pass.
            self._set("SYFT_JOB_WORK", self._made("/var/tmp") if os.geteuid() == 0 else folder / "work")  # noqa: S108
        self.owners_root = folder / ("box-of-owner" if self._apart else "box")
        self.submitters_root = folder / ("box-of-submitter" if self._apart else "box")
        for root in {self.owners_root, self.submitters_root}:
            for person in (self.owner_email, self.submitter_email):
                (root / person).mkdir(parents=True, exist_ok=True)
        self.owner = self._client(self.owners_root, self.owner_email)
        self.submitter = self._client(self.submitters_root, self.submitter_email)
        self.owner.setup_ds_job_folder_as_do(self.submitter_email)
        if self._apart:
            self.deliver()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name, value in self._earlier.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for folder in self._temporary:
            shutil.rmtree(folder)

    @property
    def root(self) -> Path:
        """The folder that both have; with ``apart`` the owner's replica."""
        return self.owners_root

    def place(self, name: str) -> JobRef:
        """The key of the submitter's job ``name``."""
        return JobRef(self.owner_email, self.submitter_email, name)

    def location(self, name: str) -> Path:
        """The directory of the submitter's job ``name``, in the owner's replica."""
        return self.place(name).under(self.owners_root)

    def submit(self, script: str = "echo hello > outputs/greeting.txt\n", name: str = "", **options: Any) -> Path:
        """Submit a bash job to the owner; returns its directory (in the submitter's replica)."""
        return self.submitter.submit_bash_job(self.owner_email, script, name, **options)

    def submit_code(self, files: Mapping[str, str | bytes], name: str = "", **options: Any) -> Path:
        """Submit a Python job made of ``files`` (path to content) to the owner; returns its directory."""
        with tempfile.TemporaryDirectory() as folder:
            for path, content in files.items():
                target = Path(folder, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.encode() if isinstance(content, str) else content)
            return self.submitter.submit_python_job(self.owner_email, folder, name, **options)

    def owner_job(self, name: str) -> JobInfo:
        """The job as the owner sees it, fresh from a listing."""
        return self.owner.jobs[name]

    def submitters_job(self, name: str) -> JobInfo:
        """The job as the submitter sees it, fresh from a listing."""
        return self.submitter.jobs[name]

    def undelivered(self) -> list[Delivery]:
        """The files in which the replicas differ, in name order; each has one writer, so each has one direction.

        What the owner removed of a submitter's files (a clean) travels the other way, as a removal.
        """
        deliveries = []
        for path in sorted(_files(self.owners_root) | _files(self.submitters_root)):
            ours, theirs = self.owners_root, self.submitters_root
            source, target = (theirs, ours) if self._is_submitters(path) else (ours, theirs)
            sent, there = _content(source / path), _content(target / path)
            if sent == there and sent is not None:
                self._alike[path] = sent
            elif sent != there:
                is_cleaned = source == theirs and there is None and self._alike.get(path) == sent
                deliveries.append(Delivery(path, target, source) if is_cleaned else Delivery(path, source, target))
        return deliveries

    def deliver(self, deliveries: Iterable[Delivery] | None = None) -> None:
        """Deliver files, one by one in the given order; by default everything that differs."""
        for delivery in self.undelivered() if deliveries is None else deliveries:
            content = _content(delivery.source / delivery.path)
            target = delivery.target / delivery.path
            if content is None:
                target.unlink(missing_ok=True)
                _prune(target.parent, delivery.target.joinpath(*self.place("").parts))
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".syncthing.{target.name}.tmp")
            temporary.write_bytes(content)
            temporary.replace(target)
            self._alike[delivery.path] = content

    def _is_submitters(self, path: str) -> bool:
        owner, *rest = path.split("/")
        if owner != self.owner_email:
            return True
        if tuple(rest[:2]) != JOBS or rest[2:3] != [self.submitter_email]:
            return False
        return len(rest) > 4 and rest[4] not in OWNERS_NAMES

    def _client(self, root: Path, email: str) -> JobClient:
        client = get_client(root, email, **self._options)
        client.announce = self._announce
        return client

    def _made(self, parent: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="syft-job-", dir=parent))
        folder.chmod(0o711)
        self._temporary.append(folder)
        return folder

    def _set(self, name: str, value: Path) -> None:
        self._earlier[name] = os.environ.get(name)
        os.environ[name] = str(value)


def _prune(folder: Path, top: Path) -> None:
    """Remove folders that became empty, up to ``top``, as sync tools do."""
    while folder.is_relative_to(top) and folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _files(root: Path) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not any(names.is_sync_artefact(part) for part in path.relative_to(root).parts)
    }


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
