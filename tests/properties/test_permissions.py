"""`acl` against a slow oracle that was written from the words of the rules and shares no code with it."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from syft_job.exchange import permissions
from syft_job.format import permissions as permission_files

OWNER = "omar@example.org"
ADA = "ada@example.org"
EVE = "eve@elsewhere.example"

FOLDERS = ["", "a", "a/b", ADA, f"{ADA}/a"]
PARTS = ["a", "b", "x", ADA]
PATHS = ["/".join(parts) for n in (1, 2, 3) for parts in itertools.product(PARTS, repeat=n)]

people = st.lists(st.sampled_from([ADA, EVE, "*", "*@example.org", "USER", "nobody@example.org"]), max_size=2)
patterns = st.lists(st.sampled_from(["a", "b", "x", "*", "**", "?", "{{.UserEmail}}", ADA]), min_size=1, max_size=4)
listed_rules = st.fixed_dictionaries(
    {
        "pattern": patterns.map("/".join),
        "access": st.fixed_dictionaries({}, optional={"read": people, "write": people, "admin": people}),
    }
)
files = st.fixed_dictionaries({"rules": st.lists(listed_rules, max_size=4)}, optional={"terminal": st.booleans()})
trees = st.dictionaries(st.sampled_from(FOLDERS), files, max_size=4)


def fits(pattern: list[str], path: list[str]) -> bool:
    """Whether a pattern fits, by trying every number of folders for each `**`."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(fits(pattern[1:], path[n:]) for n in range(len(path) + 1))
    if not path:
        return False
    one = pattern[0] == "*" or (pattern[0] == "?" and len(path[0]) == 1) or pattern[0] == path[0]
    return one and fits(pattern[1:], path[1:])


def before(left: str, right: str) -> bool:
    """Whether one pattern is more specific than the other, criterion by criterion."""
    sides: list[tuple[int, ...]] = []
    for pattern in (left, right):
        parts = pattern.split("/")
        stars = sum(part == "**" for part in parts)
        wild = sum(part in ("*", "?") for part in parts)
        sides.append((1 if "{{" in pattern else 0, len(parts) - stars - wild, wild, -stars, len(parts)))
    for one, other in zip(*sides, strict=True):
        if one != other:
            return bool(one > other)
    return False


def expected(tree: dict[str, dict[str, object]], path: str, user: str) -> tuple[bool, bool, bool]:
    if user == OWNER:
        return True, True, True
    parts = path.split("/")
    nearest = None
    ways = ["/".join(parts[:n]) for n in range(len(parts) + 1)]
    # The path itself is on its way if it is a folder, and it is one if a permission file lies there.
    for way in ways:
        if way in tree:
            nearest = way
            if tree[way].get("terminal"):
                break
    if nearest is None:
        return False, False, False
    below = parts[len(nearest.split("/")) if nearest else 0 :]
    best = None
    for one in tree[nearest]["rules"]:  # type: ignore[attr-defined]
        if fits(one["pattern"].replace("{{.UserEmail}}", user).split("/"), below) and (
            best is None or before(one["pattern"], best["pattern"])
        ):
            best = one
    if best is None:
        return False, False, False

    def named(level: str) -> bool:
        return any(
            who in {"*", "USER", user} or (who == "*@example.org" and user.endswith("@example.org"))
            for who in best["access"].get(level, [])
        )

    admin = named("admin")
    write = admin or named("write")
    return write or named("read"), write, admin


@given(tree=trees, path=st.sampled_from(PATHS), user=st.sampled_from([ADA, EVE, OWNER]))
def test_answers_are_those_of_the_rules_in_words(tree, path, user):
    with tempfile.TemporaryDirectory() as root:
        datasite = Path(root, OWNER)
        datasite.mkdir()
        for folder, content in tree.items():
            (datasite / folder).mkdir(parents=True, exist_ok=True)
            (datasite / folder / "syft.pub.yaml").write_text(json.dumps(content))
        answer = permissions.explain(datasite, path, user)
        assert (answer.read, answer.write, answer.admin) == expected(tree, path, user), answer.reason
        assert permissions.may_read(datasite, path, user) == answer.read
        assert permissions.may_write(datasite, path, user) == answer.write
        assert permissions.may_admin(datasite, path, user) == answer.admin
        assert not answer.admin or answer.write
        assert not answer.write or answer.read


@given(
    data=st.binary(max_size=200)
    | st.text(st.sampled_from("rules: []{}patern*\n-'&!\"access"), max_size=80).map(str.encode)
)
def test_whatever_bytes_lie_there_nobody_is_let_through_by_accident(data):
    with tempfile.TemporaryDirectory() as root:
        datasite = Path(root, OWNER)
        datasite.mkdir()
        (datasite / "syft.pub.yaml").write_bytes(data)
        answer = permissions.explain(datasite, "a/x", ADA)
        assert not (answer.read)
        assert not (answer.write)
        assert not (answer.admin)
        assert answer.reason.isprintable()
        assert permissions.may_write(datasite, "a/x", OWNER)


grants = st.lists(st.sampled_from([ADA, EVE, "*", "kim@example.org"]), max_size=3)
theirs = st.sampled_from(["config.yaml", "run.sh", "code/a", "code/outputs/x", "withdrawn"])
markers = st.sampled_from(["approved", "rejected", "cancelled", "shared", "running", "done", "attempts/2.json"])
closed = st.sampled_from(["syft.pub.yaml", "outputs/syft.pub.yaml", "code/syft.pub.yaml", "logs/x"])
results = st.sampled_from(["outputs/a", "outputs/a/b", "stdout.txt", "stderr.txt", "returncode.txt"])


@given(outputs=grants, logs=grants, path=theirs | markers | closed | results, user=st.sampled_from([ADA, EVE]))
def test_a_jobs_rules_open_what_was_granted_and_nothing_else(outputs, logs, path, user):
    with tempfile.TemporaryDirectory() as root:
        datasite = Path(root, OWNER)
        job = datasite / "app_data/job" / ADA / "job"
        job.mkdir(parents=True)
        (datasite / "app_data/job/syft.pub.yaml").write_bytes(permission_files.datasite_rules())
        granted = outputs if path.startswith("outputs/") else logs if path.endswith(".txt") else []
        reads = user in granted or "*" in granted
        before_sharing = permissions.explain(datasite, job / path, user)
        (job / "syft.pub.yaml").write_bytes(permission_files.job_rules(ADA, outputs, logs))
        after = permissions.explain(datasite, job / path, user)
    private = path.startswith(("outputs/", "logs/")) or path == "syft.pub.yaml"
    own = user == ADA and not path.endswith(".txt") and not private
    assert before_sharing.read == own
    assert after.read == (own or reads)
    writes = own and path.startswith(("config", "run.sh", "code/", "withdrawn")) and not path.endswith("syft.pub.yaml")
    assert before_sharing.write == after.write == writes
    assert not after.admin
