"""``predict``: masks of a few pictures, or of all that folders hold."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scunext_edge.cli_options import OutOption, ThreadsOption

if TYPE_CHECKING:  # --help needs no numpy
    from scunext_edge.pipeline.folders.job import Job


def predict(
    images: Annotated[list[Path], typer.Argument(help="Pictures, DICOM files, or folders.")],
    out: OutOption,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A network that ships, or an artifact's folder.")
    ] = "scunext",
    precision: Annotated[str, typer.Option("--precision", "-p", help="fp32 or int8.")] = "fp32",
    backend: Annotated[str, typer.Option("--backend", "-b", help="See `doctor`.")] = "onnxruntime",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: ThreadsOption = 1,
    frame: Annotated[
        int | None, typer.Option(min=1, help="Of files that hold several; from 1.")
    ] = None,
    seg: Annotated[
        str | None,
        typer.Option(help="lesion or lung: a DICOM Segmentation of each DICOM file, too."),
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay/--no-overlay", help="Draw outlines into copies.")
    ] = True,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: all cores, for folders.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help="A Ray cluster: auto, HOST:PORT, or local.")
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Lesion is where the probability is above; see operating-point.")
    ] = 0.5,
    tta: Annotated[
        bool,
        typer.Option("--tta", help="Mean of 8 symmetries, and where they differ; 8 x the work."),
    ] = False,
    limits: Annotated[
        Path | None, typer.Option(help="quality.json of a network that does not ship.")
    ] = None,
) -> None:
    """Segment pictures: a mask, an overlay and a line of JSON each; of folders, a table."""
    from scunext_edge.pipeline.folders.job import Job
    from scunext_edge.runtime.dicom_seg import check_segmented

    job = Job(
        model=model,
        backend=backend,
        out=str(out),
        precision=precision,
        device=device,
        threads=threads,
        frame=frame,
        overlay=overlay,
        seg=check_segmented(seg) if seg is not None else None,
        threshold=threshold,
        tta=tta,
        limits=str(limits) if limits else None,
    )
    if workers is not None or ray is not None or any(path.is_dir() for path in images):
        failed = _folders(images, job, workers, ray)
    else:
        failed = _pictures(images, job)
    raise typer.Exit(1 if failed else 0)


def _pictures(images: list[Path], job: Job) -> int:
    """One after the other, in this process; how many failed."""
    from scunext_edge.pipeline.folders.station import algorithm_of
    from scunext_edge.quality.assess import warning_of
    from scunext_edge.runtime.predict_files import Wanted, predict_files
    from scunext_edge.runtime.predictor import logit_of
    from scunext_edge.runtime.registry import open_runner

    logit_of(job.threshold)  # one that is none is refused before an engine is opened
    artifact = job.artifact()
    limits = job.limits_of(artifact)
    runner = open_runner(artifact, job.backend, device=job.device, threads=job.threads)
    if limits is None:
        print(f"note: {artifact.card.model} has no limits of quality", file=sys.stderr)
    wanted = Wanted(
        frame=job.frame,
        overlay=job.overlay,
        seg=job.seg,
        algorithm=algorithm_of(job, artifact.id),
    )
    failed = 0
    predictor = job.predictor(runner, limits)
    for record in predict_files(images, predictor, Path(job.out), wanted=wanted):
        failed += record["status"] != "ok"
        print(json.dumps(record), flush=True)
        if warning := warning_of(record):
            print(warning, file=sys.stderr, flush=True)
    runner.close()
    return failed


def _folders(images: list[Path], job: Job, workers: int | None, ray: str | None) -> int:
    """All that is missing, with a bar; how many failed."""
    from scunext_edge.pipeline.folders.run import segment_folders
    from scunext_edge.progress import progress_bar

    def starting(count: int, kept: int) -> None:
        if kept:
            print(f"{kept} of {count} pictures were done before and are kept", file=sys.stderr)

    try:
        with progress_bar() as advance:
            done = segment_folders(
                images, job, workers=workers, ray=ray, advance=advance, starting=starting
            )
    except KeyboardInterrupt:
        print("the same command goes on where this one stopped", file=sys.stderr)
        raise
    found = {"images": done.images, "kept": done.kept, "failed": done.failed}
    print(json.dumps({**found, "table": str(done.table)}))
    return done.failed
