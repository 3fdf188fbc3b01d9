"""What is special about torch: precision by the card, threads by the process, graphs on a GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scunext_edge.errors import BackendUnavailable
from scunext_edge.runtime.registry import open_runner
from scunext_edge.runtime.runner import infer

torch = pytest.importorskip("torch")
eager = pytest.importorskip("scunext_edge.runtime.backends.eager")

SIZE = 32


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    from scunext_edge.models.checkpoint import random_network

    return random_network("unext", tmp_path_factory.mktemp("eager") / "model", size=SIZE)


def as_precision(artifact, precision):
    return replace(artifact, card=replace(artifact.card, precision=precision))


@pytest.fixture
def own_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_are_what_was_asked_for(checkpoint, own_threads):
    for threads in (1, 2):
        open_runner(checkpoint, "torch", threads=threads)
        assert torch.get_num_threads() == threads


def test_the_result_is_that_of_the_network(checkpoint, image):
    from scunext_edge.models.checkpoint import load_network

    with torch.no_grad():
        expected = load_network(checkpoint)(torch.from_numpy(image["image"])).numpy()
    got = infer(open_runner(checkpoint, "torch"), image)["logits"]
    # Another memory layout adds up in another order.
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_bf16_runs_as_bf16_and_comes_back_as_float32(checkpoint, image):
    exact = infer(open_runner(checkpoint, "torch"), image)["logits"]
    runner = open_runner(as_precision(checkpoint, "bf16"), "torch")
    rounded = infer(runner, image)["logits"]
    assert runner.census().dominant == "bf16"
    assert rounded.dtype == np.float32
    assert (rounded != exact).any()


def test_fp16_on_the_cpu_is_refused(checkpoint):
    with pytest.raises(BackendUnavailable, match="fp16") as caught:
        open_runner(as_precision(checkpoint, "fp16"), "torch")
    assert "bf16 on cpu" in caught.value.hint


def test_the_witness_counts_every_mac(checkpoint):
    """Against torch's own counter, which counts two operations per MAC."""
    from torch.utils.flop_counter import FlopCounterMode

    from scunext_edge.models.checkpoint import load_network
    from scunext_edge.runtime.backends.eager import _Witness

    network = load_network(checkpoint)
    black = torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8)
    with torch.no_grad(), _Witness() as witness:
        network(black)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(black)
    assert sum(it.macs for it in witness.work) * 2 == counter.get_total_flops()


@pytest.mark.parametrize("device", ["cuda", "cuda-graph", "cuda-compile"])
def test_without_a_gpu_it_is_refused(checkpoint, device):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(BackendUnavailable, match=device) as caught:
        open_runner(checkpoint, "torch", device=device)
    assert caught.value.hint == "it offers: cpu"


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("device", ["cuda", "cuda-graph", "cuda-compile"])
def test_the_gpu_gives_what_the_cpu_gives(checkpoint, device, precision):
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU")
    reference = open_runner(checkpoint, "torch")
    runner = open_runner(as_precision(checkpoint, precision), "torch", device=device)
    for count in (1, 3, 1):
        pixels = np.random.default_rng(count).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
        expected = infer(reference, {"image": pixels})["logits"]
        got = infer(runner, {"image": pixels})["logits"]
        tolerance = 1e-3 if precision == "fp32" else 3e-2
        np.testing.assert_allclose(got, expected, atol=tolerance)
        assert torch.cuda.current_stream().query(), "execute returned before the work was done"
    assert runner.census().dominant == precision


def test_what_was_compiled_runs_and_the_network_as_written_is_counted(monkeypatch):
    seen = []

    def compiled(network, **how):
        seen.append(how)
        return lambda image: network(image) + 1

    monkeypatch.setattr(eager.torch, "compile", compiled)
    network = torch.nn.Conv2d(1, 1, 3, bias=False)
    image = torch.ones(1, 1, 3, 3)
    place = torch.device("cpu")
    plain, fused = (eager._Forward(network, place, None, compiled=asked) for asked in (False, True))
    assert torch.equal(fused(image), plain(image) + 1)
    assert seen == [{"dynamic": False}]
