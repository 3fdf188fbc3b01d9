"""`bench` and `compare` on the command line: what is asked for arrives, the answer is the code."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from scunext_edge import cli
from scunext_edge.benchmarks.compare import Comparison
from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.experiments.results import add
from scunext_edge.pipeline import bench as pipeline
from scunext_edge.pipeline import compare
from scunext_edge.pipeline.bench import Outcome
from scunext_edge.results import Row

ROW = Row(
    model="tiny",
    backend="fake",
    precision="fp32",
    device="cpu",
    threads=1,
    input_size=32,
    status="ok",
)


@pytest.fixture
def asked(monkeypatch):
    """The settings that `bench` comes to; its one row is as stable as ``stability`` says."""
    seen = {"stability": "stable"}

    def benched(settings, *, advance):
        seen["settings"] = settings
        return Outcome(
            rows=(replace(ROW, stability=seen["stability"]),),
            content={},
            files=SimpleNamespace(html="page", html_reason=None, markdown="text"),
            verdict="done",
            passed=True,
            wants_stable=settings.wants_stable,
        )

    monkeypatch.setattr(pipeline, "bench", benched)
    return seen


def test_minimums_of_values_and_seconds_lift_the_time_budget(asked):
    suite = "default"
    assert CliRunner().invoke(cli.app, ["bench", "--suite", suite]).exit_code == 0
    usual = asked["settings"].suite
    CliRunner().invoke(cli.app, ["bench", "--iterations", "500", "--duration", "2.5"])
    longer = asked["settings"].suite
    assert usual.budget_s is not None
    assert (longer.values, longer.duration_s, longer.budget_s) == (500, 2.5, None)


@pytest.mark.parametrize(
    ("options", "stability", "code"),
    [
        ([], "unstable", 0),
        (["--max-cv", "0.02"], "stable", 0),
        (["--max-cv", "0.02"], "unstable", 5),
        (["--max-cv", "0.02"], "inconclusive", 5),
    ],
)
def test_a_limit_on_the_scatter_is_a_demand(asked, options, stability, code):
    asked["stability"] = stability
    done = CliRunner().invoke(cli.app, ["bench", *options])
    assert done.exit_code == code
    assert asked["settings"].max_cv == (0.02 if options else 0.05)


def test_results_files_of_experiments_become_trainings(asked, tmp_path):
    terms = {
        "experiment": "table1",
        "title": "Networks",
        "paper": None,
        "factors": [],
        "arms": [{"name": "unet", "model": "unet", "on": []}],
        "protocol": {"name": "fast", "label": "ours", "reduced": False, "size": 256},
        "splits": {"kind": "random", "seeds": [1, 2, 3], "test": 0.2, "val": 0.05},
        "data": {"name": "some", "images": 100, "hash": "d"},
    }
    scores = {"dice": 0.8, "iou": 0.7, "dice_pooled": 0.8, "iou_pooled": 0.7}
    trial = {"key": "k", "name": "unet/split1", "arm": "unet", "cut": "split1", **scores}
    add(tmp_path / "t.json", terms, [{**trial, "model": "unet", "code": "c"}])
    done = CliRunner().invoke(cli.app, ["bench", "--experiments", str(tmp_path / "t.json")])
    assert done.exit_code == 0, done.output
    (found,) = asked["settings"].trainings
    assert (found["protocol"], found["reduced"], found["size"]) == ("fast", False, 256)
    assert [(row["model"], row["dice"], row["trainings"]) for row in found["rows"]] == [
        ("unet", 0.8, 1)
    ]


def test_what_is_no_results_file_ends_a_benchmark_before_it_begins(asked, tmp_path):
    done = CliRunner().invoke(cli.app, ["bench", "--experiments", str(tmp_path / "none.json")])
    assert isinstance(done.exception, ArtifactError)
    assert "settings" not in asked


@pytest.mark.parametrize("limit", ["0", "5", "nan"])
def test_a_scatter_that_is_no_share_is_refused(limit):
    done = CliRunner().invoke(cli.app, ["bench", "--max-cv", limit])
    assert isinstance(done.exception, ConfigError)
    assert "is no limit" in str(done.exception)


@pytest.fixture
def compared(monkeypatch):
    seen = {}

    def compare_runs(a, b, **options):
        seen.update(options, a=str(a), b=str(b))
        found = Comparison(answer="slower", reasons=("so",), ratio=1.2, low=1.1, high=1.3)
        row = compare.Compared(
            case="tiny--compute", comparison=found, a_ms=1.0, b_ms=1.2, notes=("another engine",)
        )
        return compare.Outcome(rows=(row,), only_a=("gone",), only_b=(), gated=options["gated"])

    monkeypatch.setattr(compare, "compare_runs", compare_runs)
    return seen


def test_compare_prints_ratio_interval_answer_and_notes(compared):
    done = CliRunner().invoke(cli.app, ["compare", "a", "b"])
    assert done.exit_code == 0
    for words in ("1.200", "1.100 to 1.300", "slower", "another engine", "only A holds gone"):
        assert words in done.stdout
    assert (compared["a"], compared["b"], compared["force"]) == ("a", "b", False)


@pytest.mark.parametrize("options", [["--gate"], ["--fail-if", "median:10%"]])
def test_a_gate_is_asked_for_by_name_or_by_a_threshold(compared, options):
    assert CliRunner().invoke(cli.app, ["compare", "a", "b", *options]).exit_code == 1
    assert [str(it) for it in compared["thresholds"]] == [
        option for option in options if ":" in option
    ]


def test_compare_as_data(compared):
    done = CliRunner().invoke(cli.app, ["compare", "a", "b", "--json", "--min-effect", "0.1"])
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["comparison"]["answer"], row["comparison"]["high"]) == ("slower", 1.3)
    assert compared["min_effect"] == 0.1
