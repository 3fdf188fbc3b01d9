"""Times of layers: the engines' own records read back, and every engine that is here."""

from __future__ import annotations

import json

import pytest

from scunext_edge.errors import BackendMissing, ConfigError
from scunext_edge.runtime.layers import (
    Kernel,
    dominant,
    from_runs,
    onnxruntime_runs,
    original_names,
)
from scunext_edge.runtime.registry import PROFILED, backend_module, open_profiled

# Two runs as ONNX Runtime 1.32 writes them, shortened
ONNXRUNTIME = """[
{"cat": "Session", "pid": 9, "tid": 9, "dur": 8849, "ts": 3, "ph": "X", "name": "model_loading_uri", "args": {}},
{"cat": "Session", "pid": 9, "tid": 9, "dur": 241, "ts": 8918, "ph": "X", "name": "session_initialization", "args": {}},
{"cat": "Node", "pid": 9, "tid": 9, "dur": 1, "ts": 33399, "ph": "X", "name": "conv2d_3_nchwc_fence_before", "args": {"op_name": "Conv"}},
{"cat": "Node", "pid": 9, "tid": 9, "dur": 48, "ts": 33400, "ph": "X", "name": "conv2d_3_nchwc_kernel_time", "args": {"op_name": "Conv", "provider": "CPUExecutionProvider", "thread_scheduling_stats": "", "node_index": "4", "input_type_shape": [{"float": [1, 32, 32, 32]}, {"float": [64, 32, 3, 3]}, {"float": [64]}], "output_type_shape": [{"float": [1, 64, 16, 16]}]}},
{"cat": "Node", "pid": 9, "tid": 9, "dur": 5, "ts": 33460, "ph": "X", "name": "ReorderOutput_kernel_time", "args": {"op_name": "ReorderOutput", "input_type_shape": [{"float": [1, 64, 16, 16]}], "output_type_shape": [{"float": [1, 64, 16, 16]}]}},
{"cat": "Session", "pid": 9, "tid": 9, "dur": 150, "ts": 33345, "ph": "X", "name": "SequentialExecutor::Execute", "args": {}},
{"cat": "Session", "pid": 9, "tid": 9, "dur": 222, "ts": 33323, "ph": "X", "name": "model_run", "args": {}},
{"cat": "Node", "pid": 9, "tid": 9, "dur": 40, "ts": 57000, "ph": "X", "name": "conv2d_3_nchwc_kernel_time", "args": {"op_name": "Conv", "input_type_shape": [], "output_type_shape": []}},
{"cat": "Node", "pid": 9, "tid": 9, "dur": 7, "ts": 57050, "ph": "X", "name": "ReorderOutput_kernel_time", "args": {"op_name": "ReorderOutput", "input_type_shape": [], "output_type_shape": []}},
{"cat": "Session", "pid": 9, "tid": 9, "dur": 180, "ts": 56946, "ph": "X", "name": "model_run", "args": {}}
]"""  # noqa: E501

# Counters of OpenVINO 2026.4 in one run: name, type, nanoseconds; and what an operation stands for
OPENVINO = [
    ("node_Conv_625/WithoutBiases", "Convolution", 402_000),
    ("node_max_pool2d", "MaxPool", 731_000),
    ("Subtract_7909_acdb_abcd_Multiply_90", "Reorder", 34_000),
]
STANDS_FOR = {
    "node_Conv_625/WithoutBiases": {
        "parts": ("node_Conv_625/WithoutBiases", "node_Conv_625", "node_relu"),
        "precision": "fp32",
        "macs": 14_155_776,
    }
}


def test_a_profile_of_onnxruntime_is_read_run_by_run():
    runs, arguments = onnxruntime_runs(json.loads(ONNXRUNTIME))
    assert runs == [
        [("conv2d_3_nchwc", "Conv", 48_000), ("ReorderOutput", "ReorderOutput", 5_000)],
        [("conv2d_3_nchwc", "Conv", 40_000), ("ReorderOutput", "ReorderOutput", 7_000)],
    ]
    assert arguments["conv2d_3_nchwc"]["input_type_shape"][1] == {"float": [64, 32, 3, 3]}


def test_counters_of_openvino_become_kernels():
    again = [(name, op, 2 * time_ns) for name, op, time_ns in OPENVINO]
    conv, pool, reorder = from_runs([OPENVINO, again], STANDS_FOR)
    assert (conv.op, conv.times_ns, conv.macs) == ("Convolution", (402_000, 804_000), 14_155_776)
    assert conv.parts[1] == "node_Conv_625"
    assert (pool.times_ns, pool.parts, pool.macs) == ((731_000, 1_462_000), (), None)
    assert reorder.op == "Reorder"


def test_what_has_one_name_is_one_kernel_and_a_run_without_it_counts_0():
    (kernel,) = from_runs([[("a", "Add", 3), ("a", "Add", 4)], []], {})
    assert kernel == Kernel(name="a", op="Add", times_ns=(7, 0))


@pytest.mark.parametrize(
    ("given", "last"),
    [
        ("node_Conv_625/WithoutBiases", "node_Conv_625"),
        ("conv2d_3_nchwc", "conv2d_3"),
        ("ReorderOutput_token_148", "ReorderOutput"),
        ("node_permute_original", "node_permute"),
        ("node_relu", "node_relu"),
    ],
)
def test_names_lose_what_engines_add(given, last):
    names = original_names(given)
    assert (names[0], names[-1]) == (given, last)


def test_the_dominant_precision_is_that_of_most_multiplications():
    kernels = [
        Kernel(name="a", op="Conv", times_ns=(1,), precision="int8", macs=9),
        Kernel(name="b", op="Conv", times_ns=(1,), precision="fp32", macs=5),
        Kernel(name="c", op="Conv", times_ns=(1,), precision="fp32", macs=3),
        Kernel(name="d", op="Add", times_ns=(99,)),
    ]
    assert dominant(kernels) == "int8"
    assert dominant([kernels[3]]) is None


@pytest.fixture
def opened(request, tmp_path, tiny_onnx, tiny_scx, make_artifact):
    """An engine with its profiler on."""
    name = request.param
    if name == "native":
        request.getfixturevalue("native_library")
        content = {"content": tiny_scx(), "name": "model.scx", "format": "native"}
    else:
        pytest.importorskip("onnx")
        content = {"content": tiny_onnx()}
    try:
        backend_module(name)
    except BackendMissing as error:
        pytest.skip(str(error))
    profiled = open_profiled(make_artifact(tmp_path / name, **content), name)
    yield profiled
    profiled.close()


@pytest.mark.parametrize("opened", ["onnxruntime", "openvino", "native"], indirect=True)
def test_every_run_has_a_time_for_every_kernel(opened, image):
    opened.put(image)
    for _ in range(3):
        opened.execute()
    kernels = opened.kernels()
    assert {len(it.times_ns) for it in kernels} == {3}
    assert sum(max(it.times_ns) for it in kernels) > 0
    macs = sorted(it.macs for it in kernels if it.macs)
    # 3x3 and 1x1, and normalisation and the like on native; ONNX Runtime pads channels
    assert macs[-1] >= 32 * 32 * 8 * 27
    assert dominant(kernels) == "fp32"


@pytest.mark.parametrize("opened", ["onnxruntime", "openvino"], indirect=True)
def test_engines_name_the_parts_of_the_graph(opened, image):
    opened.put(image)
    opened.execute()
    names = {name for it in opened.kernels() for part in it.parts for name in original_names(part)}
    assert names & {"x1", "x2"}  # the first convolution, or the ReLU that was joined to it


@pytest.mark.parametrize("opened", ["native"], indirect=True)
def test_the_native_engine_tells_the_bytes_of_its_plan(opened, image):
    opened.put(image)
    opened.execute()
    normalize, conv, tail = opened.kernels()
    assert (normalize.name, normalize.op) == ("0 normalize 32x32 3>3 f32", "normalize")
    assert conv.moved_bytes == 4 * 32 * 32 * (3 + 8) + 4 * (27 * 8 + 8)
    assert tail.precision == "fp32"


def test_a_profile_of_onnxruntime_leaves_nothing_behind(
    tmp_path, monkeypatch, onnx_artifact, image
):
    pytest.importorskip("onnxruntime")
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    profiled = open_profiled(onnx_artifact, "onnxruntime")
    profiled.put(image)
    profiled.execute()
    profiled.kernels()
    profiled.close()
    assert [*(tmp_path / "here").iterdir(), *(tmp_path / "temporary").iterdir()] == []


@pytest.mark.parametrize(
    ("backend", "device", "threads", "message"),
    [
        ("fake", "cpu", 1, "fake tells no times of layers"),
        ("onnxruntime", "cuda", 1, "not timed on 'cuda'"),
        ("onnxruntime", "cpu", 0, "0 threads"),
        ("native", "cpu", 1, "native loads native"),
    ],
)
def test_what_cannot_be_profiled_is_refused(onnx_artifact, backend, device, threads, message):
    with pytest.raises(ConfigError, match=message):
        open_profiled(onnx_artifact, backend, device=device, threads=threads)


def test_the_engines_with_a_profiler_are_those_that_are_named():
    for name in PROFILED:
        try:
            module = backend_module(name)
        except BackendMissing:
            continue
        assert hasattr(module, "open_profiled")
    assert not hasattr(backend_module("fake"), "open_profiled")
