"""What the figures were measured on, without saying whose machine it is."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import syft_job


def code() -> str:
    """A few digits that stand for the package's sources, so that a run over changing code is told from others."""
    package = Path(syft_job.__file__).parent
    sources = sorted(path for path in package.rglob("*") if path.suffix in (".py", ".sh"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:8]


def facts(where: Path) -> dict[str, Any]:
    """Processors, Python, kernel, file system of ``where``, load."""
    model = ""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        model = platform.processor()
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(where)], capture_output=True, text=True, check=False)
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "file system": kind.stdout.strip() or "unknown",
        "load before": round(os.getloadavg()[0], 2),
        "syft_job": syft_job.__version__,
        "code before": code(),
        "day": datetime.now(UTC).date().isoformat(),
    }
