"""A made-up run directory: every status, every gate result, pictures, and awkward text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from scunext_edge.benchmarks import records as measurement
from scunext_edge.benchmarks.measure import Plan
from scunext_edge.evaluation import records as evaluation
from scunext_edge.metrics import Scores
from scunext_edge.report.records import Run
from scunext_edge.results import Latency, Row, to_json

AWKWARD = "needs <script>alert(1)</script> & libnvinfer.so | not on the loader's path\nsecond line"
IDS = [f"lesion_{index:04d}" for index in range(12)]


def make_row(model: str, backend: str, precision: str, **changes: Any) -> Row:
    """A measured and scored row; ``changes`` replace its fields."""
    row = Row(
        model=model,
        backend=backend,
        precision=precision,
        precision_ran=precision,
        quantizer="qdq" if precision == "int8" else None,
        device="cpu",
        threads=1,
        input_size=256,
        params=249_480,
        macs=98_000_000,
        flops=196_000_000,
        size_bytes=1_020_000 if precision == "fp32" else 310_000,
        status="ok",
        artifact_id=f"{model}-{precision}",
        latency_ms=make_latency(10.0),
        stability="stable",
        stability_reasons=("5 processes agree",),
        memory_mb=61.25,
        dice=0.8,
        iou=0.7,
        gate="reference" if precision == "fp32" else "passed",
    )
    return replace(row, **changes)


def make_latency(
    median: float, region: Any = "compute", *, off: float = 0.02, processes: int = 5
) -> Latency:
    """A latency of which the rest follows from its median; ``off``: the reach of its interval."""
    return Latency(
        region=region,
        median=median,
        mad=0.02 * median,
        p90=1.1 * median,
        p99=1.4 * median,
        n=20 * processes,
        processes=processes,
        median_interval=(median / (1 + off), median * (1 + off)) if processes > 1 else None,
    )


def bare_run(rows: Sequence[Row], **changes: Any) -> Run:
    """A run in memory: these rows, their own means as the scores of three images, nothing else."""
    run = Run(
        directory=Path("run"),
        rows=tuple(rows),
        created="2026-03-01T10:00:00Z",
        tool={},
        environment={"cpu_model": "Example CPU"},
        data={"name": "made up", "images": 3},
        gate={"metric": "dice", "limit": 0.005, "confidence": 0.95},
        complexity=(),
        harness_cost_ns=None,
        command=None,
        measurements={},
        dice={row.key: dict.fromkeys(IDS[:3], row.dice) for row in rows if row.dice is not None},
        pictures=(),
    )
    return replace(run, **changes)


def not_run(model: str, backend: str, precision: str, status: Any, reason: str) -> Row:
    """A row without a number."""
    return Row(
        model=model,
        backend=backend,
        precision=precision,
        device="cpu",
        threads=1,
        input_size=256,
        status=status,
        reason=reason,
    )


@pytest.fixture(scope="session")
def all_rows() -> list[Row]:
    """Two scored networks, one that was only timed, one skipped row and one failed row."""
    drop = {"dice_drop": 0.0012, "dice_drop_upper": 0.0021, "iou_drop": 0.002}
    return [
        make_row("scunext", "torch", "fp32", latency_ms=make_latency(21.0), worst_image=IDS[3]),
        make_row(
            "scunext",
            "onnxruntime",
            "int8",
            latency_ms=make_latency(7.0),
            dice=0.7988,
            **drop,
            iou_drop_upper=0.003,
            worst_image=IDS[5],
            doubts=["values scatter by 9% of their median", "p99 rests on 1 of 60 values"],
        ),
        make_row(
            "scunext",
            "openvino",
            "int8",
            quantizer="nncf",
            latency_ms=make_latency(5.0),
            dice=0.76,
            dice_drop=0.04,
            dice_drop_upper=0.051,
            gate="failed",
            precision_ran="fp32",
            doubts=["p99 rests on 1 of 60 values"],
        ),
        make_row("unext", "torch", "fp32", latency_ms=make_latency(18.0), dice=0.81),
        make_row("unext", "onnxruntime", "int8", latency_ms=make_latency(6.0), dice=0.809, **drop),
        make_row(
            "unet",
            "onnxruntime",
            "fp32",
            latency_ms=make_latency(450.0),
            dice=None,
            iou=None,
            gate=None,
            memory_mb=None,
        ),
        not_run("scunext", "tensorrt", "int8", "skipped", AWKWARD),
        not_run("resunetpp", "openvino", "int8", "failed", "the engine was killed by SIGSEGV"),
    ]


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    """Write a run directory for these rows."""

    def write(directory: Path, rows: Sequence[Row], *, whole: bool = True, **more: Any) -> Path:
        content = to_json(
            rows,
            created="2026-03-01T10:00:00Z",
            tool={"name": "scunext-edge", "version": "0.1.0", "commit": None},
            environment={"cpu_model": "Example CPU <x>", "cpu_count": 2, "governor": None},
            data={"name": "made up", "split": "test", "images": 12, "licence": "CC BY-NC 4.0"},
        )
        directory.mkdir(parents=True, exist_ok=True)
        _dump(directory / "results.json", {**content, **more})
        if whole:
            for row in rows:
                _write_records(directory / "records", row)
            _write_pictures(directory / "pictures", rows)
        return directory

    return write


@pytest.fixture(scope="session")
def whole_run(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run in which everything optional is present."""
    return make_run(
        tmp_path_factory.mktemp("run"),
        all_rows,
        complexity=[
            {
                "model": "scunext",
                "params": 249_480,
                "macs_fvcore": 98_304_000,
                "macs_torch": 98_304_000,
                "macs_thop": 130_000_000,
                "note": "thop counts transposed convolutions <four> times",
                "paper_params": "243.63 KB",
                "paper_flops": "0.13 G",
            }
        ],
        harness_cost_ns={"compute": 92.4},
        gate={"metric": "dice", "limit": 0.005, "confidence": 0.95},
        command="scunext-edge bench --data 'made up' --out RUN",
    )


def _write_records(folder: Path, row: Row) -> None:
    rng = np.random.default_rng(len(row.key))
    if row.latency_ms:
        median = 1e6 * row.latency_ms.median
        runs = tuple(
            measurement.Run(
                started="2026-03-01T10:00:00+00:00",
                environment={"machine": {}, "before": {}, "after": {}},
                warmup_ns=(int(3 * median),),
                values_ns=tuple(int(v) for v in median * rng.lognormal(0, 0.05, 20)),
                open_ms=12.5,
                harness_ns=100,
            )
            for _ in range(3)
        )
        subject = measurement.Subject(
            artifact_id=str(row.artifact_id),
            backend=row.backend,
            device=row.device,
            threads=row.threads,
            precision=row.precision,
            input_shape=(1, row.input_size, row.input_size, 3),
            batch=1,
        )
        region = row.latency_ms.region
        record = measurement.Record(
            subject=subject,
            region=region,
            plan=Plan(region=region, warmup=1, values=20),
            runs=runs,
        )
        measurement.save(folder / f"{row.key}--{region}.measurement.json", record)
    if row.dice is not None:
        lost = 0.0 if row.precision == "fp32" else 0.02
        scores = {}
        for at, name in enumerate(IDS):
            dice = round(0.99 - 0.03 * at - lost * (at == 5), 6)
            scores[name] = Scores(
                dice=dice, iou=dice / (2 - dice), precision=dice, recall=dice,
                predicted_area=100, truth_area=100, common_area=int(100 * dice),
            )  # fmt: skip
        evaluation.save(
            folder / f"{row.key}.evaluation.json",
            evaluation.Evaluation(
                subject={"artifact_id": row.artifact_id, "backend": row.backend},
                dataset={"name": "drawn", "hash": "abc"},
                scores=scores,
            ),
        )


def _write_pictures(folder: Path, rows: Sequence[Row]) -> None:
    scored = [row for row in rows if row.dice is not None]
    if not scored:
        return
    name = IDS[5]
    entry: dict[str, Any] = {"id": name, "why": "lost most Dice <here>", "masks": {}}
    entry |= {"image": f"{name}.image.jpg", "truth": f"{name}.truth.png"}
    folder.mkdir(parents=True)
    Image.new("RGB", (96, 64), (205, 160, 140)).save(folder / entry["image"])
    _draw_mask(folder / entry["truth"], (20, 12, 70, 50))
    for row in scored:
        entry["masks"][row.key] = f"{row.key}/{name}.png"
        grown = 3 if row.precision == "int8" else 0
        _draw_mask(folder / row.key / f"{name}.png", (20, 12, 70 + grown, 50))
    _dump(folder / "index.json", [entry])


def _draw_mask(path: Path, box: tuple[int, int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = Image.new("L", (96, 64))
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    mask.save(path)


def _dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


@pytest.fixture(scope="session", name="bare_run")
def _bare_run() -> Callable[..., Run]:
    return bare_run


@pytest.fixture(scope="session", name="make_row")
def _make_row() -> Callable[..., Row]:
    return make_row


@pytest.fixture(scope="session", name="make_latency")
def _make_latency() -> Callable[..., Latency]:
    return make_latency
