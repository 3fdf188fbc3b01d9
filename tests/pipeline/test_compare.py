from __future__ import annotations

from dataclasses import replace

import pytest

from scunext_edge.benchmarks import records
from scunext_edge.benchmarks.compare import threshold
from scunext_edge.errors import ArtifactError, MeasurementError
from scunext_edge.pipeline.compare import compare_runs


@pytest.fixture
def write(tmp_path):
    def write(run, **cases):
        for name, content in cases.items():
            path = tmp_path / run / "records" / f"{name}--compute.measurement.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            records.save(path, content)
        return tmp_path / run

    return write


def answers(outcome):
    return {row.case.split("--")[0]: row.comparison.answer for row in outcome.rows}


def test_every_case_that_both_runs_hold_is_judged(record, write):
    a = write("a", one=record(1e6), two=record(1e6), gone=record(1e6))
    b = write("b", one=record(1.2e6, seed=1), two=record(1e6, seed=1), new=record(1e6))
    outcome = compare_runs(a, b)
    assert answers(outcome) == {"one": "slower", "two": "no difference"}
    assert outcome.only_a == ("gone--compute",)
    assert outcome.only_b == ("new--compute",)
    assert outcome.exit_code == 0


@pytest.mark.parametrize(
    ("level", "spread", "code"), [(1e6, 0, 0), (1.2e6, 0, 1), (0.8e6, 0, 0), (1e6, 0.3, 5)]
)
def test_a_gate_fails_where_a_row_is_slower_and_is_open_where_it_cannot_be_told(
    record, write, level, spread, code
):
    b = record(level, seed=1)
    runs = tuple(
        replace(run, values_ns=tuple(int(v * (1 + spread * (at % 2))) for v in run.values_ns))
        for at, run in enumerate(b.runs)
    )
    outcome = compare_runs(
        write("a", one=record(1e6)), write("b", one=replace(b, runs=runs)), gated=True
    )
    assert outcome.exit_code == code


def test_a_threshold_fails_a_gate_by_itself(record, write):
    a, b = write("a", one=record(1e6)), write("b", one=record(1.02e6, seed=1))
    outcome = compare_runs(a, b, thresholds=[threshold("median:1%")], gated=True)
    assert answers(outcome) == {"one": "no difference"}
    assert "median grew by 2" in outcome.rows[0].over[0]
    assert outcome.exit_code == 1
    assert compare_runs(a, b, thresholds=[threshold("median:5%")], gated=True).exit_code == 0


def test_another_machine_is_refused_by_name_unless_forced(record, write):
    other = {"isa": ["avx2"], "governor": "powersave", "cpu_model": "another"}
    a, b = write("a", one=record(1e6)), write("b", one=record(1.2e6, machine=other, seed=1))
    (row,) = compare_runs(a, b).rows
    assert row.comparison.answer == "refused"
    said = " ".join(row.comparison.reasons)
    assert "processor: a processor in the first, another in the second" in said
    assert "governor: performance in the first, powersave in the second" in said
    assert "--force" in said
    assert (row.a_ms, row.b_ms) == (pytest.approx(1, rel=0.02), pytest.approx(1.2, rel=0.02))
    assert compare_runs(a, b, gated=True).exit_code == 5
    (forced,) = compare_runs(a, b, force=True).rows
    assert forced.comparison.answer == "slower"
    assert any("compared by force" in note for note in forced.notes)


def test_another_artifact_is_compared_and_named(record, write):
    a = record(1e6)
    b = replace(record(1e6, seed=1), subject=replace(a.subject, artifact_id="f" * 16))
    (row,) = compare_runs(write("a", one=a), write("b", one=b)).rows
    assert row.comparison.answer == "no difference"
    assert row.notes == ("another artifact: 0123456789abcdef and ffffffffffffffff",)


def test_a_run_on_an_emulated_processor_is_compared_with_nothing(record, write):
    a, b = write("a", one=record(1e6)), write("b", one=record(1e6, seed=1))
    (b / "results.json").write_text('{"environment": {"emulated": true}}')
    for path in (b, b / "records" / "one--compute.measurement.json"):
        with pytest.raises(MeasurementError, match="emulated processor"):
            compare_runs(a, path, force=True)


def test_two_files_can_be_compared(record, write):
    a, b = write("a", one=record(1e6)), write("b", one=record(1.2e6, seed=1))
    name = "records/one--compute.measurement.json"
    assert answers(compare_runs(a / name, b / name)) == {"one": "slower"}


def test_folders_without_measurements_or_a_common_case_are_refused(record, write, tmp_path):
    a, b = write("a", one=record(1e6)), write("b", two=record(1e6))
    with pytest.raises(ArtifactError, match="have no case in common"):
        compare_runs(a, b)
    with pytest.raises(ArtifactError, match="holds no measurements"):
        compare_runs(a, tmp_path / "nowhere")
