from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scunext_edge.errors import ArtifactError
from scunext_edge.report.pictures import strips
from scunext_edge.report.records import read_run
from scunext_edge.results import Row


def test_a_strip_holds_image_truth_fp32_int8_and_difference(whole_run: Path) -> None:
    first, second = strips(read_run(whole_run))
    assert (first.id, first.model, second.model) == ("lesion_0005", "scunext", "unext")
    assert [panel.title for panel in first.panels] == [
        "image",
        "truth",
        "torch FP32",
        "onnxruntime INT8 qdq",
        "difference",
    ]
    assert first.panels[2].detail == "Dice 0.840"
    assert first.panels[3].detail == "Dice 0.820"


def test_the_difference_counts_pixels_at_the_image_s_own_size(whole_run: Path) -> None:
    run = read_run(whole_run)
    strip = strips(run)[0]
    masks = run.pictures[0].masks
    fp32, int8 = (np.asarray(Image.open(masks[row.key])) > 0 for row in (run.rows[0], run.rows[1]))
    changed = int((fp32 ^ int8).sum())
    assert strip.panels[-1].detail is not None
    assert strip.panels[-1].detail.startswith(f"{changed} pixels, ")


def test_what_only_int8_marked_is_orange(whole_run: Path) -> None:
    uri = strips(read_run(whole_run))[0].panels[-1].uri
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))), np.int16)
    red, green, blue = pixels[31, 70:74].mean(axis=0)  # where the INT8 mask reaches further
    assert red > 150
    assert blue < 90
    assert blue < green < red


def test_masks_of_different_sizes_are_refused(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    run_dir = make_run(tmp_path, all_rows)
    Image.new("L", (32, 32)).save(run_dir / "pictures" / all_rows[1].key / "lesion_0005.png")
    with pytest.raises(ArtifactError, match="differ in size"):
        strips(read_run(run_dir))


def test_without_an_int8_mask_the_single_row_is_shown(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    run_dir = make_run(tmp_path, all_rows[:1])
    (strip,) = strips(read_run(run_dir))
    assert [panel.title for panel in strip.panels] == ["image", "truth", "torch FP32"]


def test_an_image_without_masks_is_shown_with_its_truth(
    make_run: Callable[..., Path], all_rows: list[Row], tmp_path: Path
) -> None:
    run_dir = make_run(tmp_path, all_rows[:1])
    index = run_dir / "pictures" / "index.json"
    (entry,) = json.loads(index.read_text())
    index.write_text(json.dumps([{**entry, "masks": {}}]))
    (strip,) = strips(read_run(run_dir))
    assert strip.model is None
    assert [panel.title for panel in strip.panels] == ["image", "truth"]
