"""Every Python block of README and docs runs: those of a page in order, in a shared folder of two people.

`~/shared` is the folder of both. Omar (`omar@example.org`) has opened a folder for Ada (`ada@example.org`), who has
submitted two jobs to him, "Mean wait" and "Count". The working directory is empty.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syft_job import JobClient, get_client
from tests.docs.pages import ROOT, Block, blocks, page_id, pages

OWNER, SUBMITTER = "omar@example.org", "ada@example.org"
LANGUAGES = {"python", "console", "sh", "text", "json", "toml", "ini", "mermaid"}


def python_blocks(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python" and block.is_to_run]


PAGES = [page for page in pages() if python_blocks(page)]


@pytest.fixture
def two_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    here, home = tmp_path / "here", tmp_path / "user"
    root = home / "shared"
    for folder in (here, root):
        folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    client(root, OWNER).setup_ds_job_folder_as_do(SUBMITTER)
    for name in ("Mean wait", "Count"):
        client(root, SUBMITTER).submit_bash_job(OWNER, "echo 4.2 > outputs/answer.txt\n", name)
    return root


def client(root: Path, email: str) -> JobClient:
    opened = get_client(root, email)
    opened.announce = None
    return opened


def test_the_readme_has_an_example():
    assert ROOT / "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_python_blocks_run(page: Path, two_people: Path):
    names: dict[str, object] = {"__name__": "__main__"}
    for block in python_blocks(page):
        # So that an error names the page and its line.
        code = compile("\n" * block.line + block.text, page_id(page), "exec")
        exec(code, names)


@pytest.mark.parametrize("page", pages(), ids=page_id)
def test_a_block_that_is_not_run_has_a_reason(page: Path):
    for block in blocks(page):
        where = f"{page_id(page)}:{block.line}"
        assert block.language in LANGUAGES, f"{where}: a fence of the language {block.language!r}"
        if block.words:
            word, _, reason = block.words.partition(" ")
            assert word == "notest", f"{where}: {block.words!r}"
            assert reason, f"{where}: the reason why it is not run is missing"
