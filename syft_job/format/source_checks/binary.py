"""Recognise binary data, and the kinds of it that an interpreter or the system can execute."""

from __future__ import annotations

import re
from typing import Final

SCRIPT_SUFFIXES: Final = frozenset(
    ".py .pyw .pyi .sh .bash .ksh .zsh .dash .pth .r .jl .pl .pm .rb .js .mjs .cjs .ts .lua .php .sql .ipynb .awk .tcl"
    " .c .h .cc .cpp .rs .go .java .pyx .pxd .cfg .toml .ini .mk .cmake .env .bashrc .profile".split()
)
"""Suffixes of text that an interpreter or a build tool executes or obeys."""

_BINARY_SHARE: Final = 0.3
_SAMPLE_BYTES: Final = 1 << 16
_NOT_TEXT: Final = bytes((*range(9), 11, *range(14, 27), *range(28, 32), 127))
_PICKLE: Final = "it is a pickle, which executes code when it is loaded"
_EXECUTABLE_MAGIC: Final = (
    (re.compile(rb"\x7fELF"), "it is a compiled program or library (ELF)"),
    (
        re.compile(rb"\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe"),
        "it is a compiled program or class",
    ),
    (re.compile(rb"MZ(?=[^\0]{0,62}\0)"), "it is a compiled program (PE)"),
    (re.compile(rb"\0asm"), "it is compiled WebAssembly"),
    (re.compile(rb"..\r\n[\0-\x03]\0\0\0", re.DOTALL), "it is compiled Python bytecode"),
    (re.compile(rb"\x80[\x02-\x05]"), _PICKLE),
)
_EXECUTABLE_SUFFIXES: Final = {
    **dict.fromkeys(
        (".so", ".pyd"), "it is a compiled library by its name, which Python prefers to a .py file of the same name"
    ),
    **dict.fromkeys((".dylib", ".dll", ".exe"), "it is a compiled library or program by its name"),
    **dict.fromkeys((".pyc", ".pyo"), "it is compiled Python bytecode by its name"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".dill"), _PICKLE),
    **dict.fromkeys((".pt", ".ckpt"), "it may be a pickle, which executes code when it is loaded"),
    **dict.fromkeys((".whl", ".egg", ".pyz", ".jar"), "it is an archive of code by its name"),
}
_VERSIONED_LIBRARY: Final = re.compile(r"\.so(?:\.[0-9]+)+\Z")
_END_OF_ARCHIVE: Final = b"PK\x05\x06"
_MAX_ARCHIVE_END_BYTES: Final = 22 + 65535
"""Size of the last record of a zip archive with the longest comment; zipimport searches this range for it."""

_STARTUP: Final = {
    "sitecustomize.py": "Python imports a module of this name by itself when it starts",
    "usercustomize.py": "Python imports a module of this name by itself when it starts",
    "conftest.py": "pytest executes a file of this name by itself",
    "pyvenv.cfg": "Python takes the folder of this file for an environment",
    ".bashrc": "bash executes a file of this name by itself",
    ".bash_profile": "bash executes a file of this name by itself",
    ".profile": "bash executes a file of this name by itself",
}


def suffix_of(path: str) -> str:
    """Return the suffix of a file's name in lower case; for a name such as ``.bashrc`` the whole name."""
    name = path.rpartition("/")[2].lower()
    dot = name.rfind(".")
    return name[dot:] if dot >= 0 else ""


def is_clearly_binary(data: bytes) -> bool:
    """Return True if much of the beginning is neither UTF-8 nor printable.

    A signature is no criterion: bash executes a script that begins like an image.
    """
    sample = data[:_SAMPLE_BYTES]
    controls = len(sample) - len(sample.translate(None, _NOT_TEXT))
    undecodable = 0 if sample.isascii() else len(sample) - len(sample.decode("utf-8", "ignore").encode())
    return controls + undecodable > len(sample) * _BINARY_SHARE


def archive_in(data: bytes) -> str | None:
    """Return how a file is a zip archive, or None. Text may precede the archive, so the end of the file decides."""
    if data.startswith((b"PK\x03\x04", _END_OF_ARCHIVE)):
        return "it is a zip archive"
    if _END_OF_ARCHIVE in data[-_MAX_ARCHIVE_END_BYTES:]:
        return "a zip archive is appended to it"
    return None


def executable_kind(path: str, data: bytes) -> str | None:
    """Return which kind of executable data a file is, by its first bytes or its name, or None."""
    for magic, kind in _EXECUTABLE_MAGIC:
        if magic.match(data):
            return kind
    if _VERSIONED_LIBRARY.search(path):
        return _EXECUTABLE_SUFFIXES[".so"]
    return _EXECUTABLE_SUFFIXES.get(suffix_of(path))


def replaces_source(path: str) -> bool:
    """Return True for bytecode that Python can execute instead of the source file beside it."""
    return suffix_of(path) in (".pyc", ".pyo")


def startup_reason(path: str) -> str | None:
    """Return why an interpreter may execute a file without being instructed to, or None."""
    name = path.rpartition("/")[2].lower()
    if name.endswith(".pth"):
        return "Python executes the import lines of a .pth file in its library folders by itself"
    return _STARTUP.get(name)
