"""How fast syft_job is, beside its peers and beside what the machine can do; run as ``python -m benchmarks``."""
