"""From a question and a protocol to the list of trials, each known by what decides its numbers."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from scunext_edge.data.datasets import Dataset, open_dataset
from scunext_edge.data.duplicates import near_duplicates
from scunext_edge.data.splits import (
    Split,
    draw_subset,
    find_groups,
    find_split,
    leave_out,
    make_folds,
    make_split,
)
from scunext_edge.errors import ArtifactError, ConfigError, require
from scunext_edge.experiments.parts import cut_names
from scunext_edge.experiments.protocol import Protocol
from scunext_edge.experiments.question import Arm, Question, Splits
from scunext_edge.storage import read_json, write_json
from scunext_edge.training.recipe import Recipe

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One split of an experiment, with the seed that its trainings begin from."""

    name: str  # split1, fold3
    seed: int
    split: Split
    hashes: Mapping[str, str]  # of train, val and test: ids and bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training and its scores. ``key`` is a hash of all that decides them, but the code."""

    arm: Arm
    cut: Cut
    recipe: Recipe
    devices: int
    teachers: tuple[Trial, ...] = ()  # of the same cut; they are to be made first

    @property
    def name(self) -> str:
        """For people: unique within an experiment."""
        return f"{self.arm.name}/{self.cut.name}"

    @property
    def key(self) -> str:
        """16 hexadecimal digits; the same network on the same images is the same trial.

        A setting at its default does not count, so that one which is added later, and by default
        changes nothing, leaves the keys of stored trials as they are.
        """
        defaults = {each.name: each.default for each in fields(Recipe)}
        recipe = asdict(self.recipe).items()
        content = {
            "model": self.arm.model,
            "options": dict(self.arm.options),
            "recipe": {name: value for name, value in recipe if value != defaults[name]},
            "devices": self.devices,
            "images": dict(self.cut.hashes),
        }
        if self.teachers:
            content["teachers"] = [teacher.key for teacher in self.teachers]
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All trials of an experiment on one data set, in the order in which they are made."""

    question: Question
    protocol: Protocol
    folder: Path
    data: Mapping[str, Any]  # name, images, hash
    trials: tuple[Trial, ...]

    @property
    def terms(self) -> dict[str, Any]:
        """What every trial of one results file has in common."""
        splits = [_plain(each) for each in self.question.splits]
        protocol = asdict(self.protocol)
        return {
            "experiment": self.question.name,
            "title": self.question.title,
            "paper": self.question.paper,
            "factors": list(self.question.factors),
            "base": self.question.base,
            "arms": [asdict(arm) for arm in self.question.arms],
            "protocol": protocol,
            "splits": splits[0] if len(splits) == 1 else splits,
            "scores": list(self.question.scores),
            "data": dict(self.data),
        }

    def only(self, patterns: Sequence[str], models: Sequence[str]) -> tuple[Trial, ...]:
        """The trials of these rows whose name matches one of the patterns; empty: any."""
        names = {arm.name for arm in self.question.chosen(models).arms}
        found = tuple(
            trial
            for trial in self.trials
            if trial.arm.name in names
            and (not patterns or any(fnmatch.fnmatch(trial.name, each) for each in patterns))
        )
        if not found:
            some = ", ".join(trial.name for trial in self.trials[:3])
            raise ConfigError("no trial has such a name", hint=f"names look like {some}")
        return found


def make_plan(
    question: Question,
    protocol: Protocol,
    data: Path,
    *,
    store: Path,
    devices: int = 1,
    progress: Progress = lambda done, of: None,
) -> Plan:
    """Read the data set, draw its splits and list the trials.

    Near-duplicates stay on one side of every split; they are looked for once and kept in
    ``store``, a folder.
    """
    whole, own = _taking_part(data, question.splits)
    if protocol.subset is not None and protocol.subset < len(whole):
        whole = draw_subset(whole, protocol.subset, seed=protocol.subset_seed)
    pairs = _look_alikes(whole, store, progress)
    question = replace(
        question, splits=tuple(_found(each, whole, data) for each in question.splits)
    )
    cuts = [cut for each in question.splits for cut in _cuts(each, whole, data, pairs, own)]
    trials: list[Trial] = []
    for cut in cuts:
        made: dict[str, Trial] = {}
        for arm in question.arms:
            recipe = protocol.settings(seed=cut.seed, changes=arm.recipe, preset=arm.preset)
            made[arm.name] = Trial(
                arm=arm,
                cut=cut,
                recipe=_shared(recipe, devices),
                devices=devices,
                teachers=tuple(made[name] for name in arm.teacher),
            )
        trials += made.values()
    _check_trials(trials)
    return Plan(
        question=question,
        protocol=protocol,
        folder=data.resolve(),
        data={"name": whole.name, "images": len(whole), "hash": whole.hash},
        trials=tuple(trials),
    )


def _check_trials(trials: Sequence[Trial]) -> None:
    """What could not be trained, or be told from another row, is refused before all else."""
    by_key: dict[str, Trial] = {}
    for trial in trials:
        row = f"the row {trial.arm.name!r}"
        if bool(trial.teachers) != (trial.recipe.distil > 0):
            lacks = "distil is 0" if trial.teachers else "it has no teacher"
            raise ConfigError(
                f"{row} cannot be trained: distillation needs a teacher and a weight, and {lacks}",
                hint="give both, teacher = ... and recipe = { distil = 1.0 }, or neither",
            )
        other = by_key.setdefault(trial.key, trial)
        if other is not trial:
            raise ConfigError(
                f"{trial.name} and {other.name} are one and the same trial: network, options, "
                "recipe and images are equal",
                hint="leave one of the two rows out, or change what was to differ",
            )
    for trial in {trial.arm.name: trial for trial in trials}.values():
        if trial.recipe.sides or trial.recipe.restore:
            _check_heads(trial.arm, trial.recipe)


def _check_heads(arm: Arm, recipe: Recipe) -> None:
    """Build the network without its weights, and put to it what only training needs."""
    require("torch", "torch", needed_for="heads that serve training alone")
    import torch

    from scunext_edge.models import registry
    from scunext_edge.training.restoring import WithRestorer
    from scunext_edge.training.sides import WithHeads

    with torch.device("meta"):
        network = registry.build(arm.model, **arm.options)
        try:
            if recipe.sides:
                WithHeads(network)
            if recipe.restore:
                WithRestorer(network)
        except ConfigError as error:
            raise ConfigError(
                f"the row {arm.name!r} cannot be trained: {error}", hint=error.hint
            ) from error


def _shared(recipe: Recipe, devices: int) -> Recipe:
    """The recipe's batch is that of all devices together; a run wants that of each."""
    if recipe.batch % devices:
        raise ConfigError(
            f"a batch of {recipe.batch} cannot be shared by {devices} devices",
            hint="use a number of --devices that divides it",
        )
    return replace(recipe, batch=recipe.batch // devices)


def _look_alikes(whole: Dataset, store: Path, progress: Progress) -> list[tuple[str, str]]:
    kept = store / f"look-alikes-{whole.hash}.json"
    try:
        return [(str(one), str(other)) for one, other in read_json(kept)]
    except (ArtifactError, TypeError, ValueError):
        pairs = [(one, other) for one, other, _ in near_duplicates(whole, progress=progress)]
        write_json(kept, pairs)
        return pairs


def _taking_part(data: Path, every: Sequence[Splits]) -> tuple[Dataset, Split | None]:
    """The images that the splits are of, and the data set's own split where it matters."""
    whole, parts = open_dataset(data), every[0].parts
    if not parts and all(splits.kind != "fixed" for splits in every):
        return whole, None
    own = find_split(data)
    if own is None:
        raise ConfigError(
            f"{whole.name} has no split of its own, and the experiment goes by it",
            hint="make one: scunext-edge data split",
        )
    if not parts:
        return whole, own
    return whole.subset(sorted(id for part in parts for id in getattr(own, part))), own


def _fixed(
    splits: Splits, whole: Dataset, own: Split, pairs: Sequence[tuple[str, str]]
) -> list[Cut]:
    """The data set's own split for each seed, without images that look like those scored later.

    No training image looks like one of validation or test, none of validation like one of test.
    """
    here = {*whole.ids}

    def near(scored: set[str]) -> set[str]:
        return {one for pair in pairs for one, other in (pair, pair[::-1]) if other in scored}

    split = Split(
        train=tuple(id for id in own.train if id in here - near({*own.val, *own.test})),
        val=tuple(id for id in own.val if id in here - near({*own.test})),
        test=tuple(id for id in own.test if id in here),
        calibration=(),
        source=own.source,
    )
    return [_cut(whole, split, name=f"seed{seed}", seed=seed) for seed in splits.seeds]


def _plain(splits: Splits) -> dict[str, Any]:
    groups = None if splits.groups is None else list(splits.groups)
    return {**asdict(splits), "seeds": list(splits.seeds), "groups": groups}


def _found(splits: Splits, whole: Dataset, folder: Path) -> Splits:
    """With the groups that a column holds, where each is left out once."""
    if splits.kind != "leave-one-out":
        return splits
    groups = sorted(set(find_groups(whole, folder, str(splits.column)).values()))
    if len(groups) < 2 or sorted(splits.groups or groups) != groups:
        raise ConfigError(
            f"the column {splits.column!r} of {whole.name} holds {', '.join(groups)}",
            hint="one of two or more groups is left out at a time; groups need not be named",
        )
    return replace(splits, groups=groups)


def _cuts(
    splits: Splits,
    whole: Dataset,
    folder: Path,
    pairs: Sequence[tuple[str, str]],
    own: Split | None,
) -> list[Cut]:
    if splits.kind == "fixed":
        assert own is not None
        return _fixed(splits, whole, own, pairs)
    cuts = []
    groups = find_groups(whole, folder, splits.column) if splits.column else None
    for seed in splits.seeds:
        names = cut_names({**_plain(splits), "seeds": [seed]}, several=len(splits.seeds) > 1)
        if splits.kind == "random":
            split = make_split(
                whole,
                val=splits.val,
                test=splits.test or 0.0,
                calibration=0,
                seed=seed,
                keep_together=pairs,
            )
            cuts.append(_cut(whole, split, name=names[0], seed=seed))
            continue
        if splits.kind == "folds":
            drawn = make_folds(
                whole,
                folds=splits.folds or 0,
                val=splits.val,
                seed=seed,
                keep_together=pairs,
                groups=groups,
            )
        else:
            drawn = [
                leave_out(whole, groups or {}, left, val=splits.val, seed=seed, keep_together=pairs)
                for left in splits.groups or ()
            ]
        cuts += [
            _cut(whole, split, name=name, seed=100 * seed + number)
            for number, (name, split) in enumerate(zip(names, drawn, strict=True), start=1)
        ]
    return cuts


def _cut(whole: Dataset, split: Split, *, name: str, seed: int) -> Cut:
    parts = {part: whole.subset(getattr(split, part)) for part in ("train", "val", "test")}
    if empty := [part for part, images in parts.items() if not len(images)]:
        raise ConfigError(
            f"{whole.name} has too few images for {name}: none are left for {empty[0]}",
            hint="use more images, or larger shares",
        )
    hashes = {part: images.hash for part, images in parts.items()}
    return Cut(name=name, seed=seed, split=split, hashes=hashes)
