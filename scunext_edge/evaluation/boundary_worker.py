"""The child's side of :mod:`scunext_edge.evaluation.boundary`: MONAI needs torch, we do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scunext_edge import isolate
from scunext_edge.data.images import read_mask
from scunext_edge.data.source import Source
from scunext_edge.spec import Mask


def work(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Compare the masks in each folder with the truth."""
    dataset = Source.from_json(job["source"]).open().subset(job["ids"])
    found: dict[str, dict[str, Any]] = {name: {} for name in job["folders"]}
    for index in range(len(dataset)):
        sample = dataset[index]
        for name, folder in job["folders"].items():
            predicted = read_mask(Path(folder, f"{sample.id}.png"))
            found[name][sample.id] = distances(predicted, sample.mask_hw, job["tolerance"])
    return found


def distances(predicted: Mask, truth: Mask, tolerance: float) -> dict[str, float | None]:
    """``hd95`` and ``nsd`` of two bool masks [H, W]; two empty ones agree perfectly."""
    if not predicted.any() or not truth.any():
        alike = predicted.any() == truth.any()
        return {"hd95": 0.0 if alike else None, "nsd": 1.0 if alike else 0.0}
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    pair = [torch.from_numpy(mask)[None, None] for mask in (predicted, truth)]
    hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95)
    nsd = compute_surface_dice(*pair, class_thresholds=[tolerance], include_background=True)
    return {"hd95": float(hd95), "nsd": float(nsd)}


if __name__ == "__main__":
    isolate.serve(work)
