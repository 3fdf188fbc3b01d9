"""The few images that a report shows, and the masks that FP32 and INT8 drew on them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from scunext_edge.data.datasets import Dataset
from scunext_edge.data.source import Source
from scunext_edge.evaluation.evaluate import keep_masks
from scunext_edge.pipeline.entries import Entry
from scunext_edge.storage import new_directory, read_json, write_json

LARGEST_SIDE = 512  # pixels: enough for a strip, and a run stays small


def choose_pictures(
    entries: Sequence[Entry], source: Source, dataset: Dataset, folder: Path
) -> None:
    """Store images, truth and masks for the report, with ``index.json``.

    Per network: the image that INT8 harms most, the one that FP32 finds hardest, and the one in
    the middle. Nothing is done again while the choice and the artifacts are the same.
    """
    pairs = [pair for pair in map(_pair, _by_model(entries).values()) if pair is not None]
    wanted = _wanted(pairs)
    made_from = [
        [entry.row.key, entry.artifact.id] for pair in pairs for entry in pair if entry.artifact
    ]
    plan = {"made_from": made_from, "dataset": dataset.hash, "images": wanted}
    if not wanted:
        shutil.rmtree(folder, ignore_errors=True)
        return
    if _is_done(folder, plan):
        return
    with new_directory(folder) as temporary:
        for name in wanted:
            _store_sample(dataset, name, temporary)
        for pair in pairs:
            for entry in pair:
                _store_masks(entry, source, list(wanted), temporary)
        write_json(temporary / "plan.json", plan)
        write_json(temporary / "index.json", [_indexed(n, why, pairs) for n, why in wanted.items()])


def _by_model(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    models: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.evaluation is not None:
            models.setdefault(entry.row.model, []).append(entry)
    return models


def _pair(entries: list[Entry]) -> tuple[Entry, Entry] | None:
    """The reference, and the INT8 row that loses most on a single image."""
    reference = next((entry for entry in entries if entry.is_reference), None)
    quantized = [entry for entry in entries if entry.row.precision == "int8" and entry.verdict]
    if reference is None or not quantized:
        return None
    return reference, max(quantized, key=lambda entry: _worst(entry)[1])


def _worst(entry: Entry) -> tuple[str, float]:
    assert entry.verdict is not None
    drop = entry.verdict.drops["dice"]
    return drop.worst_image, drop.worst


def _wanted(pairs: Sequence[tuple[Entry, Entry]]) -> dict[str, str]:
    """Image id -> why it was chosen; the first reason counts."""
    wanted: dict[str, str] = {}
    for reference, quantized in pairs:
        assert reference.evaluation is not None
        model, scores = reference.row.model, reference.evaluation.scores
        ranked = sorted(scores, key=lambda name: scores[name].dice)
        wanted.setdefault(_worst(quantized)[0], f"{model}: INT8 loses most Dice here")
        wanted.setdefault(ranked[0], f"{model}: lowest Dice of FP32")
        wanted.setdefault(ranked[len(ranked) // 2], f"{model}: the middle one by Dice of FP32")
    return wanted


def _is_done(folder: Path, plan: Mapping[str, Any]) -> bool:
    path = folder / "plan.json"
    return path.is_file() and read_json(path) == plan


def _store_sample(dataset: Dataset, name: str, folder: Path) -> None:
    sample = dataset[dataset.ids.index(name)]
    image = _small(PillowImage.fromarray(sample.image_hwc), PillowImage.Resampling.BILINEAR)
    image.save(folder / f"{name}.image.jpg", quality=90)
    truth = PillowImage.fromarray(sample.mask_hw.astype(np.uint8) * 255)
    _small(truth, PillowImage.Resampling.NEAREST).save(folder / f"{name}.truth.png")


def _store_masks(entry: Entry, source: Source, names: list[str], folder: Path) -> None:
    assert entry.artifact is not None
    target = folder / entry.row.key
    target.mkdir()
    with tempfile.TemporaryDirectory(prefix="scunext-edge-") as full:
        keep_masks(
            entry.artifact, entry.row.backend, source, names, Path(full), device=entry.row.device
        )
        for name in names:
            with PillowImage.open(Path(full, f"{name}.png")) as mask:
                _small(mask, PillowImage.Resampling.NEAREST).save(target / f"{name}.png")


def _small(image: PillowImage.Image, how: PillowImage.Resampling) -> PillowImage.Image:
    scale = LARGEST_SIDE / max(image.size)
    if scale >= 1:
        return image.copy()
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), how)


def _indexed(name: str, why: str, pairs: Sequence[tuple[Entry, Entry]]) -> dict[str, Any]:
    keys = [entry.row.key for pair in pairs for entry in pair]
    return {
        "id": name,
        "why": why,
        "image": f"{name}.image.jpg",
        "truth": f"{name}.truth.png",
        "masks": {key: f"{key}/{name}.png" for key in keys},
    }
