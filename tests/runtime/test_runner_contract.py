"""What every backend must do, on the same tiny network in the engine's own format.

A backend is done when this file passes for it. An engine that is not installed is skipped with
the reason; SCUNEXT_REQUIRE=onnxruntime,torch turns the skip of one of these into a failure.
"""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from scunext_edge.errors import (
    ArtifactError,
    BackendMissing,
    BackendUnavailable,
    ConfigError,
    EngineError,
)
from scunext_edge.runtime.registry import BACKENDS, backend_module, formats, open_runner, status
from scunext_edge.runtime.runner import infer

SIZE = 32
REQUIRED = set(filter(None, os.environ.get("SCUNEXT_REQUIRE", "").split(",")))


def test_required_backends_exist():
    assert set(BACKENDS) >= REQUIRED


@pytest.mark.skipif("native" not in REQUIRED, reason="the native engine is not required here")
def test_a_required_native_engine_is_the_installed_one():
    """In a process of its own, which does not find a library that tests have built."""
    found = status("native")
    assert found.available, found.reason


@pytest.fixture(params=[name for name in BACKENDS if name != "tensorrt"])
def backend(request):
    """TensorRT runs nothing without its GPU; test_trt.py drives it with a stand-in."""
    if request.param == "native":
        request.getfixturevalue("native_library")
    try:
        backend_module(request.param).offers()
    except (BackendMissing, BackendUnavailable) as error:
        if request.param in REQUIRED:
            raise
        pytest.skip(str(error))
    return request.param


@pytest.fixture
def artifact(backend, tmp_path, make_artifact, tiny_onnx, tiny_scx):
    if backend == "torch":
        from scunext_edge.models.checkpoint import random_network

        return random_network("scunext", tmp_path / "model", size=SIZE)
    if backend == "native":
        return make_artifact(tmp_path / "model", tiny_scx(), name="model.scx", format="native")
    content = b"any" if backend == "fake" else tiny_onnx()
    return make_artifact(tmp_path / "model", content)


@pytest.fixture
def runner(artifact, backend):
    opened = open_runner(artifact, backend)
    yield opened
    opened.close()


def images(count, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return {"image": pixels}


def test_the_backend_takes_the_format_of_its_artifact(artifact, backend):
    assert artifact.card.format in formats(backend)


@pytest.mark.parametrize("count", [1, 3])
def test_the_output_is_what_the_contract_says(runner, count):
    outputs = infer(runner, images(count))
    assert list(outputs) == ["logits"]
    assert outputs["logits"].shape == (count, 1, SIZE, SIZE)
    assert outputs["logits"].dtype == np.float32
    assert outputs["logits"].std() > 0


def test_an_image_gives_the_same_alone_and_in_a_batch(runner):
    batch = images(3)
    together = infer(runner, batch)["logits"]
    for index in range(3):
        alone = infer(runner, {"image": batch["image"][index : index + 1]})["logits"]
        # Kernels may add up in another order for another batch size: a few float32 ulp per sum.
        np.testing.assert_allclose(alone[0], together[index], rtol=1e-4, atol=1e-5)


def test_the_output_belongs_to_the_caller(runner):
    first = infer(runner, images(1))["logits"]
    kept = first.copy()
    infer(runner, images(1, seed=5))
    np.testing.assert_array_equal(first, kept)


def test_what_the_caller_writes_into_an_output_stays_there(runner):
    infer(runner, images(1))
    taken = runner.get()["logits"]
    kept = taken.copy()
    taken[:] = 7
    np.testing.assert_array_equal(runner.get()["logits"], kept)


def test_repeated_runs_are_equal(runner):
    runner.put(images(1))
    results = []
    for _ in range(3):
        runner.execute()
        results.append(runner.get()["logits"])
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_another_image_gives_another_result(runner):
    first = infer(runner, images(1))["logits"]
    assert (infer(runner, images(1, seed=5))["logits"] != first).any()


def test_an_image_that_is_read_only_or_not_contiguous_gives_the_same(runner):
    pixels = images(1)["image"]
    expected = infer(runner, {"image": pixels})["logits"]
    frozen = pixels.copy()
    frozen.flags.writeable = False
    wide = np.repeat(pixels, 2, axis=2)[:, :, ::2]
    np.testing.assert_array_equal(infer(runner, {"image": frozen})["logits"], expected)
    np.testing.assert_array_equal(infer(runner, {"image": wide})["logits"], expected)


def test_the_input_is_left_as_it_was(runner):
    inputs = images(1)
    before = inputs["image"].copy()
    infer(runner, inputs)
    np.testing.assert_array_equal(inputs["image"], before)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"image": np.zeros((1, SIZE, SIZE, 3), np.float32)}, "image: expected uint8, got float32"),
        ({"image": np.zeros((1, 3, SIZE, SIZE), np.uint8)}, "image: expected shape"),
        ({"image": np.zeros((SIZE, SIZE, 3), np.uint8)}, "image: expected shape"),
        ({}, "image: is missing"),
        ({**images(1), "mask": np.zeros(1)}, "mask: the model has no such input"),
    ],
)
def test_wrong_inputs_are_named(runner, inputs, words):
    with pytest.raises(ValueError, match=words):
        infer(runner, inputs)


def test_the_result_exists_when_execute_returns(runner):
    """The result can be taken at once, and no thread of Python is still at work on it."""
    threads = threading.active_count()
    runner.put(images(1))
    runner.execute()
    assert threading.active_count() == threads
    first = runner.get()["logits"]
    np.testing.assert_array_equal(first, runner.get()["logits"])


def test_verbs_out_of_order_are_bugs_of_the_caller(runner):
    with pytest.raises(ValueError, match="call put first"):
        runner.execute()
    runner.put(images(1))
    with pytest.raises(ValueError, match="call execute first"):
        runner.get()


def test_a_result_is_not_served_for_a_newer_input(runner):
    infer(runner, images(1))
    runner.put(images(1, seed=5))
    with pytest.raises(ValueError, match="call execute first"):
        runner.get()


def test_close_twice_is_harmless_and_use_after_it_an_error(artifact, backend):
    runner = open_runner(artifact, backend)
    infer(runner, images(1))
    runner.close()
    runner.close()
    for use in (lambda: runner.put(images(1)), runner.execute, runner.get, runner.census):
        with pytest.raises(ValueError, match="closed"):
            use()


def test_a_float_model_reports_that_it_ran_in_float(runner):
    assert runner.census().dominant == "fp32"


def test_asking_for_the_precision_changes_no_result(runner):
    runner.put(images(2))
    runner.execute()
    before = runner.get()["logits"]
    runner.census()
    np.testing.assert_array_equal(runner.get()["logits"], before)


@pytest.mark.parametrize("device", ["abacus", "CPU ", "auto", ""])
def test_an_unknown_device_is_refused_with_those_on_offer(artifact, backend, device):
    with pytest.raises(BackendUnavailable, match=repr(device)) as caught:
        open_runner(artifact, backend, device=device)
    assert "cpu" in caught.value.hint


def test_no_threads_at_all_is_a_mistake(artifact, backend):
    with pytest.raises(ConfigError, match="0 threads"):
        open_runner(artifact, backend, threads=0)


@pytest.mark.parametrize("keep", [0, 100])
def test_a_damaged_file_is_an_error_of_ours_and_no_crash(artifact, backend, keep):
    if backend == "fake":
        return  # it reads no file
    (name,) = artifact.digests
    path = artifact.directory / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises((EngineError, ArtifactError)) as caught:
        open_runner(artifact, backend)
    assert caught.value.__cause__ is not None, "the engine's own error is lost"
