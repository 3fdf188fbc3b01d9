"""Which images: a part of a folder or drawn ones, as plain data that a job can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scunext_edge.data.datasets import Dataset, open_dataset
from scunext_edge.data.splits import find_split, part
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """``folder`` and the name of its part; or, without a folder, ``count`` drawn lesions."""

    folder: str | None = None
    part: str = "all"
    count: int = 0
    seed: int = 0

    @property
    def name(self) -> str:
        """A short name for reports."""
        return Path(self.folder).resolve().name if self.folder else "synthetic"

    def open(self) -> Dataset:
        """The images themselves."""
        if self.folder is None:
            return SyntheticLesions(self.count, seed=self.seed)
        path = Path(self.folder)
        whole = open_dataset(path)
        return whole if self.part == "all" else part(whole, find_split(path), self.part)

    def to_json(self) -> dict[str, Any]:
        """For a job."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Source:
        """From a job."""
        return cls(**data)


def test_images(folder: Path | None, *, part_name: str, drawn: int) -> Source:
    """What to score on: a part of a folder, or ``drawn`` synthetic lesions where none is given."""
    if folder is None:
        return Source(count=drawn, seed=1, part="test")
    return Source(folder=str(folder), part=part_name)


def calibration_images(folder: Path | None, *, drawn: int = 64) -> Source:
    """What to quantize on: the folder's calibration part, which is drawn from train only."""
    if folder is None:
        return Source(count=drawn, seed=2, part="calibration")
    if find_split(folder) is None:
        raise ConfigError(
            f"{folder} has no split, so there are no calibration images apart from the scored ones",
            hint=f"scunext-edge data split {folder}",
        )
    return Source(folder=str(folder), part="calibration")
