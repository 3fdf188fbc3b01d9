"""Kernels are given to layers, and no time is lost on the way."""

from __future__ import annotations

import pytest

from scunext_edge.benchmarks.costs import Layer
from scunext_edge.benchmarks.layers import account, profile_layers
from scunext_edge.benchmarks.roofline import Copy, Roofline
from scunext_edge.errors import BackendMissing, ConfigError
from scunext_edge.kernels import native
from scunext_edge.runtime.layers import Kernel
from scunext_edge.weights import shipped

MACHINE = Roofline(
    method="libscunext",
    isa="avx2",
    fp32_macs_per_s=(1e9,),
    int8_macs_per_s=(4e9,),
    copies=(Copy(traffic_bytes=1, bytes_per_s=(1e9,)),),
    cache_bytes=None,
)


def layer(name, macs, *names, precision="fp32", moved=1000):
    return Layer(
        name=name, op="Conv", precision=precision, macs=macs,
        weight_bytes=0, read_bytes=moved, written_bytes=0, names=(name, *names),
    )  # fmt: skip


def kernel(name, *times_ms, parts=(), **fields):
    times = tuple(round(1e6 * it) for it in times_ms)
    return Kernel(name=name, op="Conv", times_ns=times, parts=parts, **fields)


GRAPH = [
    layer("n_a", 3_000_000, "a", "n_relu", "relu"),
    layer("n_b", 8_000_000, "b", precision="int8"),
    layer("n_c", 10, "c", moved=2_000_000),
    layer("n_d", 10, "d"),
]
KERNELS = [
    kernel("reorder", 0.5, 0.5, 0.5),
    kernel("relu_nchwc", 3.0, 4.0, 2.0, parts=("relu_nchwc",)),
    kernel("n_a/fused", 1.0, 1.0, 1.0, parts=("n_a/fused", "n_b")),
    kernel("n_b", 20.0, 20.0, 20.0, parts=("other", "n_b")),
    kernel("n_c", 3.0, 3.0, 3.0, parts=("n_c",)),
]


def test_kernels_belong_to_the_layer_that_they_name():
    a, b, c, d, reorder = account(KERNELS, GRAPH, MACHINE)
    assert (a.name, a.kernels, a.time_ms) == ("n_a", ("relu_nchwc", "n_a/fused"), 4.0)
    assert (b.kernels, b.time_ms) == (("n_b",), 20.0)
    assert (a.macs, a.moved_bytes, a.limit_ms, a.limit_share) == (3_000_000, 1000, 3.0, 0.75)
    assert [it.bound_by for it in (a, b, c)] == ["compute", "overhead", "memory"]
    assert b.limit_ms == 2.0
    assert (d.kernels, d.time_ms, d.limit_share, d.bound_by) == ((), None, None, None)
    assert (reorder.matched, reorder.time_ms, reorder.macs) == (False, 0.5, None)


def test_no_time_is_lost():
    rows = account(KERNELS, GRAPH, MACHINE)
    assert sum(row.time_ms or 0 for row in rows) == pytest.approx(4.0 + 20 + 3 + 0.5)
    assert sorted(name for row in rows for name in row.kernels) == sorted(it.name for it in KERNELS)


def test_an_engine_that_knows_its_bytes_is_its_own_graph():
    kernels = [kernel("0 conv", 4.0, precision="int8", macs=8_000_000, moved_bytes=10)]
    (row,) = account(kernels, GRAPH, MACHINE, threads=2)
    assert (row.name, row.matched, row.limit_ms, row.limit_share) == ("0 conv", True, 1.0, 0.25)


def test_without_a_graph_the_engine_tells_macs_and_no_limit():
    (row, other) = account(
        [kernel("x", 4.0, precision="fp32", macs=5), kernel("y", 1.0)], None, MACHINE
    )
    assert (row.macs, row.limit_ms, row.time_ms) == (5, None, 4.0)
    assert (other.macs, other.matched) == (None, True)


def test_no_runs_are_no_profile():
    with pytest.raises(ConfigError, match="0 runs"):
        profile_layers(None, "native", runs=0)


@pytest.mark.parametrize(
    ("backend", "form", "packages"),
    [
        ("onnxruntime", "onnx-int8", ("onnx", "onnxruntime")),
        ("openvino", "onnx-fp32", ("onnx", "openvino")),
        ("native", "native-int8", ()),
        ("torch", "checkpoint", ("torch",)),
    ],
)
def test_a_shipped_network_is_profiled_whole(backend, form, packages):
    for package in packages:
        pytest.importorskip(package)
    if not shipped.names():
        pytest.skip("no network ships with this checkout")
    if backend == "native":
        try:
            native.find_library()
        except BackendMissing as error:
            pytest.skip(str(error))
    artifact = shipped.shipped("unext", form)
    found = profile_layers(artifact, backend, runs=2)
    assert (found.runs, found.backend, found.size) == (2, backend, 256)
    times = [row.time_ms or 0 for row in found.layers]
    assert sum(times) + found.between_ms == pytest.approx(found.total_ms)
    assert {name for row in found.layers for name in row.kernels} == {
        it.name for it in found.kernels
    }
    matched = sum(row.time_ms or 0 for row in found.layers if row.matched)
    assert matched > 0.5 * sum(times)
    if backend != "native":  # which counts normalisation and interpolation as well
        held = artifact.card.details["complexity"]["macs"]
        assert sum(row.macs or 0 for row in found.layers) == held
    assert found.limit_ms is None or found.limit_share == pytest.approx(
        found.limit_ms / found.total_ms
    )
