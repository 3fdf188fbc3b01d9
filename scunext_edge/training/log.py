"""The log of a run: one CSV line an epoch, and the learning curves drawn from it."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from scunext_edge.errors import ArtifactError
from scunext_edge.storage import new_file, write_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What one epoch came to. Dice and IoU are means over validation images, at network size."""

    epoch: int
    lr: float
    loss: float
    val_dice: float
    val_iou: float
    seconds: float


def read_log(path: Path, *, until: int) -> list[Epoch]:
    """The first ``until`` epochs of a log; one that does not hold them is an ``ArtifactError``."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))[:until]
        epochs = [_epoch(row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error!r}") from error
    if [epoch.epoch for epoch in epochs] != list(range(1, until + 1)):
        raise ArtifactError(
            f"{path} does not hold epochs 1 to {until}, which the run has behind it",
            hint="put the log of this run back, or start a new run in another folder",
        )
    return epochs


def _epoch(row: dict[str, str]) -> Epoch:
    values = {field.name: float(row[field.name]) for field in fields(Epoch)}
    return Epoch(**{**values, "epoch": int(row["epoch"])})  # type: ignore[arg-type]


def write_log(path: Path, epochs: list[Epoch]) -> None:
    """Write the whole log, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(epoch) for epoch in epochs)
    write_text(path, text.getvalue())


def draw_curves(path: Path, epochs: list[Epoch]) -> bool:
    """Draw loss and validation scores as SVG; False where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return False
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    numbers = [epoch.epoch for epoch in epochs]
    left.plot(numbers, [epoch.loss for epoch in epochs], color="#444444")
    left.set(xlabel="epoch", ylabel="training loss")
    right.plot(numbers, [epoch.val_dice for epoch in epochs], color="#0072b2", label="Dice")
    right.plot(numbers, [epoch.val_iou for epoch in epochs], color="#d55e00", label="IoU")
    right.set(xlabel="epoch", ylabel="validation, mean per image")
    right.legend(frameon=False)
    with new_file(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
    return True
