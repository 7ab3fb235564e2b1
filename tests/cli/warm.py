"""A warm command line: one process that has imported everything forks a child for each call.

A call is a process of its own, as it is for people, without the second that a new interpreter takes on a busy machine.
Calls come as JSON lines on stdin; the answer is the exit code. Tests of what only a new process shows use the real one.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import syft_job.cli.demo
import syft_job.doctor  # noqa: F401 - to be warm
from syft_job.cli import main


def call(asked: dict[str, Any]) -> None:
    code = 70
    try:
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["cwd"])
        for target, path in ((0, asked["stdin"]), (1, asked["out"]), (2, asked["err"])):
            opened = os.open(path, os.O_RDONLY if target == 0 else os.O_WRONLY | os.O_APPEND)
            os.dup2(opened, target)
        main(asked["words"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - nothing may return into the parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


for line in sys.stdin:
    child = os.fork()
    if not child:
        call(json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
