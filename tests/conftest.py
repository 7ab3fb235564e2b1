"""What every test stands on: none of them sees the user's environment, and none of them leaves anything behind.

`SYFT_JOB_HOME`, `SYFT_JOB_WORK` and `SYFT_JOB_CONFIG` point into folders that are the test's own. Processes that a
test starts inherit them.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.conformance_report", "tests.reliability"]

settings.register_profile(
    "ci",
    deadline=None,  # two cores are shared: time says nothing about the code
    derandomize=True,  # what passed here passes there; `long` looks elsewhere each time
    suppress_health_check=[HealthCheck.too_slow],  # the same
    print_blob=True,
)
settings.register_profile("long", settings.get_profile("ci"), max_examples=2_000, derandomize=False)

# Where workspaces lie when root runs the tests: a user who was dropped to must be able to reach them, and pytest's own
# folders are closed.
WORK_PARENTS = ("/var/tmp", "/tmp")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="many more Hypothesis examples (make test-all)")


def pytest_configure(config: pytest.Config) -> None:
    chosen = os.environ.get("HYPOTHESIS_PROFILE") or ("long" if config.getoption("--long") else "ci")
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile(chosen)


@pytest.fixture(autouse=True)
def private_side(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home for this test alone, and nothing of the user's settings. The value is the home, which does not exist."""
    for name in list(os.environ):
        if name.startswith(("SYFTBOX_", "SYFT_")):
            monkeypatch.delenv(name)
    for name in ("FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    own = tmp_path_factory.mktemp("private")
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(own / "xdg" / kind.lower()))
    home = own / "home"
    monkeypatch.setenv("SYFT_JOB_HOME", str(home))
    monkeypatch.setenv("SYFT_JOB_CONFIG", str(own / "config.toml"))
    if os.geteuid() != 0:  # workspaces lie in the home
        yield home
        return
    work = make_work_dir()
    monkeypatch.setenv("SYFT_JOB_WORK", str(work))
    yield home
    remove_tree(work)


@pytest.fixture
def work_dir(private_side: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of workspaces (`SYFT_JOB_WORK`): others may pass through it but not list it."""
    if given := os.environ.get("SYFT_JOB_WORK"):
        yield Path(given)
        return
    work = make_work_dir()
    monkeypatch.setenv("SYFT_JOB_WORK", str(work))
    yield work
    remove_tree(work)


@pytest.fixture(scope="session", autouse=True)
def usual_signals() -> None:
    """Whoever starts the tests in the background (`nohup`, `&`) has them ignored, and what they start, too."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope="session", autouse=True)
def passing_things(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Temporary folders lie in pytest's own: a child that is killed leaves some."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("passing"))
    yield
    tempfile.tempdir = before


def make_work_dir() -> Path:
    parent = next((parent for parent in WORK_PARENTS if os.access(parent, os.W_OK)), None)
    work = Path(tempfile.mkdtemp(prefix="syft-job-test-", dir=parent))
    work.chmod(0o711)
    return work


def remove_tree(path: Path) -> None:
    """Remove a tree, folders without permissions included. What cannot be removed fails the test that left it."""
    path.chmod(stat.S_IRWXU)
    for parent, folders, _ in os.walk(path):
        for folder in folders:
            if not os.path.islink(os.path.join(parent, folder)):
                os.chmod(os.path.join(parent, folder), stat.S_IRWXU)
    shutil.rmtree(path)
