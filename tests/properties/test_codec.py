"""Bytes to data and back, for all data."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from syft_job.errors import UnreadableJob
from syft_job.format import manifest, markers
from syft_job.format.codec import canonical, dump, load_json, load_yaml
from tests.properties.strategies import json_values, mappings

LIMIT = 1 << 20


@given(mappings)
def test_what_is_written_is_read_again_and_written_alike(value):
    data = dump(value)
    assert load_json(data, limit=LIMIT) == value
    assert dump(load_json(data, limit=LIMIT)) == data
    assert data.endswith(b"\n")


@given(mappings)
def test_canonical_is_json_without_spaces_and_does_not_depend_on_order(value):
    backwards = dict(reversed(value.items()))
    assert canonical(value) == canonical(backwards)
    assert json.loads(canonical(value)) == value


@given(json_values, json_values)
def test_two_values_have_one_canonical_form_only_if_they_are_equal(one, other):
    same_json = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(one) == canonical(other)) == same_json


@given(st.dictionaries(st.text("abc", min_size=1), st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_yaml_readers_see_the_same_text(value):
    assert load_yaml(dump(value), limit=LIMIT) == value


@given(st.binary(max_size=200) | st.text("{}[]:,\"'!&*|>%@`-? \n\tabc019.~", max_size=60).map(str.encode))
@example(b"a: !!bool x")
@example(b"!!int ''")
def test_readers_refuse_with_one_error_or_return(data):
    for read in (
        lambda: load_json(data, limit=LIMIT),
        lambda: load_yaml(data, limit=LIMIT),
        lambda: manifest.parse(data),
        lambda: markers.parse("done", data, limit=LIMIT),
    ):
        try:
            read()
        except UnreadableJob as error:
            assert str(error)


@given(mappings)
def test_any_mapping_is_a_marker_or_refused_with_one_error(value):
    for kind in ("approved", "done", "shared", "attempt"):
        try:
            found = markers.parse(kind, dump(value), limit=LIMIT)
        except UnreadableJob:
            continue
        assert found.check(("o", "s", "n"), "d", "k") is not None  # type: ignore[arg-type]


FIELDS = (
    "format nonce name submitted_by submitted_at owner_key type entrypoint command dependencies files resources"
    " datasets retry after metadata needs seal".split()
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, json_values)))
@example({"format": 1, "type": ["bash"]})
def test_any_mapping_is_a_spec_or_refused_with_one_error(value):
    try:
        manifest.parse(dump(value))
    except UnreadableJob as error:
        assert str(error)
