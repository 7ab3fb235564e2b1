"""What would run, as data: the submitted files, the command, and the conditions of this machine."""

from .collect import Review, ReviewedFile, collect
from .owner_review import record_review, review

__all__ = ["Review", "ReviewedFile", "collect", "record_review", "review"]
