"""Only `fs` writes into the tree, and only it looks at paths below the shared folder.

Both are read off the syntax of every other module, with few exceptions named here.

The checks are nets against forgetfulness, not against malice: they see calls by name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import syft_job

PACKAGE = Path(syft_job.__path__[0])

# Module or subpackage -> what it may write although it is not `fs`.
MAY_WRITE = {
    "fs": "it is the one that writes",
    "execution.backends": "a workspace and its log are on the private side",
    "execution.sandboxes": "it gives a workspace on the private side to the user that the job runs as",
    "cli": "the copy that `outputs --copy DIR` makes where its user says",
    "testing": "users' tests make folders of their own",
}

# Module or subpackage -> which paths it may look at by name, which follows links (threat 39). What lies in the shared
# folder is opened from there on, component by component: `fs.open_directory`, `fs.stat_below`, `fs.open_file_below`.
MAY_FOLLOW = {
    "exchange.transitions.clean": "the home",
    "exchange.transitions.cancel": "the home",
    "exchange.transitions.deposit": "the home, and what the owner deposits",
    "exchange.transitions.rerun": "the home",
    "exchange.transitions.share": "the home",
    "execution.attempt": "the home",
    "execution.backends": "/proc, and the private side",
    "client": "what the user submits",
    "cli.completion": "the scripts of this package",
    "cli.submit": "what the user submits, and the place for copies",
    "cli.demo_files": "they are a job",
    "cli.keys": "the file that a key is exported to",
    "cli.inspect": "the home",
    "cli.setup": "the configuration file",
    "cli.demo": "the demonstration's own folder",
    "config": "the configuration file, and the shared folder itself",
    "fs": "it is the one that looks",
    "doctor": "the home",
    "exchange.evidence": "the home",
    "home": "the home, and the shared folder itself",
    "exchange.retention": "the home",
    "runner.log_tail": "the home",
    "events.outbox": "the home",
    "runner.workspace": "the home",
    "execution.sandboxes": "the system's own folders",
    "session": "the shared folder itself",
    "exchange.result_staging": "the home",
    "exchange.job_index": "the shared folder itself, and entries of open directories",
    "exchange.submission": "names in an open directory",
    "exchange.submitter_index": "entries of open directories",
    "exchange.submission_source": "what the user submits",
    "exchange.submission_files": "what the user submits",
    "testing": "users' tests make folders of their own",
}

WRITING = {
    "os": {
        "chmod", "chown", "fchmod", "fchown", "ftruncate", "lchown", "link", "makedirs", "mkdir", "mkfifo", "mknod",
        "remove", "removedirs", "rename", "renames", "replace", "rmdir", "symlink", "truncate", "unlink", "utime",
    },
    "shutil": {
        "chown", "copy", "copy2", "copyfile", "copymode", "copystat", "copytree", "make_archive", "move", "rmtree",
        "unpack_archive",
    },
    "tempfile": {"NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "mkdtemp", "mkstemp"},
}  # fmt: skip
FOLLOWING_METHODS = {
    "exists", "glob", "is_block_device", "is_char_device", "is_dir", "is_fifo", "is_file", "is_mount", "is_socket",
    "is_symlink", "iterdir", "lstat", "open", "read_bytes", "read_text", "readlink", "resolve", "rglob", "samefile",
    "stat", "walk",
}  # fmt: skip
FOLLOWING_FUNCTIONS = {
    "open", "os.walk", "os.path.exists", "os.path.getmtime", "os.path.getsize", "os.path.isdir", "os.path.isfile",
    "os.path.islink", "os.path.lexists", "os.path.realpath", "os.path.samefile",
}  # fmt: skip
WRITING_FLAGS = {"O_APPEND", "O_CREAT", "O_RDWR", "O_TMPFILE", "O_TRUNC", "O_WRONLY"}
WRITING_METHODS = {
    "chmod", "hardlink_to", "lchmod", "mkdir", "rename", "rmdir", "symlink_to", "touch", "unlink", "write_bytes",
    "write_text",
}  # fmt: skip
OPENERS = {"open", "io.open", "codecs.open", "os.fdopen", "bz2.open", "gzip.open", "lzma.open", "tarfile.open"}


def writes(source: str) -> list[str]:
    """Every place in a module's source that may write to a file system, as "line: what"."""
    tree = ast.parse(source)
    names = imported(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call | ast.Name | ast.Attribute):
            what = written_by(node, names) if isinstance(node, ast.Call) else mentioned(node, names)
            found += [(node.lineno, what)] if what else []
    return [f"{line}: {what}" for line, what in sorted(set(found))]


def imported(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for, with its dots: `from os import replace as r` gives {"r": "os.replace"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            module = "syft_job" if node.level else node.module or ""
            for alias in node.names:
                names[alias.asname or alias.name] = f"{module}.{alias.name}"
    return names


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    """`os.path.join` for that expression, whatever os was imported as; "" for what is no dotted name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (owner := full_name(node.value, names)):
        return f"{owner}.{node.attr}"
    return ""


def mentioned(node: ast.Name | ast.Attribute, names: dict[str, str]) -> str | None:
    """A writing function or flag, called or handed on."""
    module, _, name = full_name(node, names).rpartition(".")
    if name in WRITING.get(module, ()) or (module == "os" and name in WRITING_FLAGS):
        return f"{module}.{name}"
    return None


def written_by(call: ast.Call, names: dict[str, str]) -> str | None:
    """The write that a call makes by its method's name or by its mode."""
    name = full_name(call.func, names)
    if name in OPENERS:
        return f"{name} to write" if opens_to_write(call, position=1) else None
    if not isinstance(call.func, ast.Attribute):
        return None
    if name.partition(".")[0] in {"os", "syft_job", "dataclasses", "copy"}:  # seen above, or another room's business
        return None
    method = call.func.attr
    if method in WRITING_METHODS:
        return f".{method}()"
    if method == "open":
        return ".open() to write" if opens_to_write(call, position=0) else None
    if method == "replace" and len(call.args) == 1 and not call.keywords:  # a str's has two, a datetime's has keywords
        return ".replace() of a path"
    return None


def follows(source: str) -> list[str]:
    """Every place in a module's source that may look at a path by its name, as "line: what"."""
    tree = ast.parse(source)
    names = imported(tree)
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = full_name(node.func, names)
        if name in FOLLOWING_FUNCTIONS:
            found.add((node.lineno, name))
        elif name in {"os.stat", "os.lstat", "os.open", "os.listdir", "os.scandir"}:
            # Relative to a descriptor, or of one: then the argument is no path of more than one component.
            has_descriptor = any(keyword.arg == "dir_fd" for keyword in node.keywords)
            if not has_descriptor and not is_descriptor(node.args):
                found.add((node.lineno, name))
        elif (
            isinstance(node.func, ast.Attribute)
            and node.func.attr in FOLLOWING_METHODS
            and name.partition(".")[0] not in {"os", "syft_job", "fs"}
            and not (node.func.attr == "open" and name == "self.open")
        ):
            found.add((node.lineno, f".{node.func.attr}()"))
    return [f"{line}: {what}" for line, what in sorted(found)]


DESCRIPTORS = {"dir_fd", "dst_fd", "inner", "jobs", "job", "now.job", "opened", "parent", "src_fd"}
"""What open directories are called in this package."""


def is_descriptor(arguments: list[ast.expr]) -> bool:
    return bool(arguments) and ast.unparse(arguments[0]) in DESCRIPTORS


def opens_to_write(call: ast.Call, position: int) -> bool:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"] or call.args[position : position + 1]
    if not given:
        return False
    mode = given[0]
    if isinstance(mode, ast.Constant):
        return isinstance(mode.value, str) and bool(set("wax+") & set(mode.value))
    return True  # a mode that cannot be read here is not trusted


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def may_write(module: str) -> bool:
    return is_named(module, MAY_WRITE)


def is_named(module: str, rooms: dict[str, str]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize(("module", "path"), [pytest.param(*found, id=found[0] or "syft_job") for found in modules()])
def test_nothing_looks_by_name_at_what_others_write(module: str, path: Path):
    if is_named(module, MAY_FOLLOW):
        return
    found = follows(path.read_text(encoding="utf-8"))
    assert not found, (
        f"{path.name} may follow a link: use fs.open_directory, fs.stat_below, fs.names_below or fs.open_file_below, or"
        " name in MAY_FOLLOW which paths it looks at:\n" + "\n".join(found)
    )


@pytest.mark.parametrize(
    "source",
    [
        "path.is_dir()",
        "(location / 'outputs').iterdir()",
        "open(path)",
        "import os\nos.stat(path, follow_symlinks=False)",
        "import os\nos.path.isdir(path)",
        "from os import listdir\nlistdir(path)",
        "import os\nos.open(path, os.O_RDONLY)",
    ],
)
def test_the_check_sees_a_path_that_is_followed(source: str):
    assert follows(source)


@pytest.mark.parametrize(
    "source",
    [
        "from syft_job import fs\nfs.is_directory(root, name)",
        "import os\nos.stat(name, dir_fd=parent, follow_symlinks=False)",
        "import os\nos.listdir(opened)",
    ],
)
def test_the_check_lets_descriptors_pass(source: str):
    assert follows(source) == []


def test_every_exception_is_needed():
    looking = {module for module, path in modules() if follows(path.read_text(encoding="utf-8"))}
    assert [room for room in MAY_FOLLOW if not any(is_named(module, {room: ""}) for module in looking)] == []


@pytest.mark.parametrize(("module", "path"), [pytest.param(*found, id=found[0] or "syft_job") for found in modules()])
def test_only_fs_writes_into_the_tree(module: str, path: Path):
    if may_write(module):
        return
    found = writes(path.read_text(encoding="utf-8"))
    assert not found, f"{path.name} writes; put it into fs, or name its reason in MAY_WRITE:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "open(path, 'w')",
        "open(path, mode='ab')",
        "open(path, how)",
        "import io\nio.open(path, 'r+')",
        "path.open('x')",
        "import os\nos.replace(a, b)",
        "import os as o\no.mkdir(a)",
        "from os import unlink as gone\ngone(a)",
        "import os\nwith_retry(os.rename, a, b)",
        "import os\nos.open(path, os.O_WRONLY | os.O_CREAT)",
        "import os\nos.fdopen(fd, 'wb')",
        "import shutil\nshutil.rmtree(a)",
        "from shutil import copytree\ncopytree(a, b)",
        "from tempfile import mkstemp\nmkstemp()",
        "def save(path):\n    path.write_text('x')",
        "(folder / 'done').touch()",
        "Path(a).replace(b)",
        "folder.mkdir(parents=True)",
    ],
)
def test_the_check_sees_a_write(source: str):
    assert writes(source)


@pytest.mark.parametrize(
    "source",
    [
        "open(path)",
        "open(path, 'rb')",
        "path.open()",
        "import os\nos.open(path, os.O_RDONLY | os.O_NOFOLLOW)",
        "import os\nos.scandir(path)\nos.path.join(a, b)",
        "import shutil\nshutil.which('bwrap')",
        "text.replace('a', 'b')",
        "when.replace(tzinfo=None)",
        "import dataclasses\ndataclasses.replace(record)",
        "from dataclasses import replace\nreplace(record, name='x')",
        "from syft_job import fs\nfs.mkdir(path)\nfs.rename(a, b)",
        "from . import fs\nfs.unlink(path)",
    ],
)
def test_the_check_lets_reading_pass(source: str):
    assert writes(source) == []


def test_the_check_sees_that_fs_writes():
    modules = [path.read_text(encoding="utf-8") for path in (PACKAGE / "fs").glob("*.py")]
    assert any(writes(source) for source in modules)
