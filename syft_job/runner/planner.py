"""The plans of one runner: what the machine offers is determined again when it may have changed.

Invariant: the containment of one runner never becomes weaker.
"""

from __future__ import annotations

import time
from typing import Final

from syft_job.config import SyftJobConfig
from syft_job.errors import BlockedCategory, ConfigError, NotStarted
from syft_job.execution import sandboxes
from syft_job.execution.plan import ExecutionPlan, host_offer, plan_for
from syft_job.format.manifest import JobSpec

PROOF_HOLDS_S: Final = 60.0
"""For how many seconds one run of the sandbox proves that it works, while nothing tells of a change."""


class Planner:
    """Plans the jobs of one runner; what they depend on is determined again when it may have changed, or once a minute.

    The containment of one runner never becomes weaker: where bubblewrap worked and works no more, jobs are not started.
    What breaks it is noticed before the start: at once where a program or a switch of the kernel changed, else by a run
    of the sandbox that is at most `PROOF_HOLDS_S` old.

    Args:
        config: the owner's settings.
        retry_after_s: seconds after which an offer is determined again that lacks a sandbox, an interpreter or a way to
            the workspaces.
        backend: the name of what starts the commands.
    """

    def __init__(self, config: SyftJobConfig, retry_after_s: float, backend: str) -> None:
        self._config = config
        self._retry_after_s = retry_after_s
        self._backend = backend
        self._host_state = sandboxes.host_state()
        self._determined_at = sandboxes.probed_at()  # a process may have tried it hours before it runs jobs
        self._problem: str | None = None
        self._is_doubtful = False
        self._host = host_offer(config)

    @property
    def general(self) -> ExecutionPlan:
        """The plan for any job, as it was determined last."""
        return plan_for(self._config, host=self._host, backend=self._backend)

    def doubt(self) -> None:
        """Determine the offer again at the next start: a sandbox could not be set up."""
        self._is_doubtful = True

    def plan_at_start(self, spec: JobSpec | None, config: SyftJobConfig) -> ExecutionPlan:
        """Return the plan of a job whose attempt is about to start.

        Args:
            spec: the job's manifest.
            config: the owner's settings for this start, which may have shorter limits.

        Raises:
            NotStarted: jobs were contained and cannot be any more.
        """
        state = sandboxes.host_state()
        is_bare = self._config.sandbox == "auto" and not self._host.is_contained
        lacks = self._host.interpreter is None or self._host.workspace_problem is not None
        is_incomplete = is_bare or self._problem is not None or lacks
        age = time.monotonic() - self._determined_at
        is_due = age >= (self._retry_after_s if is_incomplete else PROOF_HOLDS_S)
        if state != self._host_state or is_due or self._is_doubtful:
            sandboxes.clear_probe_cache()
            self._host_state, self._is_doubtful, self._determined_at = state, False, time.monotonic()
            self._problem = self._determine_again()
        if self._problem is not None:
            raise NotStarted(self._problem, category=BlockedCategory.SANDBOX)
        return plan_for(config, spec, host=self._host, backend=self._backend)

    def _determine_again(self) -> str | None:
        """Determine the offer again; returns why jobs cannot start under it."""
        try:
            host = host_offer(self._config)
        except ConfigError as error:
            return str(error)
        if self._host.is_contained and not host.is_contained:
            reason = sandboxes.unavailable_reason() or "the reason is not known"
            return (
                f"the sandbox {self._host.sandbox.name} worked and works no more: {reason} The job starts when it"
                " works again; see syft-job doctor"
            )
        self._host = host
        return None
