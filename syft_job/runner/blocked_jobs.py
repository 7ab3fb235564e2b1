"""Blocked jobs: each is reported with its reason, while the others go on."""

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
    """The blocked jobs and their reasons.

    Args:
        store: the index of the jobs.
        announce: called with one line for each job that is blocked.
        patience_s: seconds between two tries of what failed.
        handle_missing: called with a job that went away while it was read.
    """

    def __init__(
        self,
        store: JobIndex,
        announce: Callable[[str], None],
        patience_s: float,
        handle_missing: Callable[[JobRef], None],
    ) -> None:
        self.reasons: dict[JobRef, str] = {}
        self._store = store
        self._announce = announce
        self._patience_s = patience_s
        self._handle_missing = handle_missing
        self._not_before: dict[tuple[JobRef, str], float] = {}
        self._announced: dict[tuple[JobRef, str], str] = {}

    def forget(self, ref: JobRef) -> None:
        """Note that the job is not blocked any more."""
        self.reasons.pop(ref, None)

    @contextmanager
    def retry_or_block(self, ref: JobRef, effect: str) -> Iterator[None]:
        """Note a job as blocked where the block raises; nothing of it is raised further.

        Args:
            ref: the job.
            effect: what does not happen then, in words.
        """
        try:
            with fs.translate_os_errors(f"use {str(ref.under(self._store.root))!r}"):
                yield
        except (JobNotFoundError, FileNotFoundError):
            self._announced.pop((ref, effect), None)
            self._handle_missing(ref)  # the sweep finds it when it is back
        except InvalidTransition:
            return  # it moved on meanwhile, and is read again
        except SyftJobError as error:
            self._block(ref, effect, error)
        except Exception as error:  # noqa: BLE001 - reported as the job's reason; one job must not stop the runner
            _log.debug("A step of the job %s failed.", ref, exc_info=error)
            text = shortened(f"it failed with {type(error).__name__}: {error}")
            self._block(ref, effect, SyftJobError(f"{text}. Please report this."))
        else:
            self._announced.pop((ref, effect), None)
            if self.reasons.get(ref, "").startswith(f"{effect}: "):
                del self.reasons[ref]

    @contextmanager
    def now_and_then(self, ref: JobRef, effect: str) -> Iterator[bool]:
        """As `retry_or_block`; yields False where it failed less than the patience ago."""
        key = (ref, effect)
        if time.monotonic() < self._not_before.get(key, 0.0):
            yield False
            return
        self._not_before[key] = time.monotonic() + self._patience_s
        with self.retry_or_block(ref, effect):
            yield True
            del self._not_before[key]

    def _block(self, ref: JobRef, effect: str, error: Exception) -> None:
        reason = f"{effect}: {error}"
        # A disk refuses one operation or another for one reason, and for many jobs at once.
        number = errno_of(error)
        mark = reason if number is None else errno.errorcode.get(number, "")
        if self._announced.get((ref, effect)) == mark:
            return
        is_announced = number is not None and reason in self.reasons.values()
        self._announced[ref, effect] = mark
        self.reasons[ref] = reason
        if not is_announced:
            self._announce(f"⚠ '{ref.name}' from {ref.submitter}: {reason}")
        self._record(ref, error)

    def _record(self, ref: JobRef, error: Exception) -> None:
        """Keep the reason and its category in the home, for the owner's listings."""
        try:
            self._store.participant.home.record_blocked_reason(self._store.get(ref).id, str(error), category_of(error))
        except (SyftJobError, OSError):
            return  # it cannot even be read, which its row reports; or the home itself cannot be written
