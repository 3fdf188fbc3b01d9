"""What an experiment asks: which networks (or which switches of one), on which splits."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from scunext_edge.errors import ConfigError
from scunext_edge.experiments.further import FURTHER, in_order
from scunext_edge.experiments.protocol import built, shipped_toml
from scunext_edge.training.recipe import read_toml

QUESTIONS = ("table1", "ablation", "recipe", "recipe-grid", "fixed", "lungs", "presets")
PARTS = ("train", "val", "test")
NOTHING = "none"  # the arm with every factor off


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Random splits, folds, each group left out once, or the data set's own split; for each seed.

    ``column`` is one of ``manifest.csv``. Folds test a share of each of its groups;
    ``leave-one-out`` tests on each group in turn and trains on the others.
    The data set's own split is the same for each seed: trainings differ, images do not.
    """

    kind: Literal["random", "folds", "leave-one-out", "fixed"]
    seeds: Sequence[int]
    test: float | None = None  # random: share of the images
    folds: int | None = None
    val: float = 0.05  # to choose the epoch by: share of all images, or of those not left out
    parts: Sequence[str] = ()  # of the data set's own split; no other image takes part. Empty: all
    column: str | None = None
    groups: Sequence[str] | None = None  # leave-one-out: what the column holds; found by the plan

    def __post_init__(self) -> None:
        needed = {
            "random": self.test,
            "folds": self.folds,
            "leave-one-out": self.column,
            "fixed": True,
        }
        if self.kind not in needed or needed[self.kind] is None or not self.seeds:
            raise ConfigError(
                f"splits of kind {self.kind!r} are not complete",
                hint="kind = 'random' with seeds and test, kind = 'folds' with seeds and folds, "
                "kind = 'leave-one-out' with seeds and column, or kind = 'fixed' with seeds",
            )
        if self.kind in ("random", "fixed") and self.column is not None:
            raise ConfigError(
                f"splits of kind {self.kind!r} go by no column",
                hint="use kind = 'folds', or leave column out",
            )
        if wrong := [part for part in self.parts if part not in PARTS]:
            raise ConfigError(
                f"there is no part called {wrong[0]!r}", hint=f"use some of: {', '.join(PARTS)}"
            )
        if self.parts and self.kind == "fixed":
            raise ConfigError(
                "splits of kind 'fixed' take every part of the data set",
                hint="leave out parts, or draw splits of another kind",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One row of the table: a network with its options and changes of the recipe."""

    name: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None  # instead of the protocol's, and of the protocol's changes of it
    on: tuple[str, ...] = ()  # the factors that are on
    teacher: Sequence[str] = ()  # earlier rows: their networks of the same split teach this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """``factors`` is empty where networks are compared, else the names of what is switched.

    ``base`` is the row that each other is compared with, where not all pairs are.
    """

    name: str
    title: str
    splits: tuple[Splits, ...]  # of different kinds; no mean is over two of them
    arms: tuple[Arm, ...]
    factors: tuple[str, ...] = ()
    paper: str | None = None  # which table of the paper stands beside ours
    base: str | None = None
    scores: tuple[str, ...] = ()  # beside Dice and IoU

    def chosen(self, models: Sequence[str]) -> Question:
        """The same with these arms alone; empty: all."""
        names = [arm.name for arm in self.arms]
        for wanted in models:
            if wanted not in names:
                near = difflib.get_close_matches(wanted, names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(names)}"
                raise ConfigError(f"{self.name} has no row {wanted!r}", hint=hint)
        arms = tuple(arm for arm in self.arms if not models or arm.name in models)
        return replace(self, arms=arms)


def open_question(name: str) -> tuple[Question, str | Mapping[str, Any] | None]:
    """An experiment that ships, or the TOML file of one; with the protocol that it names."""
    if name in QUESTIONS:
        settings = shipped_toml(f"questions/{name}.toml")
    elif name.endswith(".toml"):
        settings = read_toml(Path(name))
        name = Path(name).stem
    else:
        near = difflib.get_close_matches(name, QUESTIONS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"use {', '.join(QUESTIONS)} or a .toml file"
        raise ConfigError(f"there is no experiment {name!r}", hint=hint)
    protocol = settings.pop("protocol", None)
    return question_of(settings, name=name), protocol


def question_of(settings: Mapping[str, Any], *, name: str) -> Question:
    """From TOML: ``[[arm]]`` lists networks; or ``model`` with ``[[factor]]`` is a full grid."""
    known = {"title", "paper", "scores", "splits", "arm", "model", "factor", "base"}
    if unknown := sorted(set(settings) - known):
        hint = f"known are: protocol, {', '.join(sorted(known))}"
        raise ConfigError(f"an experiment has no setting {unknown[0]!r}", hint=hint)
    if ("arm" in settings) == ("factor" in settings):
        raise ConfigError(
            f"the experiment {name} has to list either networks or factors",
            hint="[[arm]] for each network; or model = ... with a [[factor]] for each switch",
        )
    factors = settings.get("factor", [])
    arms = tuple(_grid(settings) if factors else _listed(settings["arm"]))
    names = [arm.name for arm in arms]
    if twice := [each for each in names if names.count(each) > 1]:
        raise ConfigError(f"two rows of {name} are called {twice[0]!r}", hint="give each a name")
    _check_rows(name, settings.get("base"), arms)
    return Question(
        name=name,
        title=str(settings.get("title", name)),
        splits=_splits(settings.get("splits", {}), name),
        arms=arms,
        factors=tuple(str(factor["name"]) for factor in factors),
        paper=settings.get("paper"),
        base=settings.get("base"),
        scores=_scores(settings.get("scores", [])),
    )


def _splits(
    settings: Mapping[str, Any] | Sequence[Mapping[str, Any]], name: str
) -> tuple[Splits, ...]:
    """``[splits]``, or several as ``[[splits]]``."""
    several = [settings] if isinstance(settings, Mapping) else settings
    made = tuple(built(Splits, each, what="splits") for each in several)
    kinds = [each.kind for each in made]
    if not made or len(set(kinds)) < len(kinds):
        raise ConfigError(
            f"the splits of {name} are of these kinds: {', '.join(kinds) or 'none'}",
            hint="an experiment has splits, each [[splits]] of another kind",
        )
    if len({tuple(each.parts) for each in made}) > 1:
        raise ConfigError(
            f"the splits of {name} take different parts", hint="give all [[splits]] the same parts"
        )
    return made


def _scores(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in FURTHER:
            raise ConfigError(f"there is no score {name!r}", hint=f"use {', '.join(FURTHER)}")
    return in_order(names)


def _check_rows(name: str, base: str | None, arms: Sequence[Arm]) -> None:
    """What rows say of each other has to be of rows that are there."""
    names = [arm.name for arm in arms]
    if base is not None and base not in names:
        raise ConfigError(f"the base of {name} is no row of it: {base!r}", hint=", ".join(names))
    for place, arm in enumerate(arms):
        if unknown := [each for each in arm.teacher if each not in names[:place]]:
            raise ConfigError(
                f"the teacher of the row {arm.name!r} is no row above it: {unknown[0]!r}",
                hint=f"above it are: {', '.join(names[:place]) or 'none'}",
            )


def _listed(arms: Sequence[Mapping[str, Any]]) -> Iterator[Arm]:
    for arm in arms:
        teacher = arm.get("teacher", ())
        teachers = (teacher,) if isinstance(teacher, str) else tuple(teacher)
        yield built(Arm, {"name": arm.get("model"), **arm, "teacher": teachers}, what="an arm")


def _grid(settings: Mapping[str, Any]) -> Iterator[Arm]:
    """Every combination, the one with nothing on first."""
    factors = [built(_Factor, factor, what="a factor") for factor in settings["factor"]]
    if "model" not in settings:
        raise ConfigError("an experiment with factors names no network", hint="add model = ...")
    for states in itertools.product((False, True), repeat=len(factors)):
        on = tuple(factor.name for factor, state in zip(factors, states, strict=True) if state)
        sides = [f.on if state else f.off for f, state in zip(factors, states, strict=True)]
        yield Arm(
            name="+".join(on) or NOTHING,
            model=settings["model"],
            options={k: v for side in sides for k, v in side.get("options", {}).items()},
            recipe={k: v for side in sides for k, v in side.get("recipe", {}).items()},
            on=on,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Factor:
    name: str
    off: Mapping[str, Any] = field(default_factory=dict)
    on: Mapping[str, Any] = field(default_factory=dict)
