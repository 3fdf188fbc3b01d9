"""An experiment from plan to results file: what is there already is kept, the rest is made."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from scunext_edge.errors import ArtifactError, ConfigError, EngineError, ScunextEdgeError
from scunext_edge.experiments import results
from scunext_edge.experiments.cluster import run_on_ray
from scunext_edge.experiments.further import check, fitted, is_outdated
from scunext_edge.experiments.launch import epochs_done
from scunext_edge.experiments.local import run_local
from scunext_edge.experiments.pace import curve_of
from scunext_edge.experiments.plan import Plan, Trial
from scunext_edge.experiments.sources import code_digest, is_same
from scunext_edge.experiments.worker import JOB, RECORD, RUN
from scunext_edge.progress import Advance
from scunext_edge.storage import read_json

OtherCode = Literal["ask", "keep", "redo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where and how trials are made. Nothing here changes what a trial comes to."""

    out: Path
    record: Path  # the results file
    workers: int = 1
    threads: int = 1  # of each trial
    accelerator: str = "cpu"
    address: str | None = None  # of a Ray cluster; "local": Ray here; null: without Ray
    cpus: float = 1.0  # that a trial asks Ray for
    gpus: float = 0.0
    other_code: OtherCode = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far an experiment is. ``begun``: epochs behind a trial that is not finished, by key."""

    wanted: tuple[Trial, ...]
    done: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # records by key
    begun: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> list[Trial]:
        """The trials that are still to be made."""
        return [trial for trial in self.wanted if trial.key not in self.done]

    def seconds(self, trial: Trial) -> float | None:
        """What a trial still takes on one worker, from finished ones of its kind; else null."""
        speeds = [
            record["images_per_s"] * _pixels(record["recipe"]) / record["recipe"]["epochs"]
            for record in self.done.values()
            if (record["model"], record["options"]) == (trial.arm.model, dict(trial.arm.options))
            and record["images_per_s"]
        ]
        if not speeds:
            return None
        left = _pixels(asdict(trial.recipe), begun=self.begun.get(trial.key, 0))
        return float(left * len(trial.cut.split.train) / median(speeds))


def _pixels(recipe: Mapping[str, Any], begun: int = 0) -> float:
    """In epochs at the whole size, what is to be looked at: one at half the size is a quarter."""
    halved = recipe.get("halved", 0.0) * (1 - recipe.get("restore", 0.0)) * recipe["epochs"]
    small = max(0.0, halved - begun)
    return float(small / 4 + min(recipe["epochs"] - begun, recipe["epochs"] - halved))


def look(plan: Plan, wanted: Sequence[Trial], settings: Settings) -> State:
    """What of an experiment is there: in the results file, and in folders of ``out``.

    Trials made by other code are a ``ConfigError`` until the user says what to do with them; a
    results file whose trials of these names had other settings is one in any case.
    """
    stored = results.finished(settings.record, plan.terms)
    _check_settings(plan, stored.values(), settings.record)
    done: dict[str, Mapping[str, Any]] = {}
    begun: dict[str, int] = {}
    foreign: list[str] = []
    for trial in wanted:
        folder = folder_of(settings.out, trial)
        record = stored.get(trial.key) or _kept(folder / RECORD, trial.key)
        if _is_foreign(trial, record, stored, settings.out):
            foreign.append(trial.name)
            if settings.other_code == "redo":
                continue
        if whole := record and _whole(record, trial, plan.question.scores, settings.out):
            own = {"name": trial.name, "arm": trial.arm.name, "cut": trial.cut.name}
            done[trial.key] = {**_with_curve(whole, folder, trial), **own}
        elif epochs := epochs_done(folder):
            begun[trial.key] = epochs
    if foreign and settings.other_code == "ask":
        raise ConfigError(
            f"{len(foreign)} trials, or those that teach them, were made by other code than this, "
            f"{foreign[0]} among them",
            hint="--other-code keep: take them as they are; --other-code redo: make them anew",
        )
    _require_teachers(wanted, done, begun, settings)
    return State(wanted=tuple(wanted), done=done, begun=begun)


def _require_teachers(
    wanted: Sequence[Trial],
    done: dict[str, Mapping[str, Any]],
    begun: dict[str, int],
    settings: Settings,
) -> None:
    """A trial that is to be made needs its teachers' weights, of which a record is none.

    A teacher that is wanted too and has no finished weights here is made: it leaves ``done``.
    """
    asked = {each.key for each in wanted}

    def anew(trial: Trial) -> bool:
        return settings.other_code == "redo" and _is_foreign(trial, None, {}, settings.out)

    for trial in reversed(wanted):  # teachers stand before those whom they teach
        needed = trial.teachers if anew(trial) else _needed(settings.out, trial)
        for teacher in needed if trial.key not in done else ():
            if _has_final_weights(settings.out, teacher) and (
                teacher.key in asked or not anew(teacher)
            ):
                continue
            if teacher.key not in asked:
                what = "is of other code" if anew(teacher) else "is not trained to its end"
                raise ConfigError(
                    f"{trial.name} learns from {teacher.name}, which {what} in {settings.out}",
                    hint=f"make it too: add {teacher.arm.name} to --models, or its name to --only",
                )
            done.pop(teacher.key, None)
            if epochs := epochs_done(folder_of(settings.out, teacher)):
                begun[teacher.key] = epochs


def _needed(out: Path, trial: Trial) -> Sequence[Trial]:
    """The teachers whose weights it takes to make a trial: none where it is only scored again."""
    folder = folder_of(out, trial)
    trained = _kept(folder / RECORD, trial.key) and _weights(out, trial).is_dir()
    return () if trained else trial.teachers


def _has_final_weights(out: Path, trial: Trial) -> bool:
    """Whether its best weights are there and final: from its first epoch on it has some."""
    folder = folder_of(out, trial)
    ended = epochs_done(folder) >= trial.recipe.epochs or _kept(folder / RECORD, trial.key)
    return bool(ended) and _weights(out, trial).is_dir()


def _weights(out: Path, trial: Trial) -> Path:
    return folder_of(out, trial) / RUN / "best"


def _check_settings(plan: Plan, stored: Iterable[Mapping[str, Any]], path: Path) -> None:
    """One row of a table is one recipe: its name does not say which, its keys do."""
    keys = {trial.name: trial.key for trial in plan.trials}
    strange = [it["name"] for it in stored if keys.get(it["name"], it["key"]) != it["key"]]
    if strange:
        raise ConfigError(
            f"{path} holds trials of these names with another recipe, options, devices or images, "
            f"{strange[0]} among them",
            hint="give the row another name, or another file with --record",
        )


def run(
    plan: Plan,
    wanted: Sequence[Trial],
    settings: Settings,
    *,
    advance: Advance = lambda what, done, of: None,
) -> None:
    """Make what is missing. Each record is in the results file as soon as its trial ends.

    Raises ``EngineError`` at the end if some trials could not be made, and ``StorageError`` at
    once if nothing can be written.
    """
    state = look(plan, wanted, settings)
    if state.missing:
        check(plan.question.scores)
    results.add(settings.record, plan.terms, list(state.done.values()))
    _clear(state.missing, settings)
    jobs = [
        (
            {**job_of(plan, trial, settings), **_begun_by(trial, settings.out)},
            folder_of(settings.out, trial).resolve(),
        )
        for trial in state.missing
    ]
    order = [_depth(trial) for trial in state.missing]
    count = len(state.done)

    def on_record(record: dict[str, Any]) -> None:
        nonlocal count
        results.add(settings.record, plan.terms, [record])
        count += 1
        advance("trials", count, len(wanted))

    epochs = sum(trial.recipe.epochs for trial in state.missing)

    def on_look() -> None:
        advance("epochs", sum(epochs_done(folder) for _, folder in jobs), epochs)

    advance("trials", count, len(wanted))
    failed: list[ScunextEdgeError] = []
    for depth in sorted(set(order)):
        ready = []
        for trial, (job, folder), at in zip(state.missing, jobs, order, strict=True):
            if at != depth:
                continue
            if all(_has_final_weights(settings.out, it) for it in _needed(settings.out, trial)):
                ready.append(({**job, **_taught_by(trial, settings.out)}, folder))
            else:
                failed.append(EngineError(f"{job['name']} has no teacher: it could not be made"))
        failed += _made(ready, settings, on_record, on_look)
    if failed:
        raise _summary(failed, len(jobs))


def _made(
    jobs: Sequence[tuple[dict[str, Any], Path]],
    settings: Settings,
    on_record: Callable[[dict[str, Any]], None],
    on_look: Callable[[], None],
) -> list[ScunextEdgeError]:
    """Make these trials, which do not wait for each other; returns what went wrong."""
    if settings.address is None or not jobs:
        return run_local(jobs, workers=settings.workers, on_record=on_record, on_look=on_look)
    return run_on_ray(
        jobs,
        settings.out.resolve(),
        address=settings.address,
        cpus=settings.cpus,
        gpus=settings.gpus,
        workers=settings.workers,
        on_record=on_record,
        on_look=on_look,
    )


def _depth(trial: Trial) -> int:
    """How many rounds of trials have to be made before this one."""
    return 1 + max(map(_depth, trial.teachers), default=-1)


def job_of(plan: Plan, trial: Trial, settings: Settings) -> dict[str, Any]:
    """All that a worker needs to know."""
    split = trial.cut.split
    return {
        "key": trial.key,
        "name": trial.name,
        "arm": trial.arm.name,
        "cut": trial.cut.name,
        "model": trial.arm.model,
        "options": dict(trial.arm.options),
        "recipe": asdict(trial.recipe),
        "scores": list(plan.question.scores),
        "devices": trial.devices,
        "accelerator": settings.accelerator,
        "threads": settings.threads,
        "folder": str(plan.folder),
        "images": {part: list(getattr(split, part)) for part in ("train", "val", "test")},
        "hashes": dict(trial.cut.hashes),
        "teachers": [str(_weights(settings.out, each).resolve()) for each in trial.teachers],
        "code": _code(trial),
    }


def folder_of(out: Path, trial: Trial) -> Path:
    """Where a trial's run lies."""
    return out / "trials" / trial.key


def _clear(trials: Sequence[Trial], settings: Settings) -> None:
    """Remove what other code left in the trials' folders, if the user said so."""
    if settings.other_code != "redo":
        return
    begun = [trial for trial in trials if (folder_of(settings.out, trial) / JOB).exists()]
    # All are looked at before the first goes: a student is told by its teacher's folder.
    for trial in [each for each in begun if _is_foreign(each, None, {}, settings.out)]:
        shutil.rmtree(folder_of(settings.out, trial))


def _is_foreign(
    trial: Trial,
    record: Mapping[str, Any] | None,
    stored: Mapping[str, Mapping[str, Any]],
    out: Path,
) -> bool:
    """Whether other code than this made a trial (or began it), or a teacher of its.

    A finished trial's record says by what code its teachers were made; else their folders do, or
    their records.
    """
    held = record or _kept(folder_of(out, trial) / JOB, trial.key) or {}
    codes = [(trial, held.get("begun_code", held.get("code")))]
    teachers = list(_all_teachers(trial))
    told = held.get("teacher_codes") or []
    codes += list(zip(teachers, told, strict=False))
    if not (record and told):
        codes += [(each, _teachers_code(each, stored, out)) for each in teachers]
    return any(code is not None and not is_same(code, _code(each)) for each, code in codes)


def _begun_by(trial: Trial, out: Path) -> dict[str, str]:
    """For the job of a trial that goes on: the other code that took its first epochs."""
    folder = folder_of(out, trial)
    held = _kept(folder / JOB, trial.key) if epochs_done(folder) else None
    code = held and held.get("begun_code", held.get("code"))
    return {"begun_code": code} if code and not is_same(code, _code(trial)) else {}


def _teachers_code(trial: Trial, stored: Mapping[str, Mapping[str, Any]], out: Path) -> str | None:
    folder = folder_of(out, trial)
    made = (_kept(folder / name, trial.key) for name in (JOB, RECORD))
    held = next((each for each in made if each), None) or stored.get(trial.key)
    return str(held["code"]) if held else None


def _taught_by(trial: Trial, out: Path) -> dict[str, list[str]]:
    """By what code the teachers were made, for the job of a trial that has some."""
    codes = [_teachers_code(each, {}, out) or _code(each) for each in _all_teachers(trial)]
    return {"teacher_codes": codes} if codes else {}


def _all_teachers(trial: Trial) -> Iterator[Trial]:
    """Its teachers, and theirs."""
    for teacher in trial.teachers:
        yield teacher
        yield from _all_teachers(teacher)


def _whole(
    record: Mapping[str, Any], trial: Trial, scores: Sequence[str], out: Path
) -> Mapping[str, Any] | None:
    """A record with the scores that are asked for; None if it has to be completed.

    A network whose weights are here is only scored again; for another measure of the same score
    none is trained again.
    """
    found = fitted(record, scores)
    if found and is_outdated(found, scores) and _has_final_weights(out, trial):
        return None
    return found


def _code(trial: Trial) -> str:
    return code_digest(trial.arm.model)


def _kept(path: Path, key: str) -> dict[str, Any] | None:
    """A job or record of this trial; a broken one is none."""
    try:
        found = read_json(path)
    except ArtifactError:
        return None
    return found if isinstance(found, dict) and found.get("key") == key else None


def _with_curve(record: Mapping[str, Any], folder: Path, trial: Trial) -> Mapping[str, Any]:
    """A record from before curves were kept, with that of its log where the log is still there."""
    if "curve" in record:
        return record
    try:
        return {**record, "curve": curve_of(folder / RUN, epochs=trial.recipe.epochs)}
    except ArtifactError:
        return record


def _summary(failed: Sequence[ScunextEdgeError], jobs: int) -> ScunextEdgeError:
    def told() -> Iterator[str]:
        for error in failed[:3]:
            yield str(error)
        if len(failed) > 3:
            yield f"and {len(failed) - 3} more"

    return EngineError(
        f"{len(failed)} of {jobs} trials could not be made: {'; '.join(told())}",
        hint=failed[0].hint or "start it again: what is finished is kept",
    )
