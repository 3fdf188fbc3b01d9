"""The settings of a training run, and the presets that ship."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from typing import Any, Literal

from scunext_edge.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRESETS = ("paper", "fast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the weights, beside the data and the machine's arithmetic."""

    epochs: int
    batch: int
    optimizer: Literal["adam", "adamw"]
    lr: float  # peak
    lr_final: float
    warmup: float  # share of all steps with a rising rate
    weight_decay: float
    edge: float  # final weight of the edge term; ramped from 0 over the first tenth
    average: float  # decay of the moving average of the weights; 0: none
    zoom: float  # share of images that are cropped at a random scale and aspect
    colour: float  # largest relative change of brightness, contrast and channel gains
    size: int = 256
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "bf16"

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise ConfigError(f"epochs and batch are at least 1: {self.epochs}, {self.batch}")
        if self.optimizer not in ("adam", "adamw"):
            raise ConfigError(f"no optimizer {self.optimizer!r}", hint="use adam or adamw")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of one step: linear warm-up, then half a cosine to ``lr_final``."""
        rising = int(self.warmup * steps)
        if step < rising:
            return self.lr * (step + 1) / rising
        progress = (step - rising) / max(1, steps - rising - 1)
        return self.lr_final + (self.lr - self.lr_final) * (1 + math.cos(math.pi * progress)) / 2

    def edge_weight(self, step: int, steps: int) -> float:
        """The weight of the edge term at one step."""
        return self.edge * min(1.0, step / max(1, steps // 10))


def preset(name: str, **changes: Any) -> Recipe:
    """A preset that ships, with single settings changed; ``None`` leaves a setting as it is."""
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}", hint=f"choose one of: {', '.join(PRESETS)}")
    text = files("scunext_edge.training").joinpath(f"presets/{name}.toml").read_text("utf-8")
    recipe = from_mapping(tomllib.loads(text))
    return replace(recipe, **{key: value for key, value in changes.items() if value is not None})


def from_mapping(settings: Mapping[str, Any]) -> Recipe:
    """A recipe from TOML; an unknown key is an error that suggests the nearest known one."""
    known = [field.name for field in fields(Recipe)]
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
            raise ConfigError(f"a recipe has no setting {key!r}", hint=hint)
    try:
        return Recipe(**settings)
    except TypeError as error:
        raise ConfigError(f"the recipe is not complete: {error}") from error
