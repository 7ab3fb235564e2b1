"""The floor of a durable submission: the same files, fsyncs and rename, and nothing else; prints seconds as JSON.

Arguments: a folder, how many, how many fsyncs each, the sizes of the files.
"""

import json
import os
import sys
import time

base, count, syncs, sizes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [int(size) for size in sys.argv[4:]]
os.makedirs(base)
parent = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
contents = [b"x" * size for size in sizes]
seconds = []
for index in range(count):
    begin = time.perf_counter()
    os.mkdir(f".{index}.tmp", dir_fd=parent)
    job = os.open(f".{index}.tmp", os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
    for number, content in enumerate(contents):
        file = os.open(f"f{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=job)
        os.write(file, content)
        os.fsync(file)
        os.close(file)
    os.fsync(job)
    os.rename(f".{index}.tmp", f"job {index}", src_dir_fd=parent, dst_dir_fd=parent)
    os.fsync(parent)
    os.close(job)
    seconds.append(time.perf_counter() - begin)
    if len(contents) + 2 != syncs:
        sys.exit(f"this floor has {len(contents) + 2} fsyncs, and a submission has {syncs}")
print(json.dumps({"seconds": seconds}))
