"""Whatever text arrives: one plain component inside its place, in one form, or a refusal that can be printed."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syft_job.errors import InvalidName
from syft_job.model import names

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=90)
NEARLY = st.text(st.sampled_from("aZ9 ._-~@/\\:*?é\u0301\u202e\ud800\0\n😀{}"), max_size=20)
LIKELY = st.sampled_from(
    ["con", "aux", ".tmp", "conflicted copy", "syftconflict", ".part", "-", ".", " ", "COM1", "x", "data"]
)
TEXTS = ANYTHING | NEARLY | st.lists(LIKELY, max_size=4).map("".join)

REFUSED = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def accepted(gate: Callable[[str], str], text: str) -> str | None:
    """What the gate lets through; None for a refusal, which must be fit for a terminal."""
    reason = ""
    try:
        return gate(text)
    except InvalidName as refusal:
        reason = str(refusal)
    assert reason.isprintable()
    return None


@given(TEXTS)
@example("syftconflict")
@example("a conflicted copy")
@pytest.mark.conformance(71)
def test_an_accepted_job_name_is_one_component_everywhere(text):
    name = accepted(names.normalize_job_name, text)
    if name is None:
        return
    assert 1 <= len(name.encode()) <= names.MAX_NAME_BYTES
    assert name == unicodedata.normalize("NFC", text) == name.strip()
    assert names.normalize_job_name(name) == name
    assert os.path.basename(name) == name
    assert not set(name) & set("/\\<>:|?*")
    assert not {unicodedata.category(char) for char in name} & REFUSED
    assert name[0] not in ".-"
    assert name[-1] != "."
    assert ".." not in name
    assert name.split(".")[0].rstrip().upper() not in {"CON", "PRN", "AUX", "NUL", *(f"COM{n}" for n in range(10))}
    assert not names.is_sync_artefact(name)


@given(st.text(st.sampled_from("abcdefgh XYZ019_-"), min_size=1, max_size=80))
def test_the_quick_way_and_the_long_way_agree_on_names(text):
    assert accepted(names.normalize_job_name, text) == (
        None if names._name_problem(text, names.MAX_NAME_BYTES) else text
    )


@given(st.text(st.sampled_from("aconux1._-/"), min_size=1, max_size=20))
def test_the_quick_way_and_the_long_way_agree_on_paths(text):
    assert accepted(names.normalize_inner_path, text) == (
        None if names._path_problem(text, names.MAX_PATH_BYTES, names.MAX_PATH_LEVELS) else text
    )


@given(st.text(st.sampled_from("abtmpr.@+_-9"), max_size=20) | st.emails())
def test_the_quick_way_and_the_long_way_agree_on_addresses(text):
    text = text.lower()
    assert accepted(names.normalize_address, text) == (None if names._address_problem(text) else text)


@given(TEXTS | st.emails())
@pytest.mark.conformance(72)
def test_an_accepted_address_is_its_own_normal_form(text):
    folder = accepted(names.normalize_address, text)
    if folder is None:
        assert not names.is_address(text)
        return
    assert names.normalize_address(folder) == folder
    assert names.is_address(folder)
    assert names.normalize_address(f" {folder.upper()} ") == folder or folder.upper().lower() != folder
    assert folder.count("@") == 1
    assert not set(folder) & set('/\\*?[]{}! "<>:|')
    assert folder[0] not in ".-"
    assert len(folder.encode()) <= names.MAX_ADDRESS_BYTES


@given(st.lists(TEXTS, min_size=1, max_size=4).map("/".join))
def test_an_accepted_path_stays_inside(text):
    path = accepted(names.normalize_inner_path, text)
    if path is None:
        return
    assert not path.startswith("/")
    assert os.path.normpath(path) == path
    assert ".." not in path.split("/")
    assert names.normalize_inner_path(path) == path


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "A", "b", "é", "e\u0301"]), min_size=1, max_size=3).map("/".join), max_size=6
    )
)
def test_paths_without_a_collision_can_be_made_on_a_disk_that_folds_case(paths):
    def fold(path: str) -> str:
        return unicodedata.normalize("NFC", path).casefold()

    clash = names.find_collision(paths)
    made: dict[str, str] = {}
    clean = True
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            spelled = [path.rsplit("/", n)[0] for n in range(path.count("/") + 1)]
            clean = clean and all(made.setdefault(fold(prefix), prefix) == prefix for prefix in spelled)
            try:
                target = Path(folder, fold(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.open("x").close()
            except OSError:
                clean = False
    assert (clash is None) == clean
    if clash:
        assert set(clash) <= set(paths)


@given(TEXTS)
def test_any_text_may_be_asked_about(text):
    assert names.is_sync_artefact(text) in (True, False)
    names.exclusion_reason(text)
    names.is_id_prefix(text)
