"""The former name of `states`, until every module imports it by that name."""

from .states import JobState

__all__ = ["JobState"]
