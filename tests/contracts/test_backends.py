"""The backends of this package keep the contract that ships in `syft_job.testing`."""

from __future__ import annotations

from pathlib import Path

import pytest

from syft_job.execution.backends.base import JobABC, build
from syft_job.testing import BackendContract


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("system")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


class TestShell(BackendContract):
    def make_backend(self) -> JobABC:
        return build({"module": "shell"})


class TestShellThatWaits(BackendContract):
    returns_before_end = False

    def make_backend(self) -> JobABC:
        return build({"module": "shell", "detach": False})
