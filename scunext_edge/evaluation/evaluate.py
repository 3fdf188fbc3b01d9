"""Scoring an artifact on an engine, in a process of its own, once: a stored record is kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.artifacts import Artifact
from scunext_edge.data.datasets import Dataset
from scunext_edge.data.source import Source
from scunext_edge.errors import ArtifactError
from scunext_edge.evaluation import records
from scunext_edge.evaluation.records import Evaluation

WORKER = "scunext_edge.evaluation.worker"


def evaluate(
    artifact: Artifact,
    backend: str,
    source: Source,
    *,
    device: str = "cpu",
    threads: int = 1,
    record: Path | None = None,
    dataset: Dataset | None = None,
    backend_version: str | None = None,
    masks: Path | None = None,
) -> Evaluation:
    """Dice, IoU, precision and recall of every image, at the image's own size.

    With ``record``, an evaluation stored there of the same artifact, engine and images is
    returned instead, and a new one is stored. ``dataset`` is the opened source, if at hand; with
    ``backend_version``, what another version of the engine scored is not taken for this one's.
    ``masks``: write ``masks/ID.png`` of every image; what is stored is taken only with all of
    them.
    """
    if record is not None and (masks is None or _complete(masks, dataset or source.open())):
        wanted = {"artifact_id": artifact.id, "backend": backend, "device": device}
        if backend_version is not None:
            wanted["backend_version"] = backend_version
        if stored := _stored(record, wanted, (dataset or source.open()).hash):
            return stored
    if masks is not None:  # those of another artifact must not be taken for this one's
        shutil.rmtree(masks, ignore_errors=True)
    kept = str(masks) if masks else None
    answer = _call(artifact, backend, source, device=device, threads=threads, masks=kept)
    evaluation = records.from_answer(answer)
    if record is not None:
        records.save(record, evaluation)
    return evaluation


def keep_masks(
    artifact: Artifact,
    backend: str,
    source: Source,
    ids: Sequence[str],
    folder: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write ``folder/ID.png`` for a few images, predicted anew."""
    _call(
        artifact, backend, source, device=device, threads=threads, ids=list(ids), masks=str(folder)
    )


def _call(
    artifact: Artifact,
    backend: str,
    source: Source,
    *,
    device: str,
    threads: int,
    ids: list[str] | None = None,
    masks: str | None = None,
) -> Any:
    job = {
        "artifact": str(artifact.directory),
        "backend": backend,
        "device": device,
        "threads": threads,
        "source": source.to_json(),
        "ids": ids,
        "masks": masks,
    }
    return isolate.call(WORKER, job, env={"OMP_NUM_THREADS": str(threads)})


def _complete(masks: Path, dataset: Dataset) -> bool:
    return all((masks / f"{id}.png").is_file() for id in dataset.ids)


def _stored(record: Path, wanted: Mapping[str, str], images: str) -> Evaluation | None:
    if not record.exists():
        return None
    try:
        stored = records.load(record)
    except ArtifactError:
        return None  # broken or of another version: score again
    is_same = all(stored.subject.get(name) == value for name, value in wanted.items())
    return stored if is_same and stored.dataset.get("hash") == images else None
