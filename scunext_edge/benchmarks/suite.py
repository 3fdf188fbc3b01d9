"""How thoroughly to measure: a suite is a TOML file, ours or the user's."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from scunext_edge.benchmarks.measure import Plan, Scenario
from scunext_edge.errors import ConfigError
from scunext_edge.results import Region

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUITES = ("default", "full", "offline", "clinic", "burst", "soak")
_EXPECTED = {
    "scenario": "one of: " + ", ".join(get_args(Scenario)),
    "region": "one of: " + ", ".join(get_args(Region)),
    "rounds": "a whole number, 1 or more",
    "warmup": "a whole number, 0 or more",
    "values": "a whole number, 1 or more",
    "duration_s": "seconds, 0 or more",
    "budget_s": "seconds, more than 0",
    "interval_s": "seconds, more than 0",
    "burst": "a whole number, 1 or more",
    "timeout_s": "seconds, more than 0",
    "threads": "a whole number, 1 or more",
    "batch": "a whole number, 1 or more",
    "cpus": "a list of CPU numbers, e.g. [2, 3]",
    "seed": "a whole number, 0 or more",
    "memory": "true or false",
    "cold_starts": "a whole number, 0 or more",
    "energy_s": "seconds, 0 or more",
}
_LEAST = {
    "rounds": 1, "warmup": 0, "values": 1, "burst": 1, "threads": 1, "batch": 1, "seed": 0,
    "cold_starts": 0,
}  # fmt: skip
_OPTIONAL = ("budget_s", "interval_s")  # null: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Rounds of fresh processes, and what each of them does."""

    name: str
    scenario: Scenario = "single-stream"
    region: Region = "compute"
    rounds: int
    warmup: int
    values: int
    duration_s: float = 0.0  # per process, at least; beside ``values``
    budget_s: float | None = None  # per process, warm-up and values; null: no limit
    interval_s: float | None = None  # clinic, burst: from one arrival to the next
    burst: int = 8  # burst: images that arrive at once
    timeout_s: float = 600.0  # beyond what the plan takes at least; then its case has failed
    threads: int = 1
    batch: int = 1
    cpus: tuple[int, ...] = ()  # pin to these; empty: wherever the scheduler puts it
    seed: int = 0  # of the order within rounds, and of the picture that is fed
    memory: bool = True  # one more process per case, for its peak
    energy_s: float = 0.0  # of work, and as many of idling, where a sensor can be read; 0: none
    cold_starts: int = 0  # more processes per case, each from its start to its first mask

    def __post_init__(self) -> None:
        for name in _EXPECTED:
            _check(self.name, name, getattr(self, name))
        if self.region == "end_to_end" and self.batch != 1:
            raise ConfigError(
                f"suite {self.name}: end_to_end takes one image at a time, not {self.batch}",
                hint="set batch = 1, or another region",
            )
        if self.scenario == "clinic" and self.batch != 1:
            raise ConfigError(
                f"suite {self.name}: in a clinic one patient comes at a time, not {self.batch}",
                hint="set batch = 1, or choose another scenario",
            )
        _ = self.plan  # raises where warm-up and budget contradict each other

    @property
    def plan(self) -> Plan:
        """What each process does."""
        return Plan(
            region=self.region,
            scenario=self.scenario,
            warmup=self.warmup,
            values=self.values,
            duration_s=self.duration_s,
            budget_s=self.budget_s,
            interval_s=self.interval_s,
            burst=self.burst if self.scenario == "burst" else None,
        )


def load_suite(name: str) -> Suite:
    """One of :data:`SUITES`, or the path of a TOML file with the keys of :class:`Suite`."""
    if name in SUITES:
        package = resources.files("scunext_edge.benchmarks")
        return _parse(name, (package / "suites" / f"{name}.toml").read_bytes())
    path = Path(name)
    if path.suffix != ".toml":
        near = difflib.get_close_matches(name, SUITES, n=1)
        raise ConfigError(
            f"there is no suite called {name!r}",
            hint=(f"did you mean {near[0]!r}? " if near else "")
            + f"choose one of: {', '.join(SUITES)}, or give the path of a .toml file",
        )
    try:
        return _parse(path.stem, path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", hint="check it") from error


def _parse(name: str, content: bytes) -> Suite:
    try:
        settings: Mapping[str, Any] = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"suite {name} is no TOML: {error}", hint="see `docs/measuring.md`"
        ) from error
    for key in settings:
        if key not in _EXPECTED:
            raise _unknown_key(name, key)
    needed = {field.name for field in fields(Suite) if field.default is MISSING} - {"name"}
    if missing := sorted(needed - set(settings)):
        raise ConfigError(f"suite {name} says nothing about {', '.join(missing)}", hint="add it")
    cpus = settings.get("cpus", ())
    return Suite(name=name, **{**settings, "cpus": tuple(cpus) if isinstance(cpus, list) else cpus})


def _unknown_key(name: str, key: str) -> ConfigError:
    near = difflib.get_close_matches(key, _EXPECTED, n=1)
    return ConfigError(
        f"suite {name} has an unknown key {key!r}",
        hint=(f"did you mean {near[0]!r}? " if near else "") + f"keys are: {', '.join(_EXPECTED)}",
    )


def _check(name: str, key: str, value: Any) -> None:
    if not _fits(key, value):
        raise ConfigError(f"suite {name}: {key} = {value!r}", hint=f"{key} is {_EXPECTED[key]}")


def _fits(key: str, value: Any) -> bool:
    if key in {"region", "scenario"}:
        return value in get_args(Region if key == "region" else Scenario)
    if key == "memory":
        return isinstance(value, bool)
    if key == "cpus":
        return isinstance(value, tuple) and all(_whole(cpu, 0) for cpu in value)
    if key in _OPTIONAL and value is None:
        return True
    if key in _LEAST:
        return _whole(value, _LEAST[key])
    least = 0 if key in {"duration_s", "energy_s"} else 1e-9
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < 1e9


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
