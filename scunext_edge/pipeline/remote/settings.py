"""How machines are reached; what is measured there is said by the benchmark's own settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scunext_edge.errors import ConfigError
from scunext_edge.pipeline.remote.hosts import Host

# Seconds before each new try to reach a device that was reached before; the last is the last.
WAITS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The machines, and how to treat them."""

    hosts: tuple[Host, ...]
    python: str | None = None  # null: the first there that is new enough and has numpy
    jobs: int = 4  # machines at a time
    keep: bool = False  # leave the work folders there
    config: Path | None = None  # for ssh, instead of the user's
    waits_s: tuple[float, ...] = WAITS_S

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ConfigError(f"{self.jobs} machines at a time", hint="--remote-jobs is 1 or more")
        if self.config is not None and not self.config.is_file():
            raise ConfigError(f"{self.config} is no file", hint="--ssh-config takes ssh's format")
