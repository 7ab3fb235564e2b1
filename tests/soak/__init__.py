"""A soak: one owner's runner for a long time, with everything going wrong that may go wrong, and nothing lost.

`python -m tests.soak --minutes 60 --jobs 10000` is the whole; a minute of it is part of `make test-all`.
"""
