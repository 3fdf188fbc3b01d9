"""libscunext from Python: options, errors, memory that is given back, batches."""

from __future__ import annotations

import gc
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from scunext_edge import __version__
from scunext_edge.errors import BackendMissing, BackendUnavailable
from scunext_edge.kernels import native
from scunext_edge.kernels.plan import read_plan

WEIGHTS = Path(native.__file__).parents[1] / "weights"
FILE = WEIGHTS / "unext" / "native-int8" / "model.scx"
SIZE = (64, 96)

pytestmark = pytest.mark.usefixtures("native_library")


@pytest.fixture
def images(random):
    return random.integers(0, 256, (32, *SIZE, 3), dtype=np.uint8)


@pytest.fixture
def model():
    opened = native.open_model(FILE, size=SIZE)
    yield opened
    opened.close()


def test_the_library_is_of_the_version_of_the_package():
    assert native.version() == __version__


def test_scalar_can_be_used_everywhere_and_comes_last():
    offered = native.instruction_sets()
    assert offered[-1] == "scalar"
    assert len(set(offered)) == len(offered)


# --- opening


def test_a_model_says_what_it_is_before_anything_runs():
    model = native.open_model(FILE, size=SIZE, threads=2)
    found, plan = model.description, read_plan(FILE.read_bytes())
    assert (found.height, found.width, found.precision, found.threads) == (*SIZE, "int8", 2)
    assert found.isa == native.instruction_sets()[0]
    assert found.file_bytes == FILE.stat().st_size
    assert json.loads(found.contract) == json.loads(plan.contract)
    assert len(model.operations()) == len(plan.ops)


def test_without_a_size_it_is_the_one_of_the_export():
    found = native.open_model(FILE).description
    assert (found.height, found.width) == (256, 256)


def test_all_memory_is_there_at_open_and_a_run_adds_none(model, images):
    before = model.description.arena_bytes
    assert 0 < before < 1 << 20
    model.run(images)
    assert native._describe(model._library, model._handle).arena_bytes == before
    assert native.open_model(FILE, size=(128, 192)).description.arena_bytes > before


def test_a_file_and_its_bytes_are_the_same_model(model, images):
    from_bytes = native.open_model(FILE.read_bytes(), size=SIZE)
    np.testing.assert_array_equal(from_bytes.run(images[:1]), model.run(images[:1]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threads": -1}, "-1 threads were asked for; 1 to 64"),
        ({"threads": 65}, "65 threads were asked for; 1 to 64"),
        ({"isa": "sse9"}, "sse9"),
        ({"size": (100, 64)}, "the height is 100, and must be a multiple of 32"),
        ({"size": (64, 8192)}, "the width is 8192, .* up to 4096; resize the image"),
        ({"size": (-32, 64)}, "the height is -32"),
        ({"spin_us": -2}, "spin_us is -2"),
        ({"spin_us": 10**7}, "spin_us is 10000000"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(options, said):
    with pytest.raises(native.ScxError, match=said):
        native.open_model(FILE, **options)


def test_an_instruction_set_that_is_refused_is_told_with_those_that_are_not():
    with pytest.raises(native.ScxError) as caught:
        native.open_model(FILE, isa="sse9")
    assert all(isa in str(caught.value) for isa in native.instruction_sets())


def test_a_path_where_nothing_is_and_a_file_that_is_no_plan_are_refused(tmp_path):
    with pytest.raises(native.ScxError, match=r"nowhere\.scx cannot be opened"):
        native.open_model(tmp_path / "nowhere.scx")
    (tmp_path / "text.scx").write_text("no plan" * 50)
    with pytest.raises(native.ScxError, match=r"no \.scx file"):
        native.open_model(tmp_path / "text.scx")
    with pytest.raises(native.ScxError, match=r"no \.scx file"):
        native.open_model(b"")


def test_one_bit_that_is_wrong_is_a_checksum_that_does_not_fit():
    content = bytearray(FILE.read_bytes())
    content[len(content) // 2] ^= 1
    with pytest.raises(native.ScxError, match="checksum does not fit"):
        native.open_model(bytes(content))


def test_a_path_may_hold_any_letter(tmp_path, images, model):
    path = tmp_path / "Läsion ß.scx"
    path.write_bytes(FILE.read_bytes())
    found = native.open_model(path, size=SIZE).run(images[:1])
    np.testing.assert_array_equal(found, model.run(images[:1]))


# --- running


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("count", [2, 5, 32])
def test_a_batch_is_its_images_one_by_one(images, precision, count):
    file = WEIGHTS / "scunext" / f"native-{precision}" / "model.scx"
    model = native.open_model(file, size=SIZE, threads=2)
    for output in ("logits", "score"):
        together = model.run(images[:count], output)
        assert together.shape == (count, 1, *SIZE)
        single = [model.run(one[None], output)[0] for one in images[:count]]
        np.testing.assert_array_equal(together, single)


@pytest.mark.parametrize("threads", [1, 2, 3, 64])
@pytest.mark.parametrize("spin_us", [0, None])
def test_threads_change_no_bit(model, images, threads, spin_us):
    many = native.open_model(FILE, size=SIZE, threads=threads, spin_us=spin_us)
    assert many.description.threads == threads
    np.testing.assert_array_equal(many.run(images[:3]), model.run(images[:3]))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_instruction_set_can_be_forced_and_draws_the_same_mask(images, precision):
    file = WEIGHTS / "unext" / f"native-{precision}" / "model.scx"
    expected = native.open_model(file, size=SIZE, isa="scalar").run(images[:2], "logits")
    for isa in native.instruction_sets():
        model = native.open_model(file, size=SIZE, isa=isa)
        assert model.description.isa == isa
        found = model.run(images[:2], "logits")
        # float convolutions fuse and reorder; integers do not
        np.testing.assert_allclose(found, expected, rtol=0, atol=0 if precision == "int8" else 1e-4)


def test_images_need_not_lie_in_one_piece(model, images):
    doubled = np.repeat(images[:2], 2, axis=2)[:, :, ::2]
    assert not doubled.flags.c_contiguous
    np.testing.assert_array_equal(model.run(doubled), model.run(images[:2]))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, *SIZE, 3), np.float32),
        np.zeros((0, *SIZE, 3), np.uint8),
        np.zeros((1, SIZE[1], SIZE[0], 3), np.uint8),
        np.zeros((*SIZE, 3), np.uint8),
        np.zeros((1, *SIZE, 4), np.uint8),
    ],
)
def test_images_of_another_shape_never_reach_the_library(model, wrong):
    with pytest.raises(ValueError, match=r"expected uint8 images of shape \(N, 64, 96, 3\)"):
        model.run(wrong)


def test_one_model_can_be_called_from_many_threads(model, images):
    expected, found = model.run(images), [None] * len(images)

    def run(index):
        found[index] = model.run(images[index : index + 1])[0]

    callers = [threading.Thread(target=run, args=(index,)) for index in range(len(images))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    np.testing.assert_array_equal(found, expected)


def test_models_do_not_share_anything(images):
    one, other = (native.open_model(FILE, size=SIZE, threads=it) for it in (1, 2))
    expected = one.run(images[:1])
    one.close()
    np.testing.assert_array_equal(other.run(images[:1]), expected)


# --- profile and single steps


def test_times_are_kept_where_they_were_asked_for(images):
    for profile in (0, 1):
        model = native.open_model(FILE, size=SIZE, profile=profile)
        model.run(images[:1])
        steps = model.operations()
        assert all((step.time_ns > 0) == bool(profile) for step in steps)
        assert {step.name.split()[0] for step in steps} >= {"conv", "linear", "tail_upsample"}
        assert sum(step.macs for step in steps) > 1_000_000


def test_tensors_are_kept_where_they_were_asked_for():
    model = native.open_model(FILE, size=SIZE, profile=1)
    with pytest.raises(native.ScxError, match="profile = 2"):
        model.read_tensor(0, (*SIZE, 4))
    with pytest.raises(native.ScxError, match="profile = 2"):
        model.run_operation(0)


def test_a_tensor_or_a_step_that_does_not_exist_is_told():
    model = native.open_model(FILE, size=SIZE, profile=2)
    with pytest.raises(ValueError, match="tensor 0 holds 24576 numbers, not 8"):
        model.write_tensor(0, np.zeros((2, 4)))
    with pytest.raises(native.ScxError, match="operation 999 does not exist"):
        model.run_operation(999)
    with pytest.raises(ValueError, match="expected a uint8 image"):
        model.run_operation(0, np.zeros((1, 1, 3), np.uint8))


def test_the_peak_of_an_instruction_set_is_measured_by_name():
    assert native.peak("int8", isa="scalar") > 0
    assert native.peak("f32") > 0
    with pytest.raises(native.ScxError, match="sse9"):
        native.peak("f32", isa="sse9")


# --- closing


def test_a_closed_model_is_not_touched_any_more(model, images):
    model.close()
    model.close()
    for use in (lambda: model.run(images), model.operations, lambda: model.run_operation(0)):
        with pytest.raises(ValueError, match="the model is closed"):
            use()


def test_a_model_closes_itself_with_its_last_reference(images):
    model = native.open_model(FILE, size=SIZE)
    finalizer = model._finalizer
    del model
    gc.collect()
    assert not finalizer.alive


# --- the library


def test_a_package_without_the_library_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(native.package, "__path__", [str(tmp_path)])
    for use in (native.version, native.instruction_sets, lambda: native.open_model(FILE)):
        with pytest.raises(BackendMissing, match="has no libscunext") as caught:
            use()
        assert "C++17 compiler" in caught.value.hint


def test_a_library_of_something_else_does_not_load(tmp_path):
    broken = tmp_path / "libscunext.so"
    broken.write_bytes(b"\x7fELF, but not really")
    with pytest.raises(BackendUnavailable, match="does not load") as caught:
        native.open_model(FILE, library=broken)
    assert "build it again" in caught.value.hint
