"""How an experiment is carried out: size, recipe, how many images. TOML, three of them shipped."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from scunext_edge.errors import ConfigError
from scunext_edge.training import recipe as recipes
from scunext_edge.training.recipe import Recipe, read_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROTOCOLS = ("paper", "fast", "reduced")

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What all trials of an experiment have in common."""

    name: str
    label: str  # for headings, in words
    preset: str
    size: int
    recipe: Mapping[str, Any] = field(default_factory=dict)  # instead of the preset's
    subset: int | None = None  # of so many images, drawn once; null: all
    subset_seed: int = 0
    reduced: bool = False  # its numbers may not stand beside those of a full one

    def settings(
        self, *, seed: int, changes: Mapping[str, Any], preset: str | None = None
    ) -> Recipe:
        """The recipe of one trial; of a preset of its own, nothing but size and seed is changed."""
        base = recipes.preset(preset or self.preset)
        own = {} if preset else self.recipe
        wanted = {**asdict(base), **own, **changes, "size": self.size, "seed": seed}
        return recipes.from_mapping(wanted)


def open_protocol(name: str) -> Protocol:
    """A protocol that ships, or the TOML file of one."""
    if name in PROTOCOLS:
        return protocol_of(shipped_toml(f"protocols/{name}.toml"), name=name)
    path = Path(name)
    if path.suffix != ".toml":
        near = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"use {', '.join(PROTOCOLS)} or a .toml file"
        raise ConfigError(f"there is no protocol {name!r}", hint=hint)
    return protocol_of(read_toml(path), name=path.stem)


def protocol_of(settings: Mapping[str, Any], *, name: str) -> Protocol:
    """A protocol from TOML; its recipe is tried once, so that a wrong one is found at once."""
    found = built(Protocol, {"name": name, **settings}, what="a protocol")
    found.settings(seed=0, changes={})
    return replace(found, recipe=dict(found.recipe))


def shipped_toml(name: str) -> dict[str, Any]:
    """The content of a TOML file of this package."""
    text = files("scunext_edge.experiments").joinpath(name).read_text("utf-8")
    return dict(tomllib.loads(text))


def built(kind: type[Made], settings: Mapping[str, Any], *, what: str) -> Made:
    """``kind(**settings)``; an unknown or a missing key is an error in words."""
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    for key in settings:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
            raise ConfigError(f"{what} has no setting {key!r}", hint=hint)
    try:
        return kind(**settings)
    except TypeError as error:
        raise ConfigError(f"{what} is not complete: {error}") from error
