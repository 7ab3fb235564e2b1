"""Report which files a Python needs. The interpreter in question executes this file (`python -I -S`).

It runs on every Python from 3.7 on and imports no module of this project and no site packages.
"""

from __future__ import annotations

import json
import sys
import sysconfig


def describe() -> dict[str, object]:
    """Return version, executable, prefix, directories of the standard library, and files of the shared library."""
    libraries = []
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        names = {sysconfig.get_config_var(key) for key in ("INSTSONAME", "LDLIBRARY")}
        folders = {sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib"}  # a relocated build has the second
        libraries = sorted(f"{folder}/{name}" for folder in folders for name in names if folder and name)
    return {
        "version": list(sys.version_info[:2]),
        "executable": sys.executable,
        "base_executable": getattr(sys, "_base_executable", None) or sys.executable,
        "base_prefix": sys.base_prefix,
        "library_folders": sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}),
        "shared_libraries": libraries,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(describe()))
