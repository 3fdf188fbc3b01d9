"""From networks and images to one record: threshold, reliability, eight views, corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from scunext_edge import isolate, provenance
from scunext_edge.data.corruptions import BY_NAME, CORRUPTIONS
from scunext_edge.data.datasets import Dataset
from scunext_edge.data.source import Source
from scunext_edge.errors import ArtifactError, ConfigError
from scunext_edge.evaluation.operating_worker import PLAIN, VIEWS, Row
from scunext_edge.evaluation.thresholds import GRID, Choice, choose
from scunext_edge.pipeline.operating import summary
from scunext_edge.pipeline.operating.figures import figures
from scunext_edge.pipeline.operating.page import to_markdown
from scunext_edge.pipeline.verify.settings import Side
from scunext_edge.progress import Advance
from scunext_edge.runtime.registry import version_here
from scunext_edge.storage import read_record, write_json, write_text
from scunext_edge.weights.shipped import limits_of

# 1: first form
SCHEMA = 1
KIND, PIECE = "operating-point", "operating-piece"
WORKER = "scunext_edge.evaluation.operating_worker"
RECORD, PAGE = "operating-point.json", "operating-point.md"
HALF = 0.5
_AT_ONCE = 100  # images: what an interruption may cost, and how often the bar moves
# what the answers of a network depend on, beside the images
_DEPENDS = ("artifact_id", "backend", "backend_version", "device", "limits_id")
# the code that answers every question, and what it takes besides for one of them
ROOT = Path(__file__).resolve().parents[2]
CODE = (
    "data/images.py",
    "data/preprocess.py",
    "evaluation/operating_worker.py",
    "metrics.py",
    "quality/assess.py",
    "quality/signals.py",
    "runtime/predictor.py",
    "runtime/runner.py",
)
MORE = {
    PLAIN: ("evaluation/reliability.py", "evaluation/thresholds.py"),
    VIEWS: ("runtime/symmetries.py",),
}
FAULTS = ("data/corruptions.py",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``limits``: a file of quality limits, for a network that does not ship."""

    sides: tuple[Side, ...]
    data: Path
    out: Path
    choose_on: str = "val"
    part: str = "test"
    limits: Path | None = None
    threads: int = 1
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One thing that is asked of all networks, about one part of the images."""

    ask: str
    source: Source
    dataset: Dataset
    thresholds: tuple[tuple[float, ...], ...]  # of each network
    curve: bool = False

    @property
    def name(self) -> str:
        return f"{self.ask}-{self.source.part}"


def operating_point(
    settings: Settings, *, advance: Advance = lambda what, done, of: None
) -> dict[str, Any]:
    """Ask what ``out`` does not hold yet; write the record, its page and figures there."""
    val, test = (
        Source(folder=str(settings.data), part=part) for part in (settings.choose_on, settings.part)
    )
    chosen_on, measured_on = val.open(), test.open()
    _check_apart(chosen_on, measured_on)
    subjects = _subjects(settings)
    half: tuple[tuple[float, ...], ...] = ((HALF,),) * len(settings.sides)
    asked = _Asked(ask=PLAIN, source=val, dataset=chosen_on, thresholds=half, curve=True)
    on_val = _rows(settings, subjects, asked, advance)
    choices = [choose(np.array([row["curve"] for row in rows])) for rows in on_val]
    both = tuple((HALF, choice.threshold) for choice in choices)
    asked = _Asked(ask=PLAIN, source=test, dataset=measured_on, thresholds=both)
    on_test = _rows(settings, subjects, asked, advance)
    found = {
        ask: _rows(
            settings,
            subjects,
            _Asked(ask=ask, source=test, dataset=measured_on, thresholds=half),
            advance,
        )
        for ask in (VIEWS, *BY_NAME)
    }
    record = {
        "schema": SCHEMA,
        "kind": KIND,
        "tool": provenance.tool(),
        "command": list(settings.command),
        "data": {
            "name": chosen_on.name,
            "chosen_on": _about(val, chosen_on),
            "measured_on": _about(test, measured_on),
        },
        "thresholds": list(GRID),
        "corruptions": [
            {"name": it.name, "unit": it.unit, "levels": list(it.levels)} for it in CORRUPTIONS
        ],
        "networks": [
            {
                **subject,
                **_network(choices[at], on_val[at], on_test[at], at, found),
            }
            for at, subject in enumerate(subjects)
        ],
    }
    drawn = figures(record)
    for name, svg in drawn.items():
        write_text(settings.out / name, svg)
    write_json(settings.out / RECORD, record)
    write_text(settings.out / PAGE, to_markdown(record, figures=tuple(drawn)))
    return record


@cache
def code_digest(ask: str) -> str:
    """16 hexadecimal digits of the code that answers ``ask``, as of ``provenance.digest_of``."""
    names = (*CODE, *MORE.get(ask, FAULTS))
    return provenance.digest_of((ROOT / name).read_text(encoding="utf-8") for name in names)


def _network(
    choice: Choice,
    on_val: Sequence[Row],
    on_test: Sequence[Row],
    at: int,
    found: Mapping[str, Sequence[Sequence[Row]]],
) -> dict[str, Any]:
    faults = {name: found[name][at] for name in BY_NAME}
    return {
        "threshold": {
            **asdict(choice),
            "curve": list(choice.curve),
            "measured": summary.thresholds(on_test),
        },
        "reliability": {"chosen_on": summary.bins(on_val), "measured_on": summary.bins(on_test)},
        "views": summary.views(on_test, found[VIEWS][at]),
        "corruptions": summary.corruptions(on_test, faults),
        "columns": summary.columns(faults),
        "images": summary.lines(on_test, found[VIEWS][at], faults),
    }


def _rows(
    settings: Settings, subjects: Sequence[Mapping[str, Any]], asked: _Asked, advance: Advance
) -> list[list[Row]]:
    """Of every network: those that are stored, and the others from a child for some images each."""
    paths = [settings.out / "pieces" / _key(side) / f"{asked.name}.json" for side in settings.sides]
    about = [
        {
            **{name: subject[name] for name in _DEPENDS},
            "code": code_digest(asked.ask),
            "pillow": PIL.__version__,  # reads pictures, and makes the fault jpeg
            "images": asked.dataset.hash,
            "thresholds": list(thresholds),
            "levels": list(BY_NAME[asked.ask].levels) if asked.ask in BY_NAME else None,
        }
        for subject, thresholds in zip(subjects, asked.thresholds, strict=True)
    ]
    rows = [_stored(*it) for it in zip(paths, about, strict=True)]
    for start in range(0, len(asked.dataset), _AT_ONCE):
        ids = asked.dataset.ids[start : start + _AT_ONCE]
        advance(asked.name, start, len(asked.dataset))
        missing = [at for at, known in enumerate(rows) if not known.keys() >= set(ids)]
        if not missing:
            continue
        answer = isolate.call(
            WORKER, _job(settings, asked, missing, ids), env=isolate.thread_limits(settings.threads)
        )
        for at, came in zip(missing, answer, strict=True):
            rows[at] |= {row["id"]: row for row in came}
            head = {"schema": SCHEMA, "kind": PIECE, "about": about[at]}
            write_json(paths[at], {**head, "rows": list(rows[at].values())})
    advance(asked.name, len(asked.dataset), len(asked.dataset))
    return [[known[id] for id in asked.dataset.ids] for known in rows]


def _job(
    settings: Settings, asked: _Asked, missing: Sequence[int], ids: Sequence[str]
) -> dict[str, Any]:
    return {
        "subjects": [
            {
                "artifact": str(settings.sides[at].artifact.directory),
                "backend": settings.sides[at].backend,
                "device": settings.sides[at].device,
                "thresholds": list(asked.thresholds[at]),
                "limits": str(settings.limits) if settings.limits else None,
            }
            for at in missing
        ],
        "threads": settings.threads,
        "source": asked.source.to_json(),
        "ids": list(ids),
        "ask": asked.ask,
        "curve": asked.curve,
    }


def _stored(path: Path, about: Mapping[str, Any]) -> dict[str, Row]:
    """What an earlier call asked of the same network, engine, limits, code and images, by image."""
    if not path.exists():
        return {}
    try:
        content = read_record(path, kind=PIECE, schema=SCHEMA)
    except ArtifactError:
        return {}  # broken or of another version: ask again
    if content.get("about") != about:
        return {}
    return {row["id"]: row for row in content["rows"]}


def _subjects(settings: Settings) -> list[dict[str, Any]]:
    """What each network is, and on what its answers depend."""
    versions = {it: version_here(it) for it in {side.backend for side in settings.sides}}
    found = []
    for side in settings.sides:
        limits = limits_of(side.artifact, settings.limits)
        found.append(
            {
                "model": side.artifact.card.model,
                "precision": side.artifact.card.precision,
                "artifact_id": side.artifact.id,
                "backend": side.backend,
                "backend_version": versions[side.backend],
                "device": side.device,
                "limits_id": limits.id if limits else None,
            }
        )
    return found


def _key(side: Side) -> str:
    card = side.artifact.card
    return f"{card.model}-{card.precision}-{side.backend}-{side.artifact.id[:8]}"


def _about(source: Source, dataset: Dataset) -> dict[str, Any]:
    return {"part": source.part, "images": len(dataset), "hash": dataset.hash}


def _check_apart(chosen_on: Dataset, measured_on: Dataset) -> None:
    both = sorted(set(chosen_on.ids) & set(measured_on.ids))
    if both:
        raise ConfigError(
            f"{len(both)} images would choose the threshold and measure it, such as {both[0]}",
            hint="choose on validation images, and measure on test images: scunext-edge data split",
        )
    for dataset in (chosen_on, measured_on):
        if not len(dataset):
            raise ConfigError(
                f"a part of {dataset.name} has no images",
                hint="scunext-edge data split draws parts",
            )
