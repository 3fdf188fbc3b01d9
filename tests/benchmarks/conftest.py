"""A tiny artifact for the fake engine, a clock that ticks, and records to doubt."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from scunext_edge.artifacts import Artifact, Card, load, new_artifact
from scunext_edge.benchmarks.measure import Plan
from scunext_edge.benchmarks.records import Record, Run, Subject
from scunext_edge.spec import ModelSpec

SIZE = 32


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    card = Card(model="tiny", format="onnx", precision="fp32", spec=ModelSpec(size=SIZE))
    with new_artifact(tmp_path / "artifact", card) as folder:
        (folder / "model.onnx").write_bytes(b"the fake engine reads none of this")
    return load(tmp_path / "artifact")


@pytest.fixture
def ticks() -> Callable[[int], Callable[[], int]]:
    """Make a clock that advances by the same step at every look."""
    return lambda step: itertools.count(0, step).__next__


@pytest.fixture
def make_run() -> Callable[..., Run]:
    def make(values: Sequence[int], **fields: object) -> Run:
        run = Run(
            started="2026-03-01T10:00:00+00:00",
            environment={"machine": {}, "before": {}, "after": {}},
            warmup_ns=(2_000_000,),
            values_ns=tuple(values),
            open_ms=12.5,
            harness_ns=100,
        )
        return replace(run, **fields)

    return make


@pytest.fixture
def make_record(make_run: Callable[..., Run]) -> Callable[..., Record]:
    """A record whose processes took these values; the plan asked for as many as the first has."""

    def make(*processes: Sequence[int], **fields: object) -> Record:
        plan = Plan(region="compute", warmup=1, values=len(processes[0]) if processes else 1)
        record = Record(
            subject=Subject(
                artifact_id="0123456789abcdef",
                backend="fake",
                backend_version="0.1.0",
                device="cpu",
                threads=1,
                precision="fp32",
                precision_ran="fp32",
                input_shape=(1, SIZE, SIZE, 3),
                batch=1,
            ),
            region="compute",
            plan=plan,
            runs=tuple(make_run(values) for values in processes),
        )
        return replace(record, **fields)

    return make
