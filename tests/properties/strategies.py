"""Hypothesis strategies for our own data: facts, JSON, names, files."""

from __future__ import annotations

from hypothesis import strategies as st

from syft_job.format.codec import MAX_INTEGER
from syft_job.model.events import Role
from syft_job.model.states import OUTCOMES, Fact, FactKind, JobState, Position

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
json_values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
mappings = st.dictionaries(texts, json_values, max_size=5)


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    kind = draw(st.sampled_from(FactKind))
    if kind in (FactKind.ARRIVING, FactKind.SUBMITTED, FactKind.WITHDRAWN):
        return Fact(kind)
    outcome = draw(st.sampled_from(sorted(OUTCOMES))) if kind is FactKind.DONE else ""
    return Fact(kind, draw(st.integers(1, 4)), outcome)


def one_outcome_an_attempt(found: list[Fact]) -> bool:
    """An attempt is over once: no two `done` of one attempt differ."""
    done = {fact for fact in found if fact.kind is FactKind.DONE}
    return len({fact.attempt for fact in done}) == len(done)


fact_lists = st.lists(facts(), max_size=8).filter(one_outcome_an_attempt)
standings = st.builds(
    Position, state=st.sampled_from(list(JobState)), attempt=st.integers(1, 3), withdrawn=st.booleans()
)
role_sets = st.sets(st.sampled_from(list(Role)))

file_names = st.from_regex(r"[a-z][a-z0-9_]{0,8}\.py", fullmatch=True)
file_contents = st.binary(min_size=0, max_size=60)
