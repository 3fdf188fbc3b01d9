"""One trial in a process of its own: ``python -m scunext_edge.experiments.worker FOLDER PARENT``.

FOLDER holds ``job.json``. The run goes to ``training/``, the record to ``trial.json``; what went
wrong, in words, to ``failure.json``. A run that was cut short goes on at its last epoch.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scunext_edge.errors import ArtifactError, ConfigError, DataError, ScunextEdgeError
from scunext_edge.experiments.further import check, code_of
from scunext_edge.experiments.outlines import Outline, outlines
from scunext_edge.experiments.sources import code_digest
from scunext_edge.experiments.threshold import AtThreshold, scored_at_threshold
from scunext_edge.storage import locked, read_json, write_json

if TYPE_CHECKING:
    from scunext_edge.data.datasets import FolderDataset

JOB, RECORD, FAILURE, RUN = "job.json", "trial.json", "failure.json", "training"
MASKS = "masks"  # while they are compared
_TRAINED_BY = ("code", "teacher_codes", "tool", "machine", "threads", "versions")
_WAIT_S = 120.0  # for a process that made this trial before and is about to end
_LOOK_S = 1.0  # how often a trial looks whether who started it is still there


def main(folder: Path, parent: int) -> int:
    """Make the trial; the exit code is 0 if its record is there.

    ``parent`` is the process that wants the record: when it is gone, so is the trial.
    """
    job = read_json(folder / JOB)
    if os.environ.get("LOCAL_RANK", "0") != "0":  # a helper of DDP, started by Fabric
        end_without(os.getppid())
        make(job, folder)
        return 0
    end_without(parent)
    try:
        with locked(folder, wait_s=_WAIT_S):
            write_json(folder / RECORD, make(job, folder))
    except ScunextEdgeError as error:
        sys.stderr.write(f"{error}\n")
        told = {"kind": type(error).__name__, "message": str(error), "hint": error.hint}
        write_json(folder / FAILURE, told)
        return error.exit_code
    return 0


def make(job: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """Train, score, account; None in a helper process of DDP."""
    import torch

    from scunext_edge.artifacts import load
    from scunext_edge.data.datasets import open_dataset
    from scunext_edge.evaluation.worker import work as scored
    from scunext_edge.training.start import speaks

    if job["code"] != code_digest(job["model"]):
        raise ConfigError(
            "the code changed since the experiment was started",
            hint="start it again, and leave the code alone meanwhile",
        )
    check(job["scores"])
    torch.set_num_threads(job["threads"])
    whole = open_dataset(Path(job["folder"]))
    parts = {name: whole.subset(job["images"][name]) for name in ("train", "val")}
    hashes = {name: part.hash for name, part in parts.items()}
    if changed := [name for name, value in hashes.items() if job["hashes"][name] != value]:
        raise DataError(
            f"the {changed[0]} images of {whole.name} are not those that were planned with",
            hint="give every machine the same data, and start the experiment anew",
        )
    run = folder / RUN
    before = trained_before(job, folder)
    if before is None:
        _train(job, run, parts)
    if not speaks():
        return None
    masks = folder / MASKS if "hd95" in job["scores"] else None
    answer = scored(
        {
            "artifact": str(run / "best"),
            "backend": "torch",
            "device": job["accelerator"],
            "threads": job["threads"],
            "source": {"folder": job["folder"], "part": "all", "count": 0, "seed": 0},
            "ids": job["images"]["test"],
            "masks": str(masks) if masks else None,
        }
    )
    if answer["dataset"]["hash"] != job["hashes"]["test"]:
        raise DataError(f"the test images of {whole.name} changed since the trial was planned")
    record = _record(job, run, load(run / "best").card.details["training"], answer["scores"])
    for score in job["scores"]:
        if score == "threshold":
            _add_threshold(record, scored_at_threshold(job, str(run / "best")))
        elif masks is not None:
            _add_hd95(record, outlines(Path(job["folder"]), job["images"]["test"], masks))
            shutil.rmtree(masks)
        record[f"{score}_code"] = code_of(score)
    if job["scores"]:
        record["scores"] = list(job["scores"])
    return {**record, **(before or {})}


def trained_before(job: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """Who trained a network that is only to be scored again; None: it is to be trained.

    There is a record of this trial, and the weights that it tells of.
    """
    from scunext_edge.artifacts import load

    try:
        held = read_json(folder / RECORD)
        load(folder / RUN / "best")
    except ArtifactError:
        return None
    if held.get("key") != job["key"]:
        return None
    return {name: held[name] for name in _TRAINED_BY if name in held}


def _train(job: Mapping[str, Any], run: Path, parts: Mapping[str, FolderDataset]) -> None:
    """To the last epoch; a run that was cut short goes on, if it had the same teachers."""
    from scunext_edge.training import state
    from scunext_edge.training.batches import pack
    from scunext_edge.training.recipe import from_mapping
    from scunext_edge.training.train import Job, train

    recipe = from_mapping(job["recipe"])
    teachers = [Path(folder) for folder in job["teachers"]]
    if run.exists() and not taught_alike(run, teachers):
        shutil.rmtree(run)
    train(
        Job(
            model=job["model"],
            recipe=recipe,
            train=pack(parts["train"], recipe.size),
            val=pack(parts["val"], recipe.size),
            out=run,
            options=job["options"],
            teachers=teachers,
            data={
                "name": parts["train"].name,
                **{f"{name}_hash": part.hash for name, part in parts.items()},
            },
            accelerator=job["accelerator"],
            devices=job["devices"],
        ),
        resume=(run / state.FILE).exists(),
    )


def taught_alike(run: Path, teachers: Sequence[Path]) -> bool:
    """Whether a run that was cut short had these teachers, with these weights.

    One that had others cannot go on: a teacher that was trained anew makes another trial of it.
    """
    from scunext_edge.artifacts import load

    if not teachers:
        return True
    try:
        begun = load(run / "last").card.details["training"]
    except ArtifactError:
        return True  # nothing was begun, or it is damaged: the run itself says so
    told = [each["id"] for each in (begun.get("start") or {}).get("teachers", ())]
    return told == [load(each).id for each in teachers]


def _add_hd95(record: dict[str, Any], found: Mapping[str, Outline]) -> None:
    """Means, how many images had one empty mask, and two more values of every image."""
    every = found.values()
    record["hd95"] = round(sum(each.hd95 for each in every) / len(every), 4)
    record["hd95_share"] = round(sum(each.share for each in every) / len(every), 6)
    record["hd95_empty"] = sum(each.empty for each in every)
    for id, values in record["images"].items():
        values += [round(found[id].hd95, 3), round(found[id].share, 5)]


def _add_threshold(record: dict[str, Any], found: AtThreshold) -> None:
    """The threshold, mean scores at it, and two more values of every image."""
    record["threshold"] = found.threshold
    record["dice_at_threshold"] = round(found.dice, 6)
    record["iou_at_threshold"] = round(found.iou, 6)
    for id, values in record["images"].items():
        values += [round(value, 5) for value in found.scores[id]]


def _record(
    job: Mapping[str, Any],
    run: Path,
    training: Mapping[str, Any],
    scores: list[dict[str, Any]],
) -> dict[str, Any]:
    """What a results file keeps of a trial. Scores of an image are rounded to five digits."""
    from scunext_edge.benchmarks.passport import machine
    from scunext_edge.benchmarks.passport.packages import versions
    from scunext_edge.experiments.pace import curve_of
    from scunext_edge.provenance import tool
    from scunext_edge.training.log import read_log

    epochs = int(job["recipe"]["epochs"])
    log = read_log(run / "log.csv", until=epochs)
    seconds = sum(epoch.seconds for epoch in log)
    batch = int(job["recipe"]["batch"]) * int(job["devices"])
    trained = len(job["images"]["train"]) // batch * batch * epochs
    found, real, common = (
        sum(score[f"{name}_area"] for score in scores) for name in ("predicted", "truth", "common")
    )
    told = machine()
    return {
        **{name: job[name] for name in ("key", "name", "arm", "cut", "model", "options")},
        **{name: job[name] for name in ("recipe", "devices", "hashes")},
        "code": job.get("begun_code", job["code"]),
        **{name: job[name] for name in ("teacher_codes",) if name in job},
        "counts": {part: len(ids) for part, ids in job["images"].items()},
        "tool": tool(),
        "machine": {
            "cpu": told["cpu_model"],
            "gpu": told["gpu_name"],
            "accelerator": job["accelerator"],
        },
        "threads": job["threads"],
        "versions": {k: v for k, v in versions().items() if k in ("torch", "numpy", "pillow")},
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "images_per_s": round(trained / seconds, 2) if seconds else None,
        "epoch": training["epoch"],
        "val_dice": round(training["val_dice"], 5),
        "curve": curve_of(run, epochs=epochs),
        **_cost(job),
        "dice": round(sum(score["dice"] for score in scores) / len(scores), 6),
        "iou": round(sum(score["iou"] for score in scores) / len(scores), 6),
        "dice_pooled": round(2 * common / (found + real), 6) if found + real else 1.0,
        "iou_pooled": round(common / (found + real - common), 6) if found + real else 1.0,
        "images": {
            score["id"]: [round(score["dice"], 5), round(score["iou"], 5)] for score in scores
        },
    }


def _cost(job: Mapping[str, Any]) -> dict[str, int]:
    """Parameters, and MACs of one image at the size it was trained at."""
    import torch

    from scunext_edge.models import registry
    from scunext_edge.models.breakdown import elements
    from scunext_edge.models.counters import count_by_torch

    size = job["recipe"]["size"]
    network = registry.build(job["model"], **job["options"]).eval().to("meta")
    count, _ = count_by_torch(network, torch.zeros(1, 3, size, size, device="meta"))
    return {"params": elements(network.parameters()), "macs": count.macs}


def end_without(parent: int) -> None:
    """End this process when the one that started it is gone: nobody would take its record."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
