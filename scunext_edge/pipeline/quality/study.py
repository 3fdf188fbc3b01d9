"""One network: its limits from one data set, their error rates from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scunext_edge import provenance
from scunext_edge.artifacts import left_out
from scunext_edge.data.datasets import Dataset
from scunext_edge.data.source import Source
from scunext_edge.errors import ConfigError
from scunext_edge.pipeline.quality import rules
from scunext_edge.pipeline.quality.collect import (
    Bench,
    Row,
    all_rows,
    clean_rows,
    foreign_rows,
    pairs,
)
from scunext_edge.pipeline.quality.rates import SIGNALS, error_rates, predictors, raised, wilson
from scunext_edge.progress import Advance
from scunext_edge.quality.domain import Domain, fit_domain
from scunext_edge.quality.limits import Limits
from scunext_edge.quality.signals import looks
from scunext_edge.runtime.registry import open_runner
from scunext_edge.weights.shipped import deployed, names

# 1: first form
SCHEMA = 1
KIND = "quality-study"
FOREIGN = 40  # pictures of skin that others are made of
OTHERS = 200  # pictures of another data set, at most
_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which images, which engine, which rule."""

    set_on: Path
    measure_on: Path
    others: tuple[Path, ...] = ()
    backend: str = "native"
    precision: str = "int8"
    rule: rules.Settings = field(default_factory=rules.Settings)


def study(
    model: str, settings: Settings, advance: Advance = lambda what, done, of: None
) -> tuple[Limits, dict[str, Any]]:
    """The limits, and the record with every signal that the rates are computed from."""
    artifact = deployed(model, backend=settings.backend, precision=settings.precision)
    train, val = (_part(settings.set_on, part) for part in ("train", "val"))
    test = _part(settings.measure_on, "test")
    both = sorted({*train.ids, *val.ids} & set(test.ids))
    if both:
        raise ConfigError(
            f"{len(both)} images set the limits and would measure them, such as {both[0]}",
            hint="measure on images that neither training nor the limits have met",
        )
    away = left_out(artifact.card)
    train = train.subset([id for id in train.ids if id not in away])
    domain = _domain(train, artifact.spec.size, advance)
    runner = open_runner(artifact, settings.backend, device="cpu", threads=1)
    bench = Bench(runner=runner, domain=domain)
    try:
        known = clean_rows(bench, train, advance, "train, as it is")
        set_by = all_rows(bench, val, advance, "val, with planted faults")
        limits, told = rules.set_limits(known, set_by, settings.rule)
        measured = all_rows(bench, test, advance, "test, with planted faults")
        measured += foreign_rows(
            bench,
            test.subset(test.ids[:FOREIGN]),
            [_some(Source(folder=str(it), part="test").open()) for it in settings.others],
            advance,
            "pictures of other kinds",
        )
    finally:
        runner.close()
    rates = error_rates(measured, limits)
    rates["predictors"] = predictors(_clean(set_by), _clean(measured), settings.rule.good)
    rates["same_in_fp32"] = _same_in_fp32(model, settings, domain, test, measured, limits, advance)
    about: dict[str, Any] = {
        "set_on": _about(settings.set_on, {"train": train, "val": val}),
        "measured_on": _about(settings.measure_on, {"test": test}),
        "backend": settings.backend,
        "precision": settings.precision,
        "artifact": artifact.id,
    }
    found = Limits(
        model=artifact.card.model,
        checkpoint=artifact.card.details.get("checkpoint") or artifact.id,
        size=artifact.spec.size,
        limits=limits,
        domain=domain,
        set_on=about["set_on"],
        rule=told,
        error_rates={
            "measured_on": about["measured_on"],
            "harm": settings.rule.harm,
            **rates,
        },
    )
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "tool": provenance.tool(),
        "model": artifact.card.model,
        "about": about,
        "limits": limits,
        "rule": told,
        "rates": rates,
        "columns": ["id", "flag", "case", "level", "dice", *SIGNALS],
        "set_by": _plain(set_by),
        "measured": _plain(measured),
        "missed": _missed(measured, limits),
    }
    return found, record


def _same_in_fp32(
    model: str,
    settings: Settings,
    domain: Domain,
    test: Dataset,
    measured: Sequence[Row],
    limits: dict[str, float],
    advance: Advance,
) -> dict[str, Any] | None:
    """How often the FP32 form gives the same flags; None for networks that do not ship."""
    if model not in names() or settings.precision == "fp32":
        return None
    artifact = deployed(model, backend=settings.backend, precision="fp32")
    runner = open_runner(artifact, settings.backend, device="cpu", threads=1)
    try:
        rows = clean_rows(Bench(runner=runner, domain=domain), test, advance, "test, in FP32")
    finally:
        runner.close()
    before = {row.id: raised(row, limits) for row in _clean(measured)}
    return wilson(sum(raised(row, limits) == before[row.id] for row in rows), len(rows))


def _part(folder: Path, part: str) -> Dataset:
    return Source(folder=str(folder), part=part).open()


def _some(dataset: Dataset) -> Dataset:
    return dataset.subset(dataset.ids[:OTHERS])


def _domain(train: Dataset, size: int, advance: Advance) -> Domain:
    seen = []
    for _, image, _ in pairs(train, size):
        seen.append(looks(image))
        advance("looks of the training pictures", len(seen), len(train))
    return fit_domain(seen)


def _clean(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.flag is None]


def _about(folder: Path, parts: dict[str, Dataset]) -> dict[str, Any]:
    return {
        "name": folder.resolve().name,
        "parts": {name: {"images": len(it), "hash": it.hash} for name, it in parts.items()},
    }


def _plain(rows: Sequence[Row]) -> list[str]:
    """A line per picture, tabs between what ``columns`` names: every rate can be computed again."""
    return [
        "\t".join(
            (
                *(row.id, row.flag or "", row.case, f"{row.level:g}"),
                "" if row.dice is None else f"{row.dice:.{_DIGITS}f}",
                *(f"{row.values[name]:.{_DIGITS}g}" for name in SIGNALS),
            )
        )
        for row in rows
    ]


def _missed(rows: Sequence[Row], limits: dict[str, float], dice: float = 0.5) -> list[str]:
    """Pictures as they are whose mask is bad and that no flag was raised for."""
    return [row.id for row in _clean(rows) if (row.dice or 0.0) < dice and not raised(row, limits)]
