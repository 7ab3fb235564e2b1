"""What all verbs share: whose folder it is, how people and programs are answered, how a job is found, how it fails.

It knows no verb. Whatever a stranger may have written is made visible before it reaches a terminal.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from syft_job.errors import JobNotFoundError, SyftJobError
from syft_job.fs.probe import BackgroundCall, FolderProbe, probe
from syft_job.model import names
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.text import escape_line, escape_message

if TYPE_CHECKING:
    from rich.status import Status

    from syft_job.client import JobClient
    from syft_job.config import SyftJobConfig
    from syft_job.job import JobInfo

DONE, REFUSED, MISUSE, NOT_FOUND = 0, 1, 2, 3
ID_DIGITS = 8
"""How many digits of an id are shown in lists; four that are unambiguous are enough to name a job."""

BUSY_SECONDS = 1.0
SILENT_SECONDS = 3.0
"""How long the folder may take to answer before it is said that it does not."""

_FLAGS = ("--json",)
_VALUED = ("--root", "--syftbox-folder", "--as", "--profile")
_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")

app = typer.Typer(
    help="Send code to the data: submit, review, approve, run and share jobs through nothing but a shared folder.",
    epilog="JOB is submitter/name, name, owner/submitter/name, or the first digits of an id."
    " Exit codes: 0 done, 1 refused or failed, 2 misuse, 3 not found.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would cost each call what a listing may take
    context_settings={"help_option_names": ["-h", "--help"]},
)

JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="submitter/name, name, owner/submitter/name, or the first digits of an id")
]


@dataclass(slots=True)
class Frame:
    """One call of the command line: whose folder, and whether a person or a program reads the answer."""

    root: Path | None = None
    email: str | None = None
    profile: str | None = None
    json: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the verb has ended."""

    def settings(self, *, newcomer: bool = False) -> SyftJobConfig:
        """Whose folder is meant, from the options, the environment or the profile; it answers by now.

        Args:
            newcomer: accept an address that has no datasite there yet.

        Raises:
            ConfigError: folder or address is not known, or the address has no datasite there.
        """
        from syft_job import session

        where = self.root or os.environ.get(session.FOLDER_VARIABLE) or "of your profile"
        return patiently(
            lambda: self._settings(newcomer=newcomer),
            f"The folder {where} does not answer; waiting for it. Ctrl-C gives up.",
        )

    def _settings(self, *, newcomer: bool) -> SyftJobConfig:
        from syft_job import session

        from .participants import require_datasite

        config = session.settings(self.root, self.email, self.profile)
        probe(config.syftbox_folder)
        if not newcomer:
            require_datasite(config)
        return config

    def client(self, *, newcomer: bool = False) -> JobClient:
        """The client for this call; it announces to people only. For ``newcomer`` see `settings`."""
        from syft_job.client import JobClient

        settings = self.settings(newcomer=newcomer)
        Impatience(settings.syftbox_folder, self.over)
        return JobClient(settings, announce=None if self.json else tell)

    def answer(self, document: dict[str, Any], text: str | None = None) -> None:
        """Answer a program with one JSON document, or a person with ``text``."""
        if self.json:
            print(json.dumps(document, indent=2, default=str))
        elif text is not None:
            print(text, end="" if text.endswith("\n") else "\n")


@app.callback()
def _globals(
    ctx: typer.Context,
    root: Annotated[
        Path | None, typer.Option("--root", "--syftbox-folder", metavar="DIR", help="the folder of all datasites")
    ] = None,
    email: Annotated[str | None, typer.Option("--as", metavar="EMAIL", help="who you are")] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="a profile of the configuration file")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="answer with one JSON document")] = False,
) -> None:
    ctx.obj = Frame(root, email, profile, as_json)


def globals_first(arguments: Sequence[str]) -> list[str]:
    """Move the options that hold for every verb before the verb, wherever they were typed; what follows `--` stays."""
    given = list(arguments)
    until = given.index("--") if "--" in given else len(given)
    moved: list[str] = []
    kept: list[str] = []
    words = iter(given[:until])
    for word in words:
        if word in _FLAGS or word.startswith(tuple(f"{option}=" for option in _VALUED)):
            moved.append(word)
        elif word in _VALUED:
            moved += [word, *([value] if (value := next(words, None)) is not None else [])]
        else:
            kept.append(word)
    return [*moved, *kept, *given[until:]]


def verb_in(words: Sequence[str]) -> str | None:
    """The first word, after `globals_first`, that is neither an option nor the value of one."""
    rest = iter(words)
    for word in rest:
        if word in _VALUED:
            next(rest, None)
        elif not word.startswith("-"):
            return word
    return None


def frame_of(ctx: typer.Context) -> Frame:
    """The frame of this call."""
    found = ctx.obj
    assert isinstance(found, Frame)  # noqa: S101 - the callback made it
    return found


def verb(function: _F) -> _F:
    """Let a verb fail as every verb does: one line on stderr, an exit code, no traceback."""

    @functools.wraps(function)
    def guarded(ctx: typer.Context, *args: Any, **kwargs: Any) -> None:
        try:
            function(ctx, *args, **kwargs)
        except BrokenPipeError:
            raise  # whoever read the answer has left; typer ends quietly
        except (SyftJobError, OSError) as error:
            code = NOT_FOUND if isinstance(error, JobNotFoundError) else REFUSED
            message = _words(error)
            if frame_of(ctx).json:
                frame_of(ctx).answer({"error": {"kind": type(error).__name__, "message": message, "exit": code}})
            complain(message)
            raise typer.Exit(code) from None
        finally:
            frame_of(ctx).over.set()

    return guarded  # type: ignore[return-value]


def _words(error: Exception) -> str:
    if isinstance(error, SyftJobError):
        return str(error)
    assert isinstance(error, OSError)  # noqa: S101 - nothing else is caught
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename is not None else what


def tell(line: str) -> None:
    """Print a line for a person."""
    print(escape_message(line))


def complain(line: str) -> None:
    """Print why something was refused, on stderr."""
    print(red(f"syft-job: {escape_message(line)}", sys.stderr), file=sys.stderr)


def misuse(message: str) -> typer.BadParameter:
    """The error to raise for a command that cannot be meant; it ends with exit code 2."""
    return typer.BadParameter(message)


def is_terminal(stream: Any = None) -> bool:
    """Whether a person looks at ``stream`` (stdout)."""
    return bool((stream or sys.stdout).isatty())


def has_colours(stream: Any = None) -> bool:
    """Whether colours help: on a terminal, unless NO_COLOR is set or it knows none."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def red(text: str, stream: Any = None) -> str:
    """``text`` in red where colours help."""
    return f"\x1b[1;31m{text}\x1b[0m" if has_colours(stream) else text


@contextmanager
def busy(words: str) -> Iterator[None]:
    """Say on a terminal what is being done, if it takes longer than a moment."""
    if not has_colours(sys.stderr):
        yield
        return
    shown: list[Status] = []

    def begin() -> None:
        from rich.console import Console
        from rich.text import Text

        status = Console(stderr=True).status(Text(words))  # a file may be called [red]: no markup
        status.start()
        shown.append(status)

    timer = threading.Timer(BUSY_SECONDS, begin)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for status in shown:
            status.stop()


def patiently(act: Callable[[], _T], words: str) -> _T:
    """Do something that a silent folder may hold up for ever; after a while say what is waited for.

    In a thread of its own, because nothing, not even Ctrl-C, reaches one that the folder holds.
    """
    errand = BackgroundCall(act, "syft-job-verb")
    if not errand.ended.wait(SILENT_SECONDS):
        complain(words)
    return errand.result()


class Impatience:
    """Says, once, that the folder does not answer any more, while a verb is still at it, until it is ``over``."""

    def __init__(self, root: Path, over: threading.Event) -> None:
        self._root = root
        self._over = over
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._over.wait(SILENT_SECONDS):
            if not FolderProbe(self._root).ended.wait(SILENT_SECONDS) and not self._over.is_set():
                complain(f"The folder {self._root} does not answer; waiting for it. Ctrl-\\ gives up.")
                return


def find(client: JobClient, wanted: str) -> JobInfo:
    """The job that ``wanted`` means: a name, alone or after its submitter and owner, or the first digits of an id.

    Raises:
        JobNotFoundError: there is none.
        SyftJobError: there are several; they are named.
    """
    return client.job_of(_find(client, wanted))


def _find(client: JobClient, wanted: str) -> JobRecord:
    text = unicodedata.normalize("NFC", wanted.strip())
    records = client.store.records()
    found = [record for record in records if text in _ways(record.place)]
    if names.is_id_prefix(text):
        found += [record for record in records if record.id.startswith(text) and record not in found]
    candidates = [f"{'/'.join(record.place)} ({record.id[:ID_DIGITS]})" for record in found]
    if found and "/" not in text:
        candidates += ["/".join(place) for place in client.store.unlisted(text)]
    if len(candidates) == 1:
        return found[0]
    if candidates:
        more = f"; and {len(candidates) - 10} more" if len(candidates) > 10 else ""
        raise SyftJobError(
            f"'{wanted}' may mean {len(candidates)} jobs. Say which: {'; '.join(candidates[:10])}{more}."
        )
    parts = text.split("/", 2)
    for place in _places(parts, client.config.email):
        try:
            return client.store.get(place)  # one that a list leaves out, because its submitter has too many waiting
        except JobNotFoundError:
            continue
    raise JobNotFoundError(f"There is no job '{wanted}' in {client.root}. See all of them: syft-job list", name=wanted)


def _ways(place: JobRef) -> tuple[str, str, str]:
    return (place.name, f"{place.submitter}/{place.name}", "/".join(place))


def _places(parts: list[str], email: str) -> list[JobRef]:
    owners = {2: [[email, *parts]], 3: [parts]}.get(len(parts), [])
    return [
        JobRef(*three)
        for three in owners
        if names.is_address(three[0]) and names.is_address(three[1]) and _is_name(three[2])
    ]


def _is_name(text: str) -> bool:
    try:
        return names.normalize_job_name(text) == text
    except SyftJobError:
        return False


def job_json(client: JobClient, record: JobRecord) -> dict[str, Any]:
    """What a program is told of a job."""
    from syft_job.exchange.results import reason_of

    return {
        "id": record.id,
        "owner": record.owner,
        "submitter": record.submitter,
        "name": record.name,
        "status": record.status,
        "state": record.state.value,
        "attempt": record.attempt,
        "digest": record.digest or None,
        "submitted_at": record.submitted_at,
        "location": str(record.location(client.root)),
        "problem": record.problem or None,
        "reason": reason_of(client.participant, record) or None,
        "blocked": record.blocked.value if record.blocked is not None else None,
        "arrived": [record.have, record.total],
        "missing": list(record.missing),
        "findings": list(record.findings),
    }


def named(record: JobRecord) -> str:
    """A job in one line for a person."""
    return f"{escape_line(record.submitter)}/{escape_line(record.name)}  ({record.id[:ID_DIGITS]})"
