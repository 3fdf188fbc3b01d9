"""The builder against a stand-in that has the names of three TensorRT versions, no more."""

from __future__ import annotations

import ast
import enum
import json
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scunext_edge.artifacts import load
from scunext_edge.errors import ExportError
from scunext_edge.export import to_tensorrt, trt_builder
from scunext_edge.export.to_tensorrt import build_engine
from scunext_edge.export.trt_builder import build_plan, timing_cache
from scunext_edge.export.writing import write

HERE = Path(__file__).parent
FOLDER = HERE.parent / "runtime" / "trt_api"
APIS = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
# Which class each local name of the builder's source stands for.
CLASSES = {
    "builder": "Builder",
    "config": "IBuilderConfig",
    "parser": "OnnxParser",
    "profile": "IOptimizationProfile",
    "error": "ParserError",
}
ENUMS = ("BuilderFlag", "MemoryPoolType", "ProfilingVerbosity", "NetworkDefinitionCreationFlag")


def used_names():
    """(class, attribute) of everything that the builder touches."""
    tree = ast.parse(Path(trt_builder.__file__).read_text())
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        if isinstance(node.value, ast.Name) and node.value.id in CLASSES:
            yield CLASSES[node.value.id], node.attr
        if isinstance(node.value, ast.Attribute) and node.value.attr in ENUMS:
            yield node.value.attr, node.attr


@pytest.mark.parametrize("version", sorted(APIS))
def test_every_name_that_is_used_exists_in_every_version(version):
    used = set(used_names())
    assert {"set_timing_cache", "TF32", "node_name", "STRONGLY_TYPED"} <= {it for _, it in used}
    for kind, name in used:
        known = APIS[version][kind].get("attrs", []) + list(APIS[version][kind].get("enum", {}))
        assert name in known, f"{kind}.{name} in {version}"
    assert "serialize" in APIS[version]["ITimingCache"]["attrs"]


class Machine:
    """What a build does, and what was asked of it."""

    def __init__(self):
        self.problems, self.refused, self.caches, self.builds = [], [], [], 0
        self.fails_with_q = False

    def module(self, version):
        machine, trt = self, types.ModuleType("tensorrt")
        trt.__version__ = version
        for name in ENUMS:
            setattr(trt, name, enum.IntEnum(name, APIS[version][name]["enum"]))

        class ILogger:
            Severity = enum.IntEnum("Severity", {"INTERNAL_ERROR": 0, "ERROR": 1})

        class Config:
            def __init__(self):
                machine.config = self

            def set_memory_pool_limit(self, pool, size):
                self.pool, self.pool_bytes = pool, size

            def clear_flag(self, flag):
                self.cleared = flag

            def add_optimization_profile(self, profile): ...

            def create_timing_cache(self, stored):
                machine.caches.append(stored)
                return types.SimpleNamespace(serialize=lambda: stored + b"timed;")

            def set_timing_cache(self, cache, ignore_mismatch):
                assert ignore_mismatch is False
                self.cache = cache

            def get_timing_cache(self):
                return self.cache

        class Builder:
            def __init__(self, log):
                self.log = log

            def create_network(self, flags):
                machine.network_flags = flags
                return types.SimpleNamespace(model=None)

            def create_builder_config(self):
                return Config()

            def create_optimization_profile(self):
                return types.SimpleNamespace(set_shape=self._set_shape)

            def _set_shape(self, name, least, best, most):
                machine.batches = least[0], best[0], most[0]

            def build_serialized_network(self, network, config):
                assert config.cleared == trt.BuilderFlag.TF32
                machine.builds += 1
                if machine.fails_with_q and b"QuantizeLinear" in network.model:
                    self.log.log(ILogger.Severity.ERROR, "no INT8 kernel for node_Conv_1")
                    return None
                return b"a plan"

        class OnnxParser:
            def __init__(self, network, log):
                self.network, self.num_errors = network, len(machine.refused)

            def parse(self, model):
                self.network.model = model
                return not machine.refused

            def get_error(self, index):
                text, node = machine.refused[index]
                return types.SimpleNamespace(desc=lambda: text, node_name=lambda: node)

        trt.ILogger, trt.Builder, trt.OnnxParser = ILogger, Builder, OnnxParser
        return trt


@pytest.fixture(params=sorted(APIS))
def machine(request, monkeypatch, tmp_path):
    machine = Machine()
    machine.trt = machine.module(request.param)
    monkeypatch.setitem(sys.modules, "tensorrt", machine.trt)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    here = {"gpu": "Fake Orin", "compute_capability": "8.7"}
    monkeypatch.setattr(to_tensorrt, "_gpu", lambda: (dict(here), "12.6"))
    parity = types.SimpleNamespace(
        max_logit_difference=0.1, flipped_pixels=0.0, images=4, of=("onnx", "tensorrt")
    )
    parity.to_json = lambda: {"flipped_pixels": 0.0}
    monkeypatch.setattr(to_tensorrt, "_parity", lambda *arguments: parity)
    return machine


def test_timings_are_kept_and_taken_again(machine, tmp_path):
    cache = tmp_path / "deep" / "one.timing"
    for _ in range(2):
        assert build_plan(machine.trt, b"model", size=64, cache=cache) == b"a plan"
    assert machine.caches == [b"", b"timed;"]
    assert cache.read_bytes() == b"timed;timed;"


def test_the_cache_is_that_of_this_gpu_this_version_and_this_file(machine, tmp_path):
    here = {"gpu": "Orin", "compute_capability": "8.7", "tensorrt": "10.3.0"}
    paths = [
        timing_cache(here, b"a"),
        timing_cache(here, b"b"),
        timing_cache({**here, "gpu": "Thor"}, b"a"),
        timing_cache({**here, "tensorrt": "11.4"}, b"a"),
    ]
    assert len(set(paths)) == 4
    assert timing_cache(dict(reversed(here.items())), b"a") == paths[0]
    assert paths[0].is_relative_to(tmp_path / "cache")


def test_a_parse_error_names_the_node(machine):
    machine.refused = [("unsupported operator", "node_Gelu_3"), ("and a type", "")]
    with pytest.raises(
        ExportError, match=r"unsupported operator \(node node_Gelu_3\); and a type$"
    ):
        build_plan(machine.trt, b"model", size=64)


def test_the_card_says_what_it_was_built_with(machine, scunext_int8_tensorrt, tmp_path):
    made = build_engine(scunext_int8_tensorrt, tmp_path / "engine")
    assert (made.card.format, made.card.precision) == ("tensorrt", "int8")
    assert made.card.built_for["compute_capability"] == "8.7"
    assert made.card.built_for["tensorrt"] == machine.trt.__version__
    build = made.card.details["build"]
    assert (build["driver"], build["tf32"], build["network"]) == ("12.6", False, "strongly typed")
    assert "fell_back" not in made.card.details
    assert "calibration.json" in made.digests
    assert made.card.parent == scunext_int8_tensorrt.id


def test_the_flags_of_the_card_are_those_that_the_builder_was_given(
    machine, scunext_int8_tensorrt, tmp_path
):
    said = build_engine(scunext_int8_tensorrt, tmp_path / "engine").card.details["build"]
    config, trt = machine.config, machine.trt
    kind = trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert (said["network"], machine.network_flags) == ("strongly typed", 1 << kind)
    assert (said["tf32"], config.cleared) == (False, trt.BuilderFlag.TF32)
    assert said["builder_optimization_level"] == config.builder_optimization_level
    assert (config.pool, config.pool_bytes) == (
        trt.MemoryPoolType.WORKSPACE,
        said["workspace_mib"] << 20,
    )
    assert machine.batches == (1, 1, said["max_batch"])
    assert said["profiling_verbosity"].upper() == config.profiling_verbosity.name
    assert set(said) - {"driver"} == set(trt_builder.FLAGS)


def test_the_card_counts_the_macs_of_the_layers_that_the_engine_names(
    machine, scunext_int8_tensorrt, tmp_path
):
    onnx = pytest.importorskip("onnx")
    machine.fails_with_q = True  # the fallback's layers, too
    graph = onnx.load(scunext_int8_tensorrt.file(".onnx")).graph
    made = build_engine(scunext_int8_tensorrt, tmp_path / "engine")
    products = [it.name for it in graph.node if it.op_type in ("Conv", "ConvTranspose", "MatMul")]
    assert list(made.card.details["macs"]) == products


def test_int8_that_does_not_build_becomes_fp16_and_says_so(
    machine, scunext_int8_tensorrt, tmp_path
):
    machine.fails_with_q = True
    made = build_engine(scunext_int8_tensorrt, tmp_path / "engine")
    assert (made.card.precision, made.card.quantizer) == ("fp16", None)
    fell = made.card.details["fell_back"]
    assert fell["from"] == "int8"
    assert "no INT8 kernel for node_Conv_1" in fell["reason"]
    assert "Fake Orin" in fell["reason"]
    assert machine.builds == 2


def test_where_fp16_does_not_build_either_both_reasons_are_there(
    machine, scunext_int8_tensorrt, tmp_path, monkeypatch
):
    def fails(*arguments, **options):
        raise ExportError("out of memory")

    monkeypatch.setattr(to_tensorrt, "build_plan", fails)
    with pytest.raises(ExportError, match=r"no int8 engine.*out of memory; and none in fp16"):
        build_engine(scunext_int8_tensorrt, tmp_path / "engine")
    assert not (tmp_path / "engine").exists()


def spoiled(artifact, folder, spoil):
    """A copy whose graph was made by somebody else."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(artifact.file(".onnx"))
    spoil(onnx, model)
    return write(folder, replace(artifact.card), {"model.onnx": model.SerializeToString()})


def zero_point(kind, value):
    def spoil(onnx, model):
        first = next(it for it in model.graph.node if it.op_type == "QuantizeLinear")
        (tensor,) = (it for it in model.graph.initializer if it.name == first.input[2])
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.array(value, kind), tensor.name))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (zero_point(np.int8, 3), "zero point other than 0"),
        (zero_point(np.uint8, 128), "quantizes to uint8"),
        (zero_point(np.int32, 0), "quantizes to int32"),
    ],
    ids=["asymmetric", "uint8", "int32"],
)
def test_a_foreign_quantization_is_refused_before_any_engine_sees_it(
    machine, scunext_int8_tensorrt, tmp_path, spoil, words
):
    artifact = spoiled(scunext_int8_tensorrt, tmp_path / "foreign", spoil)
    with pytest.raises(ExportError, match=words):
        build_engine(load(artifact.directory), tmp_path / "engine")
    assert machine.builds == 0
