"""What starts approved jobs on the owner's machine, and brings their results home."""

from .service import JobRunner, create_runner

SyftJobRunner = JobRunner

__all__ = ["JobRunner", "SyftJobRunner", "create_runner"]
