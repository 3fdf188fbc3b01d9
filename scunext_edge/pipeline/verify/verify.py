"""Everything that can be asked of a candidate, as a list of checks; each failure has a name."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from scunext_edge import isolate, provenance
from scunext_edge.data.datasets import Dataset, FolderDataset
from scunext_edge.data.source import Source
from scunext_edge.errors import ArtifactError, ConfigError, missing_extra
from scunext_edge.evaluation.acceptance import Acceptance, accept
from scunext_edge.evaluation.boundary import Boundary, boundaries
from scunext_edge.evaluation.evaluate import evaluate
from scunext_edge.evaluation.records import Evaluation
from scunext_edge.pipeline.verify.checks import Check, Outcome, check, worst
from scunext_edge.pipeline.verify.leaks import calibration_leaks
from scunext_edge.pipeline.verify.page import to_markdown
from scunext_edge.pipeline.verify.same_bytes import same_bytes
from scunext_edge.pipeline.verify.settings import Settings, Side
from scunext_edge.progress import Advance
from scunext_edge.runtime.registry import version_here
from scunext_edge.storage import read_record, write_json, write_text

# 1: first form
SCHEMA = 1
KIND = "verification"
EXAMINER = "scunext_edge.evaluation.examine_worker"
_LEAST_IMAGES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The record, and what it comes down to."""

    content: Mapping[str, Any]
    verdict: Outcome

    @property
    def exit_code(self) -> int:
        """0 where everything passed."""
        return 0 if self.verdict == "passed" else 1


def verify(settings: Settings, *, advance: Advance = lambda what, done, of: None) -> Verification:
    """Examine the candidate alone, then beside its reference on every image.

    With ``out``, scores are kept there and not made again, and ``verify.json`` and ``verify.md``
    are written.
    """
    source = Source(folder=str(settings.data), part=settings.part)
    dataset = source.open()
    if len(dataset) < _LEAST_IMAGES:
        raise ConfigError(
            f"{dataset.name} has {len(dataset)} images to verify on; the checks alone take "
            f"{_LEAST_IMAGES}",
            hint="give a data set with a test part of some hundred images",
        )
    candidate, reference = settings.candidate, settings.reference
    versions = {it.backend: version_here(it.backend) for it in (candidate, reference)}
    advance("examining", 0, 1)
    found = _examined(candidate, source, settings.threads)
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as folder:
        stages = same_bytes(settings, dataset, Path(folder))
    advance("examining", 1, 1)
    scores, outlines = _compared(settings, source, dataset, versions, advance)
    acceptance = accept(
        scores["reference"],
        scores["candidate"],
        settings.criteria,
        outlines=outlines.both,
        tolerance=settings.tolerance,
        pixels=_pixels(dataset),
    )
    checks = [
        *(check(it["name"], it["passed"], it["message"]) for it in found["checks"]),
        _census_check(candidate, found["census"]),
        calibration_leaks(candidate.artifact, dataset),
        *stages,
        *_acceptance_checks(acceptance, settings),
    ]
    verdict = worst(checks)
    content = {
        "schema": SCHEMA,
        "kind": KIND,
        "tool": provenance.tool(),
        "command": list(settings.command),
        "verdict": verdict,
        "candidate": _subject(candidate, versions[candidate.backend]),
        "reference": _subject(reference, versions[reference.backend]),
        "dataset": {**scores["candidate"].dataset, "part": settings.part},
        "criteria": asdict(settings.criteria),
        "checks": checks,
        "acceptance": asdict(acceptance),
        "no_outline": outlines.why_not,
        "census": found["census"],
    }
    if settings.out is not None:
        write_json(settings.out / "verify.json", content)
        write_text(settings.out / "verify.md", to_markdown(content))
    return Verification(content=content, verdict=verdict)


def _examined(side: Side, source: Source, threads: int) -> dict[str, Any]:
    job = {
        "artifact": str(side.artifact.directory),
        "backend": side.backend,
        "device": side.device,
        "threads": threads,
        "source": source.to_json(),
    }
    answer: dict[str, Any] = isolate.call(EXAMINER, job, env={"OMP_NUM_THREADS": str(threads)})
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlines:
    """Of reference and candidate, by image; or why there are none."""

    both: tuple[Mapping[str, Boundary], Mapping[str, Boundary]] | None = None
    why_not: str | None = None


def _compared(
    settings: Settings,
    source: Source,
    dataset: Dataset,
    versions: Mapping[str, str],
    advance: Advance,
) -> tuple[dict[str, Evaluation], _Outlines]:
    """Scores of both sides; then outlines, for which every mask is kept until they are measured."""
    sides = {"reference": settings.reference, "candidate": settings.candidate}
    about = _about(settings, dataset, versions)
    outlines = _stored_outlines(settings, about)
    if outlines is None and find_spec("monai") is None:
        missing = missing_extra("monai", "verify", needed_for="distances between outlines")
        outlines = _Outlines(why_not=f"{missing}; {missing.hint}")
    with _masks(settings.out) as folder:
        scores = {}
        for done, (name, one) in enumerate(sides.items()):
            advance("scoring", done, len(sides))
            scores[name] = evaluate(
                one.artifact,
                one.backend,
                source,
                device=one.device,
                threads=settings.threads,
                record=settings.out / f"{name}.evaluation.json" if settings.out else None,
                dataset=dataset,
                backend_version=versions[one.backend],
                masks=folder / name if outlines is None else None,
            )
        advance("scoring", len(sides), len(sides))
        if outlines is None:
            advance("outlines", 0, 1)
            outlines = _outlines(settings, source, dataset, folder, about)
            advance("outlines", 1, 1)
    return scores, outlines


@contextmanager
def _masks(out: Path | None) -> Iterator[Path]:
    """A folder for the masks of both sides: in ``out`` it outlives an interruption."""
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as temporary:
        folder = out / "masks" if out else Path(temporary)
        yield folder
    shutil.rmtree(folder, ignore_errors=True)


def _outlines(
    settings: Settings, source: Source, dataset: Dataset, masks: Path, about: Mapping[str, Any]
) -> _Outlines:
    found = boundaries(
        source,
        dataset.ids,
        {name: masks / name for name in ("reference", "candidate")},
        tolerance=settings.tolerance,
        workers=settings.workers,
    )
    if settings.out is not None:
        rows = {name: {id: asdict(it) for id, it in of.items()} for name, of in found.items()}
        write_json(settings.out / "outlines.json", {**about, "rows": rows})
    return _Outlines(both=(found["reference"], found["candidate"]))


def _stored_outlines(settings: Settings, about: Mapping[str, Any]) -> _Outlines | None:
    """Those of an earlier call about the same two models, engines and images."""
    if settings.out is None or not (path := settings.out / "outlines.json").exists():
        return None
    try:
        stored = read_record(path, kind="outlines", schema=SCHEMA)
        rows = stored.pop("rows")
        reference, candidate = (
            {id: Boundary(**it) for id, it in rows[name].items()}
            for name in ("reference", "candidate")
        )
    except (ArtifactError, KeyError, TypeError, AttributeError):
        return None  # broken or of another version: measure again
    return _Outlines(both=(reference, candidate)) if stored == about else None


def _about(settings: Settings, dataset: Dataset, versions: Mapping[str, str]) -> dict[str, Any]:
    """What outlines depend on."""
    sides = {"reference": settings.reference, "candidate": settings.candidate}
    return {
        "schema": SCHEMA,
        "kind": "outlines",
        "tolerance": settings.tolerance,
        "data": dataset.hash,
        **{
            name: [it.artifact.id, it.backend, versions[it.backend], it.device]
            for name, it in sides.items()
        },
    }


def _pixels(dataset: Dataset) -> dict[str, int]:
    """How many each image has, from its header alone."""
    found = {}
    for index, id in enumerate(dataset.ids):
        if isinstance(dataset, FolderDataset):
            with PillowImage.open(dataset.paths(id)[1]) as picture:
                found[id] = picture.width * picture.height
        else:
            found[id] = dataset[index].mask_hw.size
    return found


def _census_check(side: Side, census: Mapping[str, Any] | None) -> Check:
    asked = side.artifact.card.precision
    if census is None or not census["shares"]:
        return check("precision", None, f"{side.backend} does not say what it ran")
    shares = {name: float(share) for name, share in census["shares"].items()}
    share = shares.get(asked, 0.0)
    told = ", ".join(f"{name} {part:.1%}" for name, part in shares.items())
    if share < 0.5:
        most = max(shares, key=lambda name: shares[name])
        message = f"asked for {asked.upper()}, it ran as {most.upper()}: {told} of MACs"
        return Check(name="precision", verdict="noted", message=message)
    return check("precision", True, f"{told} of MACs")


def _acceptance_checks(found: Acceptance, settings: Settings) -> list[Check]:
    loss, criteria = found.loss, settings.criteria
    limit = f"{criteria.tier} % of Dice kept" if criteria.tier else f"a loss of {criteria.margin:g}"
    message = (
        f"{limit}; lost {loss.drop.mean:.4f} of mean Dice, beyond the margin "
        f"{loss.excess:.4f} ({loss.lower:.4f} to {loss.upper:.4f})"
    )
    if loss.judgement == "inconclusive":
        needed = loss.images_needed
        message += f"; {found.images} images are too few: " + (
            f"it would take about {needed}" if needed else "no number of images would tell"
        )
    missed = list(found.newly_missed)
    return [
        Check(name="non-inferiority", verdict=loss.judgement, message=message),
        check(
            "missed lesions",
            len(missed) <= criteria.most_missed,
            f"{len(missed)} newly missed: {', '.join(missed)}" if missed else "none newly missed",
        ),
    ]


def _subject(side: Side, version: str) -> dict[str, Any]:
    card = side.artifact.card
    return {
        "artifact_id": side.artifact.id,
        "model": card.model,
        "format": card.format,
        "precision": card.precision,
        "quantizer": card.quantizer,
        "parent": card.parent,
        "backend": side.backend,
        "backend_version": version,
        "device": side.device,
    }
