"""Two runs, row by row: which became faster or slower, which cannot be told, which not compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scunext_edge.benchmarks import records
from scunext_edge.benchmarks.compare import (
    MIN_EFFECT,
    Comparison,
    Threshold,
    changes,
    compare,
    not_comparable,
)
from scunext_edge.benchmarks.intervals import CONFIDENCE
from scunext_edge.benchmarks.passport import differences
from scunext_edge.benchmarks.records import Record
from scunext_edge.errors import ArtifactError, MeasurementError
from scunext_edge.storage import read_json

_SUFFIX = ".measurement.json"


_UNTOLD = Comparison(answer="refused", reasons=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One case of both runs; ``over`` are the thresholds that B exceeds."""

    case: str
    comparison: Comparison
    a_ms: float | None
    b_ms: float | None
    notes: tuple[str, ...] = ()  # what else differs
    over: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``only_a`` and ``only_b``: cases that the other run does not hold."""

    rows: tuple[Compared, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    gated: bool

    @property
    def exit_code(self) -> int:
        """Without a gate 0. With one: 1 if a row became slower, 5 if that could not be told."""
        answers = {row.comparison.answer for row in self.rows}
        if not self.gated:
            return 0
        if "slower" in answers or any(row.over for row in self.rows):
            return 1
        return MeasurementError.exit_code if answers & {"inconclusive", "refused"} else 0

    def to_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "rows": [asdict(row) for row in self.rows],
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
        }


def compare_runs(
    a: Path,
    b: Path,
    *,
    min_effect: float = MIN_EFFECT,
    confidence: float = CONFIDENCE,
    thresholds: Sequence[Threshold] = (),
    gated: bool = False,
    force: bool = False,
) -> Outcome:
    """Compare the measurements of two folders that ``bench`` wrote, or of two files of them.

    Rows whose conditions differ in a way that changes a latency are refused, unless ``force``.
    A run on an emulated processor is a ``MeasurementError`` in any case: it timed the emulator.
    """
    for path in (a, b):
        _refuse_emulated(path)
    before, after = _measurements(a), _measurements(b)
    common = [name for name in before if name in after]
    if not common:
        raise ArtifactError(
            f"{a} and {b} have no case in common", hint="compare runs of the same networks"
        )
    rows = []
    for name in common:
        one, two = before[name], after[name]
        row = _compared(name, one, two, min_effect, confidence, force=force)
        if row.comparison.answer != "refused":
            over = (threshold.exceeded(one, two) for threshold in thresholds)
            row = replace(row, over=tuple(it for it in over if it is not None))
        rows.append(row)
    return Outcome(
        rows=tuple(rows),
        only_a=tuple(name for name in before if name not in after),
        only_b=tuple(name for name in after if name not in before),
        gated=gated,
    )


def _compared(
    name: str, a: Record, b: Record, min_effect: float, confidence: float, *, force: bool
) -> Compared:
    device = a.subject.device.partition("-")[0]  # cpu-avx2 is a CPU
    found = differences(_environment(a), _environment(b), device=device)
    refused = not_comparable(a, b) + [it.text for it in found if it.weight == "refuse"]
    notes = changes(a.subject, b.subject) + [it.text for it in found if it.weight == "note"]
    row = Compared(case=name, comparison=_UNTOLD, a_ms=_median_ms(a), b_ms=_median_ms(b))
    if refused and not force:
        reasons = tuple(f"{it}: add --force to compare nevertheless" for it in refused[-1:])
        why = Comparison(answer="refused", reasons=(*refused[:-1], *reasons))
        return replace(row, comparison=why, notes=tuple(notes))
    comparison = compare(a, b, min_effect=min_effect, confidence=confidence)
    forced = [f"compared by force: {it}" for it in refused]
    return replace(row, comparison=comparison, notes=(*forced, *notes))


def _refuse_emulated(path: Path) -> None:
    for folder in (path, path.parent, path.parent.parent):
        results = folder / "results.json"
        if results.is_file() and read_json(results).get("environment", {}).get("emulated"):
            raise MeasurementError(
                f"{path} was measured on an emulated processor",
                hint="its times are those of the emulator: compare runs of real devices",
            )


def _measurements(path: Path) -> dict[str, Record]:
    """By case, from a run's folder, its records' folder, or a single file."""
    if path.is_file():
        return {path.name.removesuffix(_SUFFIX): records.load(path)}
    folder = path / "records" if (path / "records").is_dir() else path
    found = sorted(folder.glob(f"*{_SUFFIX}"))
    if not found:
        raise ArtifactError(
            f"{path} holds no measurements", hint="give two folders that `bench` wrote"
        )
    return {it.name.removesuffix(_SUFFIX): records.load(it) for it in found}


def _environment(record: Record) -> Mapping[str, Any]:
    return record.runs[0].environment if record.runs else {}


def _median_ms(record: Record) -> float | None:
    from scunext_edge.benchmarks.stats import summarize

    values = [value for run in record.runs for value in run.values_ns]
    return summarize(values).median / 1e6 if values else None
