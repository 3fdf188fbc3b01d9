"""Segment every picture of folders: what is missing is done, and the table is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scunext_edge.artifacts import Artifact
from scunext_edge.errors import EngineError, require
from scunext_edge.pipeline.folders.inputs import find_inputs
from scunext_edge.pipeline.folders.job import Input, Job
from scunext_edge.pipeline.folders.journal import Journal
from scunext_edge.pipeline.folders.local import all_cores, run_local
from scunext_edge.pipeline.folders.on_ray import run_on_ray
from scunext_edge.pipeline.folders.station import WRITTEN, Row
from scunext_edge.pipeline.folders.table import write_table
from scunext_edge.progress import Advance
from scunext_edge.runtime.dicom_seg import check_segmented
from scunext_edge.runtime.predictor import logit_of
from scunext_edge.storage import locked, sha256_of, storage_errors
from scunext_edge.weights.shipped import names

Ids = tuple[str, str | None]  # of the artifact, and of the limits of quality
JOURNAL, TABLE = "predictions.jsonl", "predictions.parquet"
LOCK = ".predictions.lock"  # a file that nobody writes: a locked one cannot be, on some drives
_WAIT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a run went; ``kept`` were there already."""

    images: int
    kept: int
    failed: int
    table: Path


def segment_folders(
    paths: Sequence[Path],
    job: Job,
    *,
    workers: int | None = None,
    ray: str | None = None,
    advance: Advance | None = None,
    starting: Callable[[int, int], None] | None = None,
) -> Summary:
    """Masks of all pictures below ``job.out``, and ``predictions.parquet`` with a row of each.

    What an earlier run did of the same bytes with the same artifact and settings is kept. Rows
    are added to ``predictions.jsonl`` as they come, from which a stopped run goes on. Without
    pyarrow, highdicom (for ``seg``) or Ray, where they are asked for: ``BackendMissing``, before
    anything is done. ``starting`` is told how many pictures there are and how many are kept.
    """
    require("pyarrow", "report", needed_for="a table of predictions")
    if job.seg is not None:
        check_segmented(job.seg)
    logit_of(job.threshold)  # one that is none is refused before anything starts
    inputs = find_inputs(paths, Path(job.out))
    artifact = job.artifact()
    limits = job.limits_of(artifact)  # those of another network are refused before anything starts
    limits_id = limits.id if limits else None
    artifact_id, job = artifact.id, _anywhere(job, artifact)
    with _alone(Path(job.out)), closing(Journal(Path(job.out, JOURNAL))) as journal:
        missing = _missing(journal, job, (artifact_id, limits_id), inputs)
        kept = len(inputs) - len(missing)
        if starting is not None:
            starting(len(inputs), kept)
        came = 0
        for row in _rows(job, artifact_id, missing, workers, ray, advance):
            journal.append(row | {"limits_id": limits_id})
            came += 1
        if came != len(missing):
            raise EngineError(
                f"{len(missing)} pictures were to be segmented, and {came} have a row",
                hint="no table was written; the same command does what is missing",
            )
        counted, table = _Counter(), Path(job.out, TABLE)
        write_table(table, counted(journal.rows(one.name for one in inputs)))
    return Summary(images=len(inputs), kept=kept, failed=counted.failed, table=table)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold ``out`` against another run; a folder that was made and stays empty goes again."""
    lock, made = out / LOCK, not out.exists()
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        lock.touch()
    with locked(lock, wait_s=_WAIT_S):
        try:
            yield
        finally:
            if made and all(path == lock for path in out.iterdir()):
                lock.unlink()
                out.rmdir()


def _anywhere(job: Job, artifact: Artifact) -> Job:
    """The same job for a process in another working directory, or on another machine."""
    model = job.model if job.model in names() else str(artifact.directory.absolute())
    limits = str(Path(job.limits).absolute()) if job.limits else None
    return replace(job, model=model, out=str(Path(job.out).absolute()), limits=limits)


def _rows(
    job: Job,
    artifact_id: str,
    missing: Sequence[Input],
    workers: int | None,
    ray: str | None,
    advance: Advance | None,
) -> Iterator[Row]:
    if not missing:
        return
    if ray is not None:
        rows = run_on_ray(job, artifact_id, missing, address=ray, workers=workers)
    else:
        alone = 1 if job.device.partition("-")[0] != "cpu" else max(1, all_cores() // job.threads)
        rows = run_local(job, artifact_id, missing, workers=workers or alone)
    with closing(rows):  # workers are told to end, whatever happens here
        for done, row in enumerate(rows, start=1):
            yield row
            if advance is not None:
                advance("segmenting", done, len(missing))


def _missing(journal: Journal, job: Job, ids: Ids, inputs: Sequence[Input]) -> list[Input]:
    """Pictures without a row, or whose row is of other bytes, of other settings, or a failure."""
    by_name = {one.name: one for one in inputs}
    for row in journal.rows(list(by_name)):
        if _holds(row, job, ids) and _same_bytes(by_name[row["path"]], row):
            del by_name[row["path"]]
    return list(by_name.values())


def _holds(row: Row, job: Job, ids: Ids) -> bool:
    asked = (*ids, job.backend, job.device, job.frame)
    settings = ("artifact_id", "limits_id", "engine", "device", "frame")
    written = [Path(job.out, row[kind]) for kind in WRITTEN if row.get(kind)]
    return (
        row["status"] == "ok"
        and tuple(row.get(name, "") for name in settings) == asked
        # a row of a version that knew neither has their defaults
        and (row.get("threshold", 0.5), row.get("tta", False)) == (job.threshold, job.tta)
        and (row["overlay"] is not None or not job.overlay)
        and job.seg in (None, row["segmented"])
        and all(path.is_file() and path.stat().st_size > 0 for path in written)
    )


def _same_bytes(one: Input, row: Row) -> bool:
    try:
        return bool(sha256_of(one.path) == row["sha256"])
    except OSError:
        return False


class _Counter:
    """Lets rows pass and counts those that failed."""

    def __init__(self) -> None:
        self.failed = 0

    def __call__(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self.failed += row["status"] != "ok"
            yield row
