"""Drawn lesions, small enough that an epoch takes a moment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from scunext_edge.data.splits import Split, save_split
from scunext_edge.data.synthetic import SyntheticLesions, draw
from scunext_edge.training.batches import Packed, pack
from scunext_edge.training.recipe import preset
from scunext_edge.training.train import Job

SIZE = 64


@pytest.fixture(autouse=True)
def one_thread():
    """Training asks torch for its threads; give the other tests back what they had."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def lesions():
    """24 drawn lesions, packed at 64 x 64."""
    return pack(SyntheticLesions(24, seed=3, size=(64, 64)), SIZE)


def some(packed, start, stop):
    return Packed(
        ids=packed.ids[start:stop], images=packed.images[start:stop], masks=packed.masks[start:stop]
    )


@pytest.fixture
def recipe():
    return preset("fast", epochs=4, batch=4, size=SIZE)


@pytest.fixture
def job(lesions, recipe, tmp_path):
    """A maker of jobs on 16 lesions, with 8 others to validate on: job("name", edge=0.0)."""

    def make(name="run", model="unext", options=None, **changes):
        return Job(
            model=model,
            options=options or {},
            recipe=replace(recipe, **changes),
            train=some(lesions, 0, 16),
            val=some(lesions, 16, 24),
            out=tmp_path / name,
            data={"name": "synthetic", "train_hash": "t", "val_hash": "v"},
        )

    return make


@pytest.fixture
def folder(tmp_path):
    """A maker of data folders of drawn lesions: folder("d", train=6, val=2, test=2)."""

    def make(name="data", *, seed=0, split=True, copies=None, **parts):
        root = tmp_path / name
        for kind in ("images", "masks"):
            (root / kind).mkdir(parents=True)
        ids = {part: tuple(f"{part}{i}" for i in range(count)) for part, count in parts.items()}
        for index, id in enumerate(id for names in ids.values() for id in names):
            source = (copies or {}).get(id)
            number = index if source is None else sum(ids.values(), ()).index(source)
            image, mask = draw(seed, number, (64, 80))
            Image.fromarray(image).save(root / "images" / f"{id}.png")
            Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / f"{id}.png")
        if split:
            every = {part: ids.get(part, ()) for part in ("train", "val", "test", "calibration")}
            save_split(root / "split.json", Split(**every, source="by hand"))
        return root

    return make
