"""The settings of a training run, and the presets that ship."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from scunext_edge.errors import ConfigError
from scunext_edge.spec import STRIDE, check_size

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRESETS = ("paper", "fast")
_RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, math.inf),
    "batch": (1, math.inf),
    "lr": (0, 1),
    "lr_final": (0, 1),
    "warmup": (0, 1),
    "weight_decay": (0, 1),
    "edge": (0, math.inf),
    "deep": (0, math.inf),
    "average": (0, 1),
    "zoom": (0, 1),
    "colour": (0, 1),
    "affine": (0, 1),
    "scale": (1, 4),
    "boundary": (0, 1),
    "tone": (0, 1),
    "degrade": (0, 1),
    "balance": (0, 1),
    "missed": (0, 1),
    "focal": (0.1, 10),
    "distil": (0, math.inf),
    "restore": (0, 0.9),
    "halved": (0, 0.9),
    "seed": (0, math.inf),
}
_WHOLE = ("epochs", "batch", "size", "seed")
_WORDS = {"optimizer": ("adam", "adamw"), "precision": ("fp32", "bf16")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that decides the weights, beside the data and the machine's arithmetic."""

    epochs: int
    batch: int  # per device
    optimizer: Literal["adam", "adamw"]
    lr: float  # peak
    lr_final: float
    warmup: float  # share of all steps with a rising rate
    weight_decay: float
    edge: float  # final weight of the edge term; ramped from 0 over the first tenth
    average: float  # decay of the moving average of the weights; 0: none
    zoom: float  # share of images that are cropped at a random scale and aspect
    colour: float  # largest relative change of brightness, contrast and channel gains
    deep: float = 0.5  # weight of the finest side map, where a network has some (training/sides.py)
    # What is off unless it is asked for. A default never changes: it is no part of a trial's key.
    affine: float = 0.0  # share of images turned by any angle, scaled and shifted, not cropped
    scale: float = 1.4  # such an image is enlarged or made smaller at most so many times
    boundary: float = 0.0  # share of images replaced by a close-up of the lesion's edge
    tone: float = 0.0  # largest change of hue (radians), saturation and gamma
    degrade: float = 0.0  # share of images with noise, blur or low resolution
    balance: float = 0.0  # share of an epoch that is drawn evenly over the sizes of lesions
    sides: bool = False  # auxiliary heads on the decoder, in training alone (training/sides.py)
    missed: float = 0.5  # weight of missed pixels in the overlap term, of false ones 1 - missed
    focal: float = 1.0  # power of the overlap term
    distil: float = 0.0  # weight of the teacher's probabilities as a target; needs a teacher
    restore: float = 0.0  # share of all steps, the first, that restore hidden patches instead
    halved: float = 0.0  # share of the steps that segment, the first, at half the size
    size: int = 256
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "bf16"

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not least <= value <= most:
                raise ConfigError(f"{name} is a number from {least} to {most}, not {value!r}")
        for name in _WHOLE:
            if not isinstance(getattr(self, name), int):
                raise ConfigError(f"{name} is a whole number, not {getattr(self, name)!r}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                hint = f"use one of: {', '.join(words)}"
                raise ConfigError(f"there is no {name} {getattr(self, name)!r}", hint=hint)
        if not isinstance(self.sides, bool):
            raise ConfigError(f"sides is true or false, not {self.sides!r}")
        if self.sides and not self.deep:  # heads without a gradient; DDP's second step would stop
            raise ConfigError(
                "the recipe has auxiliary heads (sides) that count nothing (deep = 0)",
                hint="set deep above 0, as the default 0.5, or leave sides out",
            )
        check_size(self.size)
        if self.halved and self.size % (2 * STRIDE):
            raise ConfigError(
                f"half of {self.size} pixels is no multiple of {STRIDE}",
                hint=f"with halved, take a size that is a multiple of {2 * STRIDE}",
            )


def preset(name: str, **changes: Any) -> Recipe:
    """A preset that ships or the TOML file of one, with single settings changed.

    A file may name a ``preset`` that it changes, else it is complete. ``None`` leaves a setting as
    it is.
    """
    if name.endswith(".toml"):
        own = read_toml(Path(name))
        begun = _shipped(str(own.pop("preset"))) if "preset" in own else {}
        recipe = from_mapping({**begun, **own})
    else:
        recipe = from_mapping(_shipped(name))
    return replace(recipe, **{key: value for key, value in changes.items() if value is not None})


def _shipped(name: str) -> dict[str, Any]:
    if name not in PRESETS:
        known = f"{', '.join(PRESETS)}, or the .toml file of one"
        raise ConfigError(f"no preset {name!r}", hint=f"choose one of: {known}")
    text = files("scunext_edge.training").joinpath(f"presets/{name}.toml").read_text("utf-8")
    return dict(tomllib.loads(text))


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file of the user."""
    try:
        return dict(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error


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
