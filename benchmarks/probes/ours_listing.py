"""List as one person in this fresh process and print the seconds as JSON.

Arguments: root, e-mail address, how often to list again, and ``memory`` or ``tracemalloc`` or nothing.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from typing import Any


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def main() -> None:
    root, email, again, what = sys.argv[1], sys.argv[2], int(sys.argv[3]), (sys.argv[4:] or [""])[0]
    import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401 - "after imports"

    from syft_job import get_client

    gc.collect()
    before = resident()
    if what == "tracemalloc":
        tracemalloc.start()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    client = get_client(root, email)
    jobs = client.jobs
    said: dict[str, Any] = {"first": time.perf_counter() - begin, "jobs": len(jobs), "again": [], "again_cpu": []}
    said["first_cpu"] = time.process_time() - begin_cpu
    if what:
        del jobs
        gc.collect()
        said["resident"] = resident() - before
        if what == "tracemalloc":
            said["traced"], said["traced_peak"] = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    for _ in range(again):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        jobs = client.jobs
        said["again"].append(time.perf_counter() - begin)
        said["again_cpu"].append(time.process_time() - begin_cpu)
    if not what:
        begin = time.perf_counter()
        text = str(jobs)
        said["printed"], said["characters"] = time.perf_counter() - begin, len(text)
    print(json.dumps(said))


main()
