from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scunext_edge import data
from scunext_edge.data.synthetic import SyntheticLesions
from scunext_edge.errors import DataError

SMALL = (96, 128)


def digest(dataset, index):
    sample = dataset[index]
    content = sample.image_hwc.tobytes() + sample.mask_hw.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


@pytest.fixture(scope="module")
def samples():
    return list(SyntheticLesions(60, seed=1, size=SMALL))


def test_a_sample_has_the_asked_size_and_types():
    sample = SyntheticLesions(1, size=(100, 140))[0]
    assert (sample.image_hwc.shape, sample.image_hwc.dtype) == ((100, 140, 3), np.uint8)
    assert (sample.mask_hw.shape, sample.mask_hw.dtype) == ((100, 140), np.bool_)
    assert SyntheticLesions(1)[0].mask_hw.shape == (384, 512)


def test_pictures_are_the_same_on_every_machine():
    """A change here changes every stored result: raise GENERATOR with it."""
    dataset = SyntheticLesions(8, seed=5, size=SMALL)
    assert [digest(dataset, index) for index in (0, 7)] == ["d8b8ba726b6c021e", "1cc9fd9c6ea38c34"]


def test_pictures_depend_on_seed_and_index_not_on_count_or_subset():
    few, many = SyntheticLesions(3, size=SMALL), SyntheticLesions(9, size=SMALL)
    part = many.subset([many.ids[2]])
    assert digest(few, 2) == digest(many, 2) == digest(part, 0)
    other = SyntheticLesions(3, seed=1, size=SMALL)
    assert len({digest(few, 0), digest(few, 1), digest(other, 0), digest(other, 1)}) == 4


def test_ids_are_sorted_and_iteration_ends(samples):
    dataset = SyntheticLesions(60, seed=1, size=SMALL)
    assert [sample.id for sample in samples] == list(dataset.ids) == sorted(dataset.ids)
    with pytest.raises(IndexError):
        dataset[60]


def test_every_picture_has_a_lesion_and_skin_around_it(samples):
    shares = [sample.mask_hw.mean() for sample in samples]
    assert min(shares) > 0.004
    assert max(shares) < 0.75
    assert 0.08 < np.mean(shares) < 0.3


def test_lesions_are_darker_than_the_skin_beside_them(samples):
    """Beside, not anywhere: the corners may be black."""
    for sample in samples:
        gray, mask = sample.image_hwc.mean(axis=2), sample.mask_hw
        near = np.zeros_like(mask)
        for axis in (0, 1):
            for shift in (-8, 8):
                near |= np.roll(mask, shift, axis)
        assert np.median(gray[mask]) < np.median(gray[near & ~mask]) - 4, sample.id


def test_skin_comes_in_many_tones(samples):
    tones = [np.median(sample.image_hwc[~sample.mask_hw], axis=0) for sample in samples]
    brightness = np.mean(tones, axis=1)
    assert brightness.min() < 110
    assert brightness.max() > 190


def test_the_hash_follows_parameters_and_ids_without_drawing(monkeypatch):
    monkeypatch.setattr("scunext_edge.data.synthetic.draw", None)
    one = SyntheticLesions(4, size=SMALL)
    hashes = {
        one.hash,
        one.subset(one.ids[:2]).hash,
        SyntheticLesions(4, seed=1, size=SMALL).hash,
        SyntheticLesions(4, size=(96, 96)).hash,
        SyntheticLesions(5, size=SMALL).hash,
    }
    assert len(hashes) == 5
    assert SyntheticLesions(4, size=SMALL).hash == one.hash
    assert SyntheticLesions(5, size=SMALL).subset(one.ids).hash == one.hash


def test_a_subset_of_what_is_not_there_is_an_error():
    with pytest.raises(DataError, match="no image called b"):
        SyntheticLesions(3, size=SMALL).subset(["b"])


@pytest.mark.parametrize(("count", "size"), [(0, SMALL), (1, (16, 64))])
def test_nothing_to_draw_is_refused(count, size):
    with pytest.raises(ValueError, match="at least 1 of 32 x 32"):
        SyntheticLesions(count, size=size)


def test_the_data_package_loads_no_torch_and_nothing_heavy():
    package = Path(data.__file__).parent
    modules = [path.stem for path in package.glob("*.py") if path.stem != "__init__"]
    imports = "; ".join(f"import scunext_edge.data.{module}" for module in modules)
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys; {imports}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"torch", "onnxruntime", "pooch", "requests", "rich", "scipy"} & set(loaded)
