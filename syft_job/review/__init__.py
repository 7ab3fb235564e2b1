"""What a reviewer must see before saying yes, as data."""

from .listed import ListedStamps, hashes_match, stamps_of
from .pack import Review, ReviewedFile, review

__all__ = ["ListedStamps", "Review", "ReviewedFile", "hashes_match", "review", "stamps_of"]
