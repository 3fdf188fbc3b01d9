"""One process that segments: an open engine, and a row for every picture."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from scunext_edge.errors import ArtifactError
from scunext_edge.pipeline.folders.job import Input, Job
from scunext_edge.runtime.dicom_seg import Algorithm
from scunext_edge.runtime.predict_files import Wanted, predict_file
from scunext_edge.runtime.registry import open_runner
from scunext_edge.runtime.symmetries import SYMMETRIES
from scunext_edge.storage import on_disk

Row = dict[str, Any]

# What a row holds, in this order, and its Arrow type. "quality" is a place for what an
# assessment of the picture finds, the names of its flags: null is "not assessed".
COLUMNS = {
    "path": "string",
    "sha256": "string",
    "status": "string",
    "error": "string",
    "width": "int32",
    "height": "int32",
    "area_px": "int64",
    "area_fraction": "float64",
    "area_mm2": "float64",
    "spacing_row_mm": "float64",
    "spacing_column_mm": "float64",
    "spacing_at": "string",
    "mask": "string",
    "overlay": "string",
    "seg": "string",
    "segmented": "string",
    "seconds": "float64",
    "model": "string",
    "artifact_id": "string",
    "engine": "string",
    "device": "string",
    "frame": "int32",
    "quality": "list",
    "limits_id": "string",
    "threshold": "float64",
    "tta": "bool_",
    "uncertainty": "string",
    "uncertainty_mean": "float64",
    "uncertainty_by_area": "float64",
}
WRITTEN = ("mask", "overlay", "seg", "uncertainty")  # columns that name a file


def target_of(job: Job, name: str) -> Path:
    """Where a picture's outputs begin: its whole name, since x.png and x.jpg may both be there."""
    return Path(job.out, name)


def failed_row(job: Job, artifact_id: str, name: str, error: str) -> Row:
    """The row of a picture of which nothing came."""
    return _row(job, artifact_id, name, {"status": "failed", "reason": error})


class Station:
    """Opens the engine at once; errors as of ``open_runner``."""

    def __init__(self, job: Job, artifact_id: str) -> None:
        """Another artifact than ``artifact_id`` at the same place is an ``ArtifactError``."""
        artifact = job.artifact()
        if artifact.id != artifact_id:
            raise ArtifactError(
                f"{job.model} is another artifact here: {artifact.id[:12]}, not {artifact_id[:12]}",
                hint="install the same version on every machine",
            )
        self._job, self._id = job, artifact_id
        self._runner = open_runner(artifact, job.backend, device=job.device, threads=job.threads)
        self._predictor = job.predictor(self._runner, job.limits_of(artifact))
        self._wanted = Wanted(
            frame=job.frame,
            overlay=job.overlay,
            contour=False,
            seg=job.seg,
            algorithm=algorithm_of(job, artifact_id),
        )

    def row(self, one: Input) -> Row:
        """Segment a picture, write its files, and say how it went. A full disk is an error."""
        target = target_of(self._job, one.name)
        record = predict_file(one.path, self._predictor, target, wanted=self._wanted)
        for kind in WRITTEN:  # before there is a row that says that they are there
            if record.get(kind):
                on_disk(Path(record[kind]))
        return _row(self._job, self._id, one.name, record)

    def __enter__(self) -> Station:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the engine."""
        self._runner.close()


def algorithm_of(job: Job, artifact_id: str) -> Algorithm:
    """What a Segmentation says of its origin."""
    return Algorithm(
        network=Path(job.model).name,
        artifact_id=artifact_id,
        engine=job.backend,
        threshold=job.threshold,
        views=len(SYMMETRIES) if job.tta else 1,
    )


def _flags(quality: dict[str, Any] | None) -> list[str] | None:
    return None if quality is None else [flag["name"] for flag in quality["flags"]]


def _row(job: Job, artifact_id: str, name: str, record: dict[str, Any]) -> Row:
    """A row with every column; files are named from the folder of the results on."""
    known = {key: record[key] for key in COLUMNS if key in record}
    spacing = record.get("spacing_mm") or (None, None)
    time_ms = record.get("time_ms")
    known |= {
        "path": name,
        "error": record["reason"],
        "spacing_row_mm": spacing[0],
        "spacing_column_mm": spacing[1],
        "seconds": None if time_ms is None else time_ms / 1e3,
        "model": job.model,
        "artifact_id": artifact_id,
        "engine": job.backend,
        "device": job.device,
        "frame": job.frame,
        "segmented": job.seg,
        "threshold": job.threshold,
        "tta": job.tta,
        "quality": _flags(record.get("quality")),
    }
    for kind in WRITTEN:
        path = record.get(kind)
        known[kind] = Path(path).relative_to(job.out).as_posix() if path else None
    return {column: known.get(column) for column in COLUMNS}
