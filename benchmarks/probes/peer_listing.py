"""Runs under a peer's interpreter: list in this fresh process and print the seconds as JSON.

Arguments: root, e-mail address, how often to list again.
"""

import gc
import json
import sys
import time
from typing import Any

from syft_job import get_client


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


root, email, again = sys.argv[1], sys.argv[2], int(sys.argv[3])
before = resident()
begin, begin_cpu = time.perf_counter(), time.process_time()
client = get_client(root, email)
jobs = client.jobs
said: dict[str, Any] = {"first": time.perf_counter() - begin, "jobs": len(jobs), "again": [], "again_cpu": []}
said["first_cpu"] = time.process_time() - begin_cpu
gc.collect()
said["resident"] = resident() - before
for _ in range(again):
    begin, begin_cpu = time.perf_counter(), time.process_time()
    jobs = client.jobs
    said["again"].append(time.perf_counter() - begin)
    said["again_cpu"].append(time.process_time() - begin_cpu)
if "print" in sys.argv:
    begin = time.perf_counter()
    said["characters"] = len(str(jobs))
    said["printed"] = time.perf_counter() - begin
print(json.dumps(said))
