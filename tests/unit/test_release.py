from __future__ import annotations

import pytest

from syft_job.errors import InvalidName
from syft_job.exchange import release
from syft_job.exchange.release import Grants


def test_grants_join_sorted_and_once():
    one, other = Grants(("b@x", "a@x")), Grants(("a@x",), ("c@x",))
    assert one.plus(other) == Grants(("a@x", "b@x"), ("c@x",))
    assert Grants.from_json(one.plus(other).to_json()) == one.plus(other)
    assert not Grants()
    assert Grants(logs=("a@x",))


@pytest.mark.parametrize("said", [None, [], 5, "x", {"outputs": "ada"}, {"outputs": [5], "logs": {}}])
def test_what_is_no_grant_grants_nothing(said: object):
    assert not Grants.from_json(said)


def test_people_are_normal_and_once():
    assert release.may_share_with(["Ada@Example.org", "ada@example.org", "*"]) == ("*", "ada@example.org")
    with pytest.raises(InvalidName):
        release.may_share_with(["ada"])
