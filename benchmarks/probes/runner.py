"""Serve a datasite until stdin ends. Arguments: root, the owner's address, the sandbox."""

from __future__ import annotations

import sys
import threading

from syft_job.config import SyftJobConfig
from syft_job.runner import JobRunner


def main() -> None:
    root, email, sandbox = sys.argv[1:4]
    runner = JobRunner(SyftJobConfig.from_syftbox_folder(root, email, sandbox=sandbox), announce=None)
    stop = threading.Event()
    serving = threading.Thread(target=runner.run, args=(stop,))
    serving.start()
    sys.stdin.read()
    stop.set()
    serving.join()


main()
