"""List as one person and print seconds and how many jobs of others than one submitter were listed, as JSON.

Arguments: root, e-mail address, the submitter who does not count, how often to list again.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median


def main() -> None:
    root, email, hostile, again = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401 - "after imports"

    from syft_job import get_client

    begin = time.perf_counter()
    client = get_client(root, email)
    records = client.store.records()
    first = time.perf_counter() - begin
    others = sum(record.submitter != hostile for record in records)
    seconds = []
    for _ in range(again):
        begin = time.perf_counter()
        records = client.store.records()
        seconds.append(time.perf_counter() - begin)
        others = min(others, sum(record.submitter != hostile for record in records))
    print(json.dumps({"first": first, "again": median(seconds), "others": others, "listed": len(records)}))


main()
