"""One file for each row of the table of targets; each has ``measure(bench)`` and yields `Row` records."""
