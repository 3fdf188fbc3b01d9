"""One question: may this mask be used? With the reasons, if not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scunext_edge.quality.flags import FLAGS
from scunext_edge.quality.limits import Limits
from scunext_edge.quality.signals import Logits, measure
from scunext_edge.spec import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A reason not to use a mask."""

    name: str
    value: float
    limit: float
    what: str  # for the user, with the remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What was found of one picture and its mask."""

    flags: tuple[Flag, ...]
    values: Mapping[str, float]  # every signal

    @property
    def usable(self) -> bool:
        """False: do not use this mask."""
        return not self.flags

    def to_json(self) -> dict[str, Any]:
        """For a record."""
        flags = [asdict(flag) for flag in self.flags]
        return {"usable": self.usable, "flags": flags, "values": dict(self.values)}


def warning_of(record: Mapping[str, Any]) -> str | None:
    """A line for people about a record of ``predict``; None where its mask may be used."""
    quality = record["quality"]
    if quality is None or quality["usable"]:
        return None
    reasons = "; ".join(flag["what"] for flag in quality["flags"])
    return f"{record['image']}: do not use this mask: {reasons}"


def assess(image: Image, logits: Logits, limits: Limits) -> Quality:
    """Judge a picture, uint8 [S, S, 3], and its logits, float32 [S, S], both at ``limits.size``.

    This is the picture that the network was given and what it answered, before it is resized.
    """
    side = (limits.size, limits.size)
    if image.shape != (*side, 3) or logits.shape != side:
        raise ValueError(f"limits are for {side}, not for {image.shape} and {logits.shape}")
    values = {**measure(image, logits), "distance": limits.domain.distance(image)}
    flags = tuple(
        Flag(
            name=rule.name,
            value=values[rule.signal],
            limit=limits.limits[rule.name],
            what=rule.what,
        )
        for rule in FLAGS
        if rule.raised(values[rule.signal], limits.limits[rule.name])
    )
    return Quality(flags=flags, values=values)
