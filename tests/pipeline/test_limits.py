"""Which rows get a limit, from which graph, and what it says of a measured time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from scunext_edge.benchmarks.costs import Graph, Layer
from scunext_edge.benchmarks.measure import Plan
from scunext_edge.benchmarks.records import Record, Subject
from scunext_edge.benchmarks.roofline import Copy, Roofline
from scunext_edge.errors import BackendMissing, EngineError
from scunext_edge.pipeline import limits as module
from scunext_edge.pipeline.entries import Entry
from scunext_edge.pipeline.limits import with_limits
from scunext_edge.results import Latency, Row

MACHINE = Roofline(
    method="libscunext",
    isa="avx2",
    fp32_macs_per_s=(1e9,),
    int8_macs_per_s=(4e9,),
    copies=(Copy(traffic_bytes=1, bytes_per_s=(1e9,)),),
    cache_bytes=None,
)


class Onnx:
    """An artifact, as far as its file is asked for."""

    def __init__(self, name: str) -> None:
        self.name = name

    def file(self, suffix: str) -> Path:
        return Path(self.name + suffix)


def entry_of(*, region="compute", batch=1, threads=1, onnx=("fp32", "int8"), **changes):
    """A finished row of 4 ms."""
    latency = Latency(region=region, median=4.0, mad=0.1, p90=5.0, p99=6.0, n=9, processes=3)
    fields = {
        "model": "unext", "backend": "openvino", "precision": "fp32", "device": "cpu",
        "threads": threads, "input_size": 64, "status": "ok", "latency_ms": latency,
    }  # fmt: skip
    row = Row(**{**fields, **changes})
    subject = Subject(
        artifact_id="0", backend=row.backend, device=row.device, threads=threads,
        precision=row.precision, input_shape=(batch, 64, 64, 3), batch=batch,
    )  # fmt: skip
    network = type(
        "Network",
        (),
        {
            "label": "unext",
            "size": 64,
            **{f"onnx_{it}": Onnx(it) if it in onnx else None for it in ("fp32", "int8")},
        },
    )
    record = Record(subject=subject, region=region, plan=Plan(region=region, warmup=1, values=1))
    return Entry(subject=network, row=row, record=record)


@pytest.fixture
def asked(monkeypatch):
    """The graphs that were counted; each has one layer of 3 million MACs and 1000 bytes."""
    graphs = []

    def count(wanted):
        graphs.extend(wanted)
        return [
            None
            if it.precision == "tf32"
            else (
                Layer(
                    name="a", op="Conv", precision=it.precision, macs=3_000_000,
                    weight_bytes=0, read_bytes=1000, written_bytes=0,
                ),
            )
            for it in wanted
        ]  # fmt: skip

    monkeypatch.setattr(module.costs, "count", count)
    monkeypatch.setattr(module.roofline, "measured", lambda folder: MACHINE)
    return graphs


def limited(*entries):
    return with_limits([entry.row for entry in entries], entries, Path("nowhere"))


def test_a_row_is_held_against_the_limit_of_what_it_ran(asked):
    rows, told = limited(
        entry_of(),
        entry_of(precision="int8", quantizer="qdq", precision_ran="int8"),
        entry_of(precision="int8", quantizer="qdq", precision_ran="fp32", backend="onnxruntime"),
        entry_of(precision="int8", quantizer="nncf", precision_ran="int8"),
    )
    assert [row.limit_share for row in rows] == pytest.approx([0.75, 0.1875, 0.75, 0.1875])
    assert [row.bound_by for row in rows] == ["compute", "overhead", "compute", "overhead"]
    assert asked == [
        Graph(Path("fp32.onnx"), "fp32"),
        Graph(Path("int8.onnx"), "int8"),
        Graph(Path("int8.onnx"), "fp32"),
        Graph(Path("fp32.onnx"), "int8"),
    ]
    assert told["machine"]["isa"] == "avx2"
    assert told["limits"][rows[0].key] == {"compute_ms": 3.0, "memory_ms": 0.0}


def test_rows_of_the_same_graph_are_counted_once(asked):
    rows, _ = limited(entry_of(), entry_of(backend="native"))
    assert len(asked) == 1
    assert rows[0].limit_share == rows[1].limit_share == 0.75


def test_threads_and_batch_are_those_of_the_measurement(asked):
    rows, _ = limited(entry_of(threads=2), entry_of(backend="native", batch=2))
    assert [row.limit_share for row in rows] == pytest.approx([0.375, 1.5])


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "failed"},
        {"latency_ms": None},
        {"device": "cuda"},
        {"region": "end_to_end"},
        {"onnx": ()},
    ],
)
def test_a_row_whose_limit_is_not_known_stays_null(asked, changes):
    (row,), told = limited(entry_of(**changes))
    assert (row.limit_share, row.bound_by, told, asked) == (None, None, None, [])


@pytest.mark.parametrize("ran", ["bf16", "tf32"])
def test_a_precision_without_a_rate_or_a_size_has_no_limit(asked, ran):
    (row,), told = limited(entry_of(precision_ran=ran))
    assert (row.limit_share, row.bound_by, told["limits"]) == (None, None, {})


@pytest.mark.parametrize("error", [BackendMissing("onnx is not installed"), EngineError("died")])
def test_a_limit_that_cannot_be_told_costs_no_row(asked, monkeypatch, error):
    def fail(graphs):
        raise error

    monkeypatch.setattr(module.costs, "count", fail)
    (row,), told = limited(entry_of())
    assert (row, told) == (entry_of().row, None)


def test_a_folder_of_another_version_is_no_graph(asked, tmp_path):
    entry = dataclasses.replace(entry_of(onnx=()))
    folder = tmp_path / "artifacts" / "unext-64-onnx-fp32"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text("{}")
    (row,), _ = with_limits([entry.row], [entry], tmp_path)
    assert row.limit_share is None
