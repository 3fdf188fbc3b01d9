"""A finished row: what the stages found of an entry, as it stands in ``results.json``."""

from __future__ import annotations

from dataclasses import replace

from scunext_edge.benchmarks import stats
from scunext_edge.benchmarks.findings import findings
from scunext_edge.benchmarks.records import Record
from scunext_edge.benchmarks.verdict import MAX_CV, Drift, judge
from scunext_edge.pipeline.complexity import Complexity
from scunext_edge.pipeline.entries import Entry
from scunext_edge.results import Row
from scunext_edge.runtime.precision import sums_saturate

ENOUGH_IMAGES = 30  # the percentile bootstrap is known to be too narrow on smaller samples


def finished(
    entry: Entry, counted: Complexity, *, max_cv: float = MAX_CV, drift: Drift | None = None
) -> Row:
    """The row with everything that was measured; null where nothing was."""
    row = replace(entry.row, params=counted.params, macs=counted.macs)
    if counted.macs is not None:
        row = replace(row, flops=2 * counted.macs)
    if entry.artifact is not None:
        row = replace(row, artifact_id=entry.artifact.id, size_bytes=entry.artifact.size_bytes)
    if entry.record is not None:
        row = replace(row, findings=tuple(findings(entry.record)))
    if entry.record is not None and row.status == "ok":
        row = replace(
            row,
            precision_ran=entry.record.subject.precision_ran,
            latency_ms=stats.latency(entry.record),
            memory_mb=stats.memory_mb(entry.record),
            cold_start_ms=stats.cold_start_ms(entry.record),
            energy_mj=stats.energy_mj(entry.record),
            images_per_s=stats.images_per_s(entry.record),
        )
        if verdict := judge(entry.record, max_cv=max_cv, drift=drift):
            row = replace(row, stability=verdict.result, stability_reasons=verdict.reasons)
    return replace(_with_scores(row, entry), doubts=tuple(_doubts(row, entry)))


def _with_scores(row: Row, entry: Entry) -> Row:
    scores, verdict = entry.evaluation, entry.verdict
    if scores is None:
        return row
    row = replace(
        row,
        dice=scores.mean("dice"),
        iou=scores.mean("iou"),
        precision_score=scores.mean("precision"),
        recall=scores.mean("recall"),
    )
    if entry.is_reference:
        worst = min(scores.scores, key=lambda name: scores.scores[name].dice)
        return replace(row, gate="reference", worst_image=worst)
    if verdict is None:
        return row
    dice, iou = verdict.drops["dice"], verdict.drops["iou"]
    return replace(
        row,
        dice_drop=dice.mean,
        dice_drop_upper=dice.upper,
        iou_drop=iou.mean,
        iou_drop_upper=iou.upper,
        gate="passed" if verdict.passed else "failed",
        worst_image=dice.worst_image,
    )


def _doubts(row: Row, entry: Entry) -> list[str]:
    found = list(stats.doubts(entry.record)) if entry.record is not None else []
    if row.precision_ran is not None and row.precision_ran != row.precision:
        found.append(f"{row.precision} was asked for, the engine ran {row.precision_ran}")
    if entry.artifact is not None and (fell := entry.artifact.card.details.get("fell_back")):
        now = entry.artifact.card.precision
        found.append(f"{fell['from']} did not build here, this is {now}: {fell['reason']}")
    if entry.record is not None and _saturates(row, entry.record):
        found.append(
            "without VNNI this engine sums INT8 products in 16 bits, which overflow: read its Dice"
        )
    if not entry.subject.trained and row.status == "ok":
        found.append("random weights: latency and complexity only")
    if entry.evaluation and not entry.is_reference and entry.verdict is None:
        found.append("no FP32 row was scored to compare with: the gate did not look at this one")
    if entry.verdict and entry.verdict.drops["dice"].images < ENOUGH_IMAGES:
        found.append(
            f"{entry.verdict.drops['dice'].images} images: a bootstrap bound of so few is too tight"
        )
    return found


def _saturates(row: Row, record: Record) -> bool:
    machines = (run.environment["machine"] for run in record.runs)
    return any(sums_saturate(row.backend, row.precision_ran, it["isa"] or ()) for it in machines)
