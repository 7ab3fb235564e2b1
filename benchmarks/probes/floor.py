"""What the machine alone needs: walk a tree, stat each job's folder; prints the seconds as JSON.

Arguments: the folder whose entries' entries are jobs, how often.
"""

from __future__ import annotations

import json
import os
import sys
import time


def walk(path: str) -> int:
    count = 0
    with os.scandir(path) as entries:
        for entry in entries:
            count += 1
            if entry.is_dir(follow_symlinks=False):
                count += walk(entry.path)
    return count


def main() -> None:
    base, times = sys.argv[1], int(sys.argv[2])
    walks, stats = [], []
    for _ in range(times):
        begin = time.perf_counter()
        walk(base)
        walks.append(time.perf_counter() - begin)
    folders = [entry.path for entry in os.scandir(base) if entry.is_dir()]
    inside = [(path, os.listdir(path)) for path in folders]
    for _ in range(times):
        begin = time.perf_counter()
        for path, names in inside:
            opened = os.open(path, os.O_RDONLY)
            for name in names:
                os.stat(name, dir_fd=opened, follow_symlinks=False)
            os.close(opened)
        stats.append(time.perf_counter() - begin)
    print(json.dumps({"walk": walks, "stat": stats}))


main()
