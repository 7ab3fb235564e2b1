"""Copy and hash `data.bin` as a runner does, into a file beside it; prints seconds as JSON. Argument: the folder."""

import json
import os
import sys
import time

from syft_job import fs

with fs.open_directory(os.path.abspath(sys.argv[1])) as place:  # type: ignore[arg-type]
    size = os.stat("data.bin", dir_fd=place).st_size
    begin, begin_cpu = time.perf_counter(), time.process_time()
    fs.copy_file(place, "data.bin", place, "copied", max_bytes=size, private=True)
    said = {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - begin_cpu}
    os.unlink("copied", dir_fd=place)
print(json.dumps(said))
