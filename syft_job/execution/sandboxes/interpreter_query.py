"""What a Python says of itself. The interpreter in question runs this file: it uses what each Python has from 3.7 on.

It reads no module of this project and no site packages: `python -I -S interpreter_query.py`.
"""

from __future__ import annotations

import json
import sys
import sysconfig


def describe() -> dict[str, object]:
    """Return the folders of the standard library and the file of the shared library, where there is one."""
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
