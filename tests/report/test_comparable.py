from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scunext_edge.benchmarks.measure import Plan
from scunext_edge.benchmarks.records import Record, Subject
from scunext_edge.benchmarks.records import Run as Process
from scunext_edge.report.comparable import compare_conditions, emulation, usual_way
from scunext_edge.report.records import Run, read_run
from scunext_edge.results import Latency, Row

BareRun = Callable[..., Run]


def record(batch: int = 1, cpus: tuple[int, ...] = ()) -> Record:
    subject = Subject(
        artifact_id="a", backend="native", device="cpu", threads=1, cpus=cpus, precision="fp32",
        input_shape=(batch, 256, 256, 3), batch=batch,
    )  # fmt: skip
    return Record(
        subject=subject, region="compute", plan=Plan(region="compute", warmup=1, values=5)
    )


@pytest.fixture
def rows(make_row: Callable[..., Row]) -> list[Row]:
    return [make_row("scunext", name, "fp32") for name in ("torch", "native", "openvino")]


def test_alike_rows_are_all_compared(bare_run: BareRun, rows: list[Row]) -> None:
    found = compare_conditions(bare_run(rows))
    assert (list(found.rows), list(found.apart)) == (rows, [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"threads": 4}, "threads 4 (the others: 1)"),
        ({"scenario": "burst"}, "scenario burst (the others: single-stream)"),
        (
            {"scenario": "burst", "threads": 2},
            "scenario burst (the others: single-stream); threads 2 (the others: 1)",
        ),
    ],
)
def test_what_differs_from_most_stands_apart_with_the_reason(
    changes: dict[str, object], reason: str, bare_run: BareRun, rows: list[Row]
) -> None:
    other = replace(rows[0], **changes)  # type: ignore[arg-type]
    found = compare_conditions(bare_run([other, *rows[1:]]))
    assert [row.backend for row in found.rows] == ["native", "openvino"]
    assert [(it.row, it.reason) for it in found.apart] == [(other, reason)]


def test_another_region_batch_or_pinning_stands_apart(
    bare_run: BareRun, rows: list[Row], make_latency: Callable[..., Latency]
) -> None:
    whole = replace(rows[0], latency_ms=make_latency(9.0, region="end_to_end"))
    found = compare_conditions(bare_run([whole, *rows[1:]]))
    assert [it.reason for it in found.apart] == ["region end to end (the others: compute)"]
    records = {rows[0].key: record(batch=8), rows[1].key: record(cpus=(0, 1))}
    more = [*rows, replace(rows[0], backend="x"), replace(rows[0], backend="y")]
    found = compare_conditions(bare_run(more, measurements=records))
    assert [it.reason for it in found.apart] == [
        "batch 8 (the others: 1)",
        "pinned to CPUs 0, 1 (the others: none)",
    ]


def test_an_emulated_row_is_never_ranked_and_does_not_set_the_way(
    whole_run: Path, bare_run: BareRun, rows: list[Row]
) -> None:
    run = read_run(whole_run)
    key = run.rows[0].key
    measured = run.measurements[key]
    emulated = {"machine": {"emulated": "qemu-aarch64"}, "before": {}, "after": {}}
    runs = tuple(replace(it, environment=emulated) for it in measured.runs)
    odd = {**run.measurements, key: replace(measured, runs=runs)}
    found = compare_conditions(replace(run, measurements=odd))
    assert [(it.row.key, it.reason) for it in found.apart] == [
        (key, "emulated by qemu-aarch64: its time is that of the emulator")
    ]
    all_of_it = bare_run(rows, environment={"emulated": True})
    assert emulation(all_of_it) == "emulated"
    assert not compare_conditions(all_of_it).rows
    assert usual_way(all_of_it)["region"] == "compute"


def test_many_emulated_rows_do_not_make_the_real_ones_odd(
    bare_run: BareRun, rows: list[Row]
) -> None:
    machine = {"machine": {"emulated": "qemu"}, "before": {}, "after": {}}
    ran = Process(
        started="", environment=machine, warmup_ns=(), values_ns=(1,), open_ms=1.0, harness_ns=1
    )
    many = [replace(row, threads=4) for row in rows[:2]]
    records = {row.key: replace(record(), runs=(ran,)) for row in many}
    found = compare_conditions(bare_run([*many, rows[2]], measurements=records))
    assert list(found.rows) == [rows[2]]


def test_rows_without_a_latency_are_neither(bare_run: BareRun, rows: list[Row]) -> None:
    found = compare_conditions(bare_run([replace(rows[0], latency_ms=None)]))
    assert (list(found.rows), list(found.apart)) == ([], [])
