"""What a reviewer must see before saying yes, as data."""

from .pack import Review, ReviewedFile, review

__all__ = ["Review", "ReviewedFile", "review"]
