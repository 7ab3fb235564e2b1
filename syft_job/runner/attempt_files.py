"""One attempt of a job in the exchange: its key, and its files in the owner's home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from syft_job.exchange.participant import Participant
from syft_job.execution.attempt_operations import AttemptPaths
from syft_job.model.job_ref import JobRef


@dataclass(frozen=True, slots=True)
class Attempt:
    """Attempt ``number`` of the submission ``job``, at ``ref`` in the folder of ``participant``, its owner."""

    participant: Participant
    ref: JobRef
    job: str
    number: int

    @property
    def paths(self) -> AttemptPaths:
        """Its name at the backend, its claim and its workspace."""
        return AttemptPaths(f"{self.job}.{self.number}", self.claim, self.workspace)

    @property
    def workspace(self) -> Path:
        """Its directory: the verified copy of the job below `job`, beside the logs and the exit record."""
        return self.participant.home.attempt_paths(self.job, self.number).workspace

    @property
    def claim(self) -> Path:
        """The file that exists once it has begun."""
        return self.participant.home.attempt_paths(self.job, self.number).claim

    @property
    def held(self) -> Path:
        """The directory that holds its results."""
        return self.participant.home.attempt_paths(self.job, self.number).results

    def log(self, stream: str) -> Path:
        """The live log of ``stdout`` or ``stderr``."""
        return self.paths.log(stream)
