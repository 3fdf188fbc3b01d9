from __future__ import annotations

import json

import pytest

from scunext_edge.artifacts import Card, load, new_artifact
from scunext_edge.benchmarks.suite import Suite
from scunext_edge.errors import ArtifactError
from scunext_edge.pipeline.trials import Counts, run_trials
from scunext_edge.spec import ModelSpec


@pytest.fixture
def artifact(tmp_path):
    card = Card(model="tiny", format="onnx", precision="fp32", spec=ModelSpec(size=32))
    with new_artifact(tmp_path / "artifact", card) as folder:
        (folder / "model.onnx").write_bytes(b"the fake engine reads none of this")
    return load(tmp_path / "artifact")


@pytest.fixture
def make_runs(record):
    """Made-up runs; those that are to be slower are, by ``slowdown``."""
    return lambda slowdown=1.1: Runs(record, slowdown)


class Runs:
    def __init__(self, record, slowdown):
        self.record, self.slowdown = record, slowdown
        self.taken = []

    def __call__(self, name, slower):
        self.taken.append((str(name), slower))
        level = 1e6 * (self.slowdown if slower else 1)
        return self.record(level, seed=len(self.taken))


def test_pairs_are_judged_counted_and_kept(make_runs, artifact, tmp_path):
    runs, out = make_runs(), tmp_path / "trials.json"
    counts = run_trials(5, out, artifact=artifact, backend="fake", measure=runs)
    assert counts == Counts(equal={"no difference": 5}, slower={"slower": 5})
    assert counts.passed
    assert len(runs.taken) == 20
    assert sum(slower for _, slower in runs.taken) == 5
    firsts = {name for name, _ in runs.taken[::2]}
    assert firsts == {"a", "b"}  # neither run always comes first
    again = run_trials(6, out, artifact=artifact, backend="fake", measure=runs)
    assert len(runs.taken) == 24
    assert sum(again.equal.values()) == 6


def test_a_record_of_another_case_is_not_mixed(make_runs, artifact, tmp_path):
    out = tmp_path / "trials.json"
    run_trials(1, out, artifact=artifact, backend="fake", measure=make_runs())
    other = Suite(name="other", rounds=2, warmup=1, values=1)
    with pytest.raises(ArtifactError, match="another case, machine or version"):
        run_trials(1, out, artifact=artifact, backend="fake", suite=other, measure=make_runs())


@pytest.mark.parametrize(
    ("equal", "slower", "words"),
    [
        ({"no difference": 90, "slower": 5, "inconclusive": 5}, {"slower": 100}, None),
        ({"no difference": 91, "faster": 9}, {"slower": 100}, None),
        ({"no difference": 89, "faster": 6, "slower": 5}, {"slower": 100}, "11 of 100 equal"),
        ({"no difference": 89, "inconclusive": 11}, {"slower": 100}, "11 of 100 equal"),
        ({"no difference": 100}, {"slower": 90, "inconclusive": 10}, None),
        ({"no difference": 100}, {"slower": 89, "no difference": 11}, "only 89 of 100"),
    ],
)
def test_the_three_limits(equal, slower, words):
    counts = Counts(equal=equal, slower=slower)
    assert counts.passed is (words is None)
    assert words is None or words in counts.failures()[0]


def test_a_slowdown_that_is_not_found_fails(make_runs, artifact, tmp_path):
    out = tmp_path / "trials.json"
    counts = run_trials(4, out, artifact=artifact, backend="fake", measure=make_runs(slowdown=1.0))
    assert not counts.passed
    assert json.loads(out.read_text())["failures"] == [
        "only 0 of 4 slower pairs were called slower"
    ]


def test_real_processes_are_slowed_by_what_was_planted(artifact, tmp_path, monkeypatch):
    """The fake engine takes next to nothing: what a value takes is what was planted."""
    from scunext_edge.pipeline import trials
    from scunext_edge.pipeline.trials import _Session

    suite = Suite(name="quick", rounds=1, warmup=1, values=5, memory=False)
    session = _Session(artifact, "fake", suite, tmp_path / "runs", 20_000_000)
    slowed = session.measure(trials.Path("b"), True)
    assert min(slowed.runs[0].values_ns) >= 20_000_000
    assert slowed.subject.backend == "fake"
