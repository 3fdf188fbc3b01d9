"""Energy as it is stored: microjoules of every rail, with and without work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scunext_edge.errors import ConfigError

_LEAST_S = 2.0  # a shorter window is mostly the rounding of a sensor
_LEAST_SAMPLES = 20
_LEAST_SHARE = 0.05  # of idle power: what is less cannot be told from its fluctuation


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Two windows: one of idling with everything loaded, then one of calls without a pause."""

    source: str
    rails_uj: Mapping[str, float]  # while it worked
    idle_rails_uj: Mapping[str, float]
    total_of: tuple[str, ...] | None  # the rails whose sum is the total; null: not known here
    seconds: float
    idle_seconds: float
    calls: int
    images: int  # in all calls
    samples: int | None  # of power while it worked; null where the source counts by itself

    @property
    def idle_mw(self) -> float | None:
        """Power before the work."""
        idle = _sum(self.idle_rails_uj, self.total_of)
        if idle is None or not self.idle_seconds:
            return None
        return idle / 1000 / self.idle_seconds

    @property
    def mj_per_image(self) -> float | None:
        """All that was taken while it worked."""
        total = _sum(self.rails_uj, self.total_of)
        return None if total is None else total / 1000 / self.images

    @property
    def mj_per_image_over_idle(self) -> float | None:
        """What the work added; it may be negative where it cannot be told from idling."""
        whole, idle = self.mj_per_image, self.idle_mw
        if whole is None or idle is None:
            return None
        return whole - idle * self.seconds / self.images


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Why there is no energy, and what to do about it."""

    reason: str
    hint: str | None = None


def from_json(data: Mapping[str, Any]) -> Energy | Unreadable:
    """Either of them from what ``dataclasses.asdict`` made of it."""
    if "reason" in data:
        return Unreadable(**data)
    total_of = data["total_of"]
    return Energy(**{**data, "total_of": None if total_of is None else tuple(total_of)})


def per_patient_mj(energy: Energy, *, interval_s: float, images: int = 1) -> float | None:
    """Millijoules of a whole cycle: a patient with ``images`` pictures every ``interval_s``.

    The device idles in between, and idling is most of it where patients are rare. Null where the
    total is not known. A patient faster than the work is a ConfigError.
    """
    needed = images * energy.seconds / energy.images
    if interval_s < needed:
        raise ConfigError(
            f"a patient every {interval_s:g} s is faster than {images} images, which take "
            f"{needed:.3g} s",
            hint="give a longer interval",
        )
    work, idle = energy.mj_per_image_over_idle, energy.idle_mw
    return None if work is None or idle is None else work * images + idle * interval_s


def doubts(energy: Energy) -> list[str]:
    """Reasons not to trust it, in words fit for a report."""
    found = []
    if min(energy.seconds, energy.idle_seconds) < _LEAST_S:
        found.append(
            f"energy over {min(energy.seconds, energy.idle_seconds):.1f} s; a sensor needs "
            f"{_LEAST_S:g} s"
        )
    if energy.samples is not None and energy.samples < _LEAST_SAMPLES:
        found.append(f"energy rests on {energy.samples} samples of power")
    if energy.total_of is None:
        found.append("which rails make up this board is not known: energy has no total")
    work, idle = energy.mj_per_image_over_idle, energy.idle_mw
    if work is not None and idle is not None:
        share = work * energy.images / (idle * energy.seconds) if idle else 1.0
        if share < _LEAST_SHARE:
            found.append(f"working added {share:.0%} to the power of idling: that is mostly noise")
    return found


def _sum(rails: Mapping[str, float], names: tuple[str, ...] | None) -> float | None:
    return None if names is None else sum(rails[name] for name in names)
