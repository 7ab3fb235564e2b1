"""Jobs that something is in the way of: set aside visibly, with the reason, while the others go on."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from syft_job import fs
from syft_job.errors import InvalidTransition, JobNotFoundError, SyftJobError
from syft_job.exchange.job_index import JobIndex
from syft_job.model.blocked_reason import category_of
from syft_job.model.job_ref import JobRef
from syft_job.model.quoting import shortened

from .conditions import errno_of

_log = logging.getLogger(__name__)


class BlockedJobs:
    """The jobs that are set aside, and why.

    Args:
        store: the jobs of the folder.
        say: called with one line for each job that is set aside.
        patience: seconds between two tries of what did not go well.
        gone: called with a job that went away while it was looked at.
    """

    def __init__(
        self, store: JobIndex, say: Callable[[str], None], patience: float, gone: Callable[[JobRef], None]
    ) -> None:
        self.reasons: dict[JobRef, str] = {}
        self._store = store
        self._say = say
        self._patience = patience
        self._gone = gone
        self._not_before: dict[tuple[JobRef, str], float] = {}
        self._said_of: dict[tuple[JobRef, str], str] = {}

    def forget(self, place: JobRef) -> None:
        """Nothing is in the way of this job any more."""
        self.reasons.pop(place, None)

    @contextmanager
    def retry_or_block(self, place: JobRef, trouble: str) -> Iterator[None]:
        """Set a job aside when something is in its way inside the block; nothing of it is raised.

        Args:
            place: the job.
            trouble: what does not happen then, in words.
        """
        try:
            with fs.translate_os_errors(f"use {str(place.under(self._store.root))!r}"):
                yield
        except (JobNotFoundError, FileNotFoundError):
            self._said_of.pop((place, trouble), None)
            self._gone(place)  # the sweep finds it when it is back
        except InvalidTransition:
            return  # it moved on while we looked: the next look tells how
        except SyftJobError as error:
            self._set_aside(place, trouble, error)
        except Exception as error:  # noqa: BLE001 - told as the job's reason; one job must not stop the runner
            _log.debug("Looking after the job %s failed.", place, exc_info=error)
            words = shortened(f"it failed with {type(error).__name__}: {error}")
            self._set_aside(place, trouble, SyftJobError(f"{words}. Please report this."))
        else:
            self._said_of.pop((place, trouble), None)
            if self.reasons.get(place, "").startswith(f"{trouble}: "):
                del self.reasons[place]

    @contextmanager
    def now_and_then(self, place: JobRef, trouble: str) -> Iterator[bool]:
        """As `retry_or_block`; yields False where it did not go well less than the patience ago."""
        key = (place, trouble)
        if time.monotonic() < self._not_before.get(key, 0.0):
            yield False
            return
        self._not_before[key] = time.monotonic() + self._patience
        with self.retry_or_block(place, trouble):
            yield True
            del self._not_before[key]

    def _set_aside(self, place: JobRef, trouble: str, error: Exception) -> None:
        reason = f"{trouble}: {error}"
        # A disk refuses now this and now that for one reason, and what it says of one job it says of many.
        number = errno_of(error)
        mark = reason if number is None else errno.errorcode.get(number, "")
        if self._said_of.get((place, trouble)) == mark:
            return
        is_said = number is not None and reason in self.reasons.values()
        self._said_of[place, trouble] = mark
        self.reasons[place] = reason
        if not is_said:
            self._say(f"⚠ '{place.name}' from {place.submitter}: {reason}")
        self._note(place, error)

    def _note(self, place: JobRef, error: Exception) -> None:
        """Keep the reason and its category in the home for listings of the owner."""
        try:
            self._store.participant.home.record_blocked_reason(
                self._store.get(place).id, str(error), category_of(error)
            )
        except (SyftJobError, OSError):
            return  # it cannot even be read, and its row says so; or the home is what is in the way
