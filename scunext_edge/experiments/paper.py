"""What the SC-UNeXt paper prints in the tables that experiments make again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

from scunext_edge.experiments.protocol import shipped_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One row of the paper, in percent and in its own units; null: not printed."""

    dice: float
    iou: float | None = None
    parameters: str | None = None
    flops: str | None = None
    folds: Sequence[float] = ()

    @property
    def folds_mean(self) -> float | None:
        """The mean of the folds that are printed, which need not be the mean that is."""
        return mean(self.folds) if self.folds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """One table of the paper: its rows by the names of ours."""

    source: str
    note: str
    rows: Mapping[str, Printed] = field(default_factory=dict)


def paper_table(name: str | None) -> PaperTable | None:
    """``table1`` or ``ablation``; null for an experiment that the paper does not have."""
    content = shipped_toml("paper.toml")
    if name is None or name not in content:
        return None
    rows = {arm: Printed(**row) for arm, row in content[name]["rows"].items()}
    return PaperTable(source=content["source"], note=content[name]["note"], rows=rows)
