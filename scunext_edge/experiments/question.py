"""What an experiment asks: which networks (or which switches of one), on which splits."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scunext_edge.errors import ConfigError
from scunext_edge.experiments.protocol import built, read_toml, shipped_toml

QUESTIONS = ("table1", "ablation")
NOTHING = "none"  # the arm with every factor off


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Random splits, one for each seed; or folds, drawn with each seed."""

    kind: Literal["random", "folds"]
    seeds: Sequence[int]
    test: float | None = None  # random: share of the images
    folds: int | None = None
    val: float = 0.05  # share of all images, for the choice of the epoch alone

    def __post_init__(self) -> None:
        needed = {"random": self.test, "folds": self.folds}
        if self.kind not in needed or needed[self.kind] is None or not self.seeds:
            raise ConfigError(
                f"splits of kind {self.kind!r} are not complete",
                hint="kind = 'random' with seeds and test, or kind = 'folds' with seeds and folds",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One row of the table: a network with its options and changes of the recipe."""

    name: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    on: tuple[str, ...] = ()  # the factors that are on


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """``factors`` is empty where networks are compared, else the names of what is switched."""

    name: str
    title: str
    splits: Splits
    arms: tuple[Arm, ...]
    factors: tuple[str, ...] = ()
    paper: str | None = None  # which table of the paper stands beside ours

    def chosen(self, models: Sequence[str]) -> Question:
        """The same with these arms alone; empty: all."""
        names = [arm.name for arm in self.arms]
        for wanted in models:
            if wanted not in names:
                near = difflib.get_close_matches(wanted, names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(names)}"
                raise ConfigError(f"{self.name} has no row {wanted!r}", hint=hint)
        arms = tuple(arm for arm in self.arms if not models or arm.name in models)
        return Question(
            name=self.name,
            title=self.title,
            splits=self.splits,
            arms=arms,
            factors=self.factors,
            paper=self.paper,
        )


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
    known = {"title", "paper", "splits", "arm", "model", "factor"}
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
    return Question(
        name=name,
        title=str(settings.get("title", name)),
        splits=built(Splits, settings.get("splits", {}), what="splits"),
        arms=arms,
        factors=tuple(str(factor["name"]) for factor in factors),
        paper=settings.get("paper"),
    )


def _listed(arms: Sequence[Mapping[str, Any]]) -> Iterator[Arm]:
    for arm in arms:
        yield built(Arm, {"name": arm.get("model"), **arm}, what="an arm")


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
