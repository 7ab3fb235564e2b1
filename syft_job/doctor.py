"""What is right and what is wrong with this folder, this home and this machine.

Each check looks at one thing and tells what it found and what helps. Nothing is repaired here, but for `adopt`, which a
person asks for; what is written for a check is removed again.
"""

from __future__ import annotations

import glob
import locale
import logging
import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from syft_job import fs
from syft_job.exchange.job_index import JobIndex
from syft_job.exchange.participant import Participant
from syft_job.format import permissions, signing
from syft_job.fs.mounts import filesystem_type, is_remote
from syft_job.home import contacts
from syft_job.home.home import Home
from syft_job.home.pauses import describe_pauses
from syft_job.home.slots import awaits_slot, read_busy_slots
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JOBS
from syft_job.model.quoting import shortened
from syft_job.model.states import JobState

from .config import SyftJobConfig
from .errors import PathMissing, SyftJobError

_log = logging.getLogger(__name__)
EVENT_SECONDS = 2.0
"""How long an event may take before it counts as one that does not come."""

SKEW_SECONDS = 5.0
ENOUGH_BYTES = 1 << 30
_NEEDS_HOME = frozenset({"home", "key", "disk space", "runner", "jobs"})
_BLOCKED_SHOWN = 20
_OLD_FOLDERS = ("inbox", "approved", "done", "rejected")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    ``ok`` is True where it is right, False where it is wrong, None where it is worth knowing. ``told`` is what was
    found, ``advice`` what to do about it.
    """

    name: str
    ok: bool | None
    told: str
    advice: str = ""


def examine(config: SyftJobConfig) -> list[Check]:
    """Look at everything; a check that cannot be made is itself a finding."""
    home = Home.of(config.syftbox_folder, config.email)
    found: list[Check] = []
    store = JobIndex(config.syftbox_folder, Participant(config.email, home, config.limits))
    records = cache(store.records)  # looked at once, by the first check that asks
    for name, check in (
        ("folder", lambda: _folder(config)),
        ("locale", lambda: _locale(config, home)),
        ("file events", lambda: _events(config)),
        ("datasite", lambda: _datasite(config)),
        ("permissions", lambda: _permissions(home)),
        ("home", lambda: _home(store.participant)),
        ("key", lambda: _key(config, home)),
        ("sandbox", lambda: _sandbox(config)),
        ("disk space", lambda: _space(config, home)),
        ("runner", lambda: _runner(config, home, records())),
        ("jobs", lambda: _jobs(store, records(), config, home)),
    ):
        if name in _NEEDS_HOME and any(one.name == "permissions" and one.ok is False for one in found):
            continue  # it would only say the same again: a home that is not safe is not used
        found += _guarded(name, check)
    return found


def adopt(config: SyftJobConfig) -> None:
    """Make a home that was copied or moved the one that counts here; earlier permits start nothing any more.

    Raises:
        PathMissing: there is no home yet.
        StoreError: it cannot be written.
    """
    home = Home.of(config.syftbox_folder, config.email)
    if not home.exists:
        raise PathMissing(f"There is no home at {home.path} to adopt; syft-job init makes one.")
    home.adopt()


def _guarded(name: str, check: Callable[[], list[Check]]) -> list[Check]:
    try:
        return check()
    except (SyftJobError, OSError) as error:
        return [Check(name, ok=False, told=str(error))]
    except Exception as error:  # noqa: BLE001 - named as a finding; the other checks go on
        _log.debug("The check '%s' failed.", name, exc_info=error)
        words = shortened(f"{type(error).__name__}: {error}")
        return [Check(name, ok=False, told=f"this check failed with {words}", advice="Please report this.")]


def _folder(config: SyftJobConfig) -> list[Check]:
    before = time.time()
    with _written(config) as written:
        pass
    after = time.time()
    skew = max(before - written, written - after, 0.0)
    clock = Check("clock", ok=True, told="the folder's clock and this machine's agree")
    if skew > SKEW_SECONDS:
        clock = Check(
            "clock",
            ok=False,
            told=f"a file written just now is dated {skew:.0f} s apart from this machine's clock",
            advice="Set the clocks of this machine and of the file server; what moved may be overlooked otherwise.",
        )
    return [Check("folder", ok=True, told=f"{config.syftbox_folder} can be written ({config.folder})"), clock]


def _events(config: SyftJobConfig) -> list[Check]:
    from syft_job.fs.watch import Watch

    place = config.syftbox_folder.joinpath(*_own(config))
    with ExitStack() as afterwards, Watch(EVENT_SECONDS, root=config.syftbox_folder) as watch:
        watch.begin_sweep_if_due()  # the wait counts from here
        watch.watch_only({place: None})
        began = time.monotonic()
        afterwards.enter_context(_written(config))
        watch.wait(threading.Event())
        took = time.monotonic() - began
        arrived = bool(watch.pop_changes())
    if arrived and not is_remote(place):
        return [Check("file events", ok=True, told=f"they arrive ({took * 1000:.0f} ms)")]
    told = "none arrives from this folder"
    if arrived:
        told = f"none arrives of what others write: the folder lies on {filesystem_type(place)}"
    return [
        Check(
            "file events",
            ok=None,
            told=told,
            advice="Jobs start at the runner's next sweep (run --poll SECONDS); nothing is lost.",
        )
    ]


def _datasite(config: SyftJobConfig) -> list[Check]:
    jobs = config.datasite.joinpath(*JOBS)
    advice = "syft-job init makes folder, key and rules"
    root, owner = config.syftbox_folder, config.email
    if not fs.is_directory(root, owner, *JOBS):
        told = f"{config.email} has no place for jobs in this folder yet"
        return [Check("datasite", ok=None, told=told, advice=advice)]
    found = [Check("datasite", ok=True, told=f"{jobs} with its rules")]
    with fs.open_directory(root, owner, *JOBS) as opened:
        rules = fs.read_file(opened, permissions.FILE_NAME, limit=permissions.MAX_FILE_BYTES)
    if rules != permissions.datasite_rules():
        told = "it has no rules" if rules is None else "its rules are not those that syft-job writes"
        is_wrong = config.folder == "enforced"
        if rules is not None and permissions.is_earlier_datasite_rules(rules):
            told, is_wrong = "its rules are those of an earlier release, which the runner replaces", False
        found = [Check("datasite", ok=False if is_wrong else None, told=f"{jobs}: {told}", advice=advice)]
    old = [name for name in _OLD_FOLDERS if fs.is_directory(root, owner, *JOBS, name)]
    if old:
        found.append(
            Check(
                "older layout",
                ok=None,
                told=f"{jobs} holds {', '.join(old)} of a layout that moved jobs between folders",
                advice="Jobs in there are not seen. Finish them with the version that made them.",
            )
        )
    return found


def _permissions(home: Home) -> list[Check]:
    """Whether other users of this machine could replace home, checkpoints or workspaces, or a directory above them."""
    found = []
    for name, path, setting in home.private_directories():
        unsafe = fs.find_unsafe(path)
        if unsafe is not None:
            told = f"{name} {path} is not safe from other users: {unsafe.path!r} {unsafe.reason}"
            advice = f"{unsafe.remedy}, or choose another directory with {setting}"
            found.append(Check("permissions", ok=False, told=told, advice=advice))
    if not found and (unsafe := home.find_unsafe_entry()) is not None:
        told = f"the home {home.path} is not safe from other users: {unsafe.path!r} {unsafe.reason}"
        found.append(Check("permissions", ok=False, told=told, advice=f"{unsafe.remedy}."))
    if found:
        return found
    told = "no other user can write to home, checkpoints and workspaces, or on the way to them"
    return [Check("permissions", ok=True, told=told)]


def _home(participant: Participant) -> list[Check]:
    home = participant.home
    if warning := participant.home_warning:
        advice = (
            "Work on the machine that has it; or set SYFT_JOB_HOME to the folder where it is; or bring it back:"
            " docs/how-to/recover-a-home.md"
        )
        return [Check("home", ok=False, told=warning, advice=advice)]
    if not home.exists:
        others = [str(path) for path in sorted(home.path.parent.glob(f"{glob.escape(home.email)}-*")) if path.is_dir()]
        told, advice = f"none yet ({home.path})", "syft-job init makes it"
        if others:
            told += f"; of {home.email} there is {', '.join(others)}, for another folder"
            advice += ". If this folder was moved, move that home there instead: docs/how-to/recover-a-home.md"
        return [Check("home", ok=None, told=told, advice=advice)]
    mode = stat.S_IMODE(home.path.stat().st_mode)
    if mode & 0o077:
        told = f"{home.path} is open to others ({mode:o})"
        return [Check("home", ok=False, told=told, advice=f"chmod 700 {home.path}")]
    reason = home.foreign_reason()
    if reason is not None:
        return [
            Check(
                "home",
                ok=False,
                told=f"{home.path} is not used: {reason}",
                advice="If it is meant to serve here, and no copy of it runs anywhere: syft-job doctor --adopt-home",
            )
        ]
    home.ledger.refresh()
    return [Check("home", ok=True, told=f"{home.path}, adopted here; its ledger can be read")]


def _key(config: SyftJobConfig, home: Home) -> list[Check]:
    ring = home.keyring
    published = contacts.read_published_keys(config.syftbox_folder, config.email)
    if ring.history is None:
        if published is not None:
            known = signing.fingerprint(published.present)
            told = f"{config.email} publishes a key ({known}) that this home does not hold"
            advice = "Work on the machine that made it, or move its home here."
            return [Check("key", ok=False, told=told, advice=advice)]
        return [Check("key", ok=None, told="none yet", advice="syft-job init makes and publishes it")]
    for path in ring.private_files():
        most = 0o700 if path.is_dir() else 0o600
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & ~most:
            told = f"{path} is open to others ({mode:o})"
            return [Check("key", ok=False, told=told, advice=f"chmod {most:o} {path}")]
    own = signing.fingerprint(ring.history.present)
    if home.key_for(ring.history.present) is None:
        advice = f"Put its backup there as {home.paths.private_key}; if you just did, syft-job init takes it over."
        return [Check("key", ok=False, told=f"the private half of {own} is not in this home", advice=advice)]
    if published is None:
        return [Check("key", ok=False, told="it is not published", advice="syft-job init publishes it")]
    if trouble := ring.published_key_problem():
        return [Check("key", ok=False, told=trouble)]
    if published.present != ring.history.present:
        told = (
            f"an earlier key ({signing.fingerprint(published.present)}) is published instead of the present one ({own})"
        )
        return [
            Check("key", ok=False, told=told, advice="The runner or syft-job init publishes the present one again.")
        ]
    found = [Check("key", ok=True, told=f"{own}, published, closed to others")]
    if lost := [passage.key for passage in ring.history.rotations if passage.key not in ring.held_keys]:
        told = f"this home lacks the earlier key {', '.join(map(signing.fingerprint, lost))}"
        advice = (
            "What was submitted to it cannot be answered. A backup of the home from that time has it in key or keys/."
        )
        found.append(Check("earlier keys", ok=None, told=told, advice=advice))
    return found


def _sandbox(config: SyftJobConfig) -> list[Check]:
    from syft_job.execution.plan import plan_for

    plan = plan_for(config)
    told = " ".join((*plan.conditions[:1], *plan.sandbox_warnings))
    advice = "" if plan.is_contained else "Until bubblewrap works, run jobs of people whom you trust only."
    found = [Check("sandbox", ok=plan.is_contained, told=told, advice=advice)]
    if plan.host.workspace_problem is not None:
        found.append(Check("workspaces", ok=False, told=f"No job can start. {plan.host.workspace_problem}"))
    if plan.environment.interpreter is None:
        told = f"Python jobs cannot start. {plan.environment.interpreter_problem}"
        found.append(Check("interpreter", ok=False, told=told))
    else:
        found.append(Check("interpreter", ok=True, told=str(plan.environment.interpreter)))
    return found


def _space(config: SyftJobConfig, home: Home) -> list[Check]:
    found = []
    for name, path in (("folder", config.syftbox_folder), ("home", home.path), ("workspaces", home.workspaces)):
        free = shutil.disk_usage(_existing(path)).free
        advice = "" if free >= ENOUGH_BYTES else "Free some space: on a full disk jobs fail, and so does sharing."
        told = f"{free / (1 << 30):.1f} GiB free for the {name}"
        found.append(Check("disk space", ok=free >= ENOUGH_BYTES, told=told, advice=advice))
    return found


def _runner(config: SyftJobConfig, home: Home, records: list[JobRecord]) -> list[Check]:
    paused = home.paused()
    found = []
    if paused:
        advice = "syft-job resume, when their jobs are to start again"
        found.append(Check("paused", ok=None, told=describe_pauses(paused), advice=advice))
    pid = home.runner_pid()
    own = [record for record in records if record.owner == config.email]
    if pid is not None:
        served = Check("runner", ok=True, told=f"process {pid or 'of an unknown number'}")
        return [served, *_slots(home, own), *found]
    waiting = sum(r.state is JobState.QUEUED and r.blocked is None and not {"*", r.submitter} & paused for r in own)
    home.ledger.refresh()
    started = len(home.ledger.unfinished())
    told = "none serves this datasite now"
    if not waiting and not started:
        return [Check("runner", ok=None, told=told, advice="syft-job run, to have jobs run"), *found]
    if waiting:
        told += f", and {waiting} approved {'job waits' if waiting == 1 else 'jobs wait'}"
    if started:
        told += f", and {started} that {'was' if started == 1 else 'were'} started must be looked after"
    return [Check("runner", ok=False, told=told, advice="syft-job run"), *found]


def _slots(home: Home, own: list[JobRecord]) -> Iterator[Check]:
    """A check where approved jobs wait because the runner runs as many as it may."""
    slots = read_busy_slots(home)
    if slots is None:
        return
    home.ledger.refresh()
    queued = [record for record in own if record.state is JobState.QUEUED]
    count = sum(awaits_slot(home, record.submitter, record.id, record.attempt) for record in queued)
    if count:
        jobs = "1 approved job waits" if count == 1 else f"{count} approved jobs wait"
        advice = "syft-job run --jobs N, to run more at once"
        yield Check("slots", ok=None, told=f"{jobs} for {slots}", advice=advice)


def _jobs(store: JobIndex, records: list[JobRecord], config: SyftJobConfig, home: Home) -> list[Check]:
    unreadable = [record for record in records if record.problem]
    found = [Check("jobs", ok=True, told=f"{len(records)} can be seen, {len(unreadable)} of them cannot be read")]
    if unreadable:
        first = unreadable[0]
        found = [Check("jobs", ok=None, told=f"{found[0].told}: {first.place}: {first.problem}")]
    found += _blocked(records, config, home)
    unsigned = sum(not record.layout.is_signed for record in records)
    if unsigned:
        told = f"{unsigned} jobs are of the older layout: they carry no seals, so what they say is not proven"
        advice = "Its runner knows neither seals nor ledger; it must not serve this datasite beside ours."
        found.append(Check("older layout", ok=None, told=told, advice=advice))
    for (owner, submitter), count in sorted(store.left_out().items()):
        told = f"{count} more jobs of {submitter} to {owner} wait than are listed"
        found.append(Check("jobs", ok=None, told=told))
    for (owner, submitter), words in sorted(store.not_looked_at().items()):
        found.append(Check("jobs", ok=None, told=f"of those of {submitter} to {owner}: {words}"))
    for (owner, submitter), reason in sorted(store.unread.items()):
        found.append(Check("jobs", ok=False, told=f"those of {submitter} to {owner} cannot be read: {reason}"))
    return found


def _blocked(records: list[JobRecord], config: SyftJobConfig, home: Home) -> Iterator[Check]:
    """One check for each approved job that cannot start, with the reason that the runner recorded."""
    own = [r for r in records if r.owner == config.email and r.blocked is not None and r.state is JobState.QUEUED]
    for record in own[:_BLOCKED_SHOWN]:
        known = home.read_blocked(record.id)
        if known is not None:
            told = f"{record.place} is approved and cannot start ({known.category}): {known.reason}"
            advice = f"The runner tries again; to give it up: syft-job reject '{record.place}' --reason TEXT"
            yield Check("blocked", ok=None, told=told, advice=advice)
    if len(own) > _BLOCKED_SHOWN:
        told = f"{len(own) - _BLOCKED_SHOWN} more approved jobs cannot start"
        yield Check("blocked", ok=None, told=told, advice="syft-job list shows them; syft-job show JOB says why")


def _locale(config: SyftJobConfig, home: Home) -> list[Check]:
    """A finding where the locale is not UTF-8 and names need it."""
    encoding, names = locale.getencoding(), sys.getfilesystemencoding()
    is_utf8 = encoding.lower().replace("-", "") == "utf8" and names.lower() == "utf-8"
    needs = [str(path) for path in (config.syftbox_folder, home.path) if not str(path).isascii()]
    if is_utf8 or (not needs and names.lower() == "utf-8"):
        return []
    told = f"the locale's encoding is {encoding}"
    if names.lower() == "utf-8":
        told += "; names on disk are read as UTF-8 all the same, and what a terminal lacks is written in ASCII"
        return [Check("locale", ok=None, told=told, advice="A UTF-8 locale shows everything: LC_ALL=C.UTF-8")]
    if needs:
        told += f", and {needs[0]} needs UTF-8"
    advice = "Use a UTF-8 locale (LC_ALL=C.UTF-8), or start Python with -X utf8, as the command line does by itself."
    return [Check("locale", ok=None if not needs else False, told=told, advice=advice)]


def _own(config: SyftJobConfig) -> tuple[str, ...]:
    """The folder to try things in, below the shared folder: one's own datasite, or the shared folder itself."""
    return (config.email,) if fs.is_directory(config.syftbox_folder, config.email) else ()


@contextmanager
def _written(config: SyftJobConfig) -> Iterator[float]:
    """Write a small temporary file that no reader takes for anything; yields its time, and removes it again."""
    name = fs.temporary_name()
    with fs.open_directory(config.syftbox_folder, *_own(config)) as opened:
        fs.write_file(opened, name, b"syft-job doctor was here\n")
        try:
            found = fs.stat_entry(opened, name)
            yield time.time() if found is None else found.st_mtime
        finally:
            fs.remove(opened, name)


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())
