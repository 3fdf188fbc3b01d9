"""The limit of a network on a machine whose rates are made up, and how real rates are kept."""

from __future__ import annotations

import dataclasses
import json

import pytest

from scunext_edge.benchmarks import roofline as module
from scunext_edge.benchmarks.costs import Layer
from scunext_edge.benchmarks.passport import machine
from scunext_edge.benchmarks.roofline import (
    Copy,
    Limit,
    Roofline,
    from_json,
    larger,
    layer_limit,
    limit,
    measured,
)
from scunext_edge.errors import BackendMissing

MACHINE = Roofline(
    method="libscunext",
    isa="avx2",
    fp32_macs_per_s=(90e9, 100e9),
    int8_macs_per_s=(400e9, 380e9),
    copies=(
        Copy(traffic_bytes=1000, bytes_per_s=(80e9, 100e9)),
        Copy(traffic_bytes=100_000, bytes_per_s=(50e9, 40e9)),
        Copy(traffic_bytes=10_000_000, bytes_per_s=(10e9,)),
    ),
    cache_bytes=None,
)


def layer(macs, moved, precision="fp32"):
    return Layer(
        name="a", op="Conv", precision=precision, macs=macs,
        weight_bytes=0, read_bytes=moved, written_bytes=0,
    )  # fmt: skip


def test_a_limit_is_the_largest_value():
    assert MACHINE.peak("fp32") == 100e9
    assert MACHINE.peak("int8") == 400e9
    assert MACHINE.peak("fp16") is None
    assert dataclasses.replace(MACHINE, int8_macs_per_s=None).peak("int8") is None


@pytest.mark.parametrize(
    ("traffic", "speed"),
    [(1, 100e9), (1000, 100e9), (99_999, 100e9), (100_000, 50e9), (10**7, 10e9), (10**9, 10e9)],
)
def test_the_bandwidth_is_that_of_the_cache_which_holds_as_much(traffic, speed):
    assert MACHINE.bandwidth(traffic) == speed


def test_a_larger_copy_that_was_faster_counts_for_smaller_ones():
    odd = dataclasses.replace(
        MACHINE,
        copies=(
            Copy(traffic_bytes=1000, bytes_per_s=(20e9,)),
            Copy(traffic_bytes=2000, bytes_per_s=(30e9,)),
        ),
    )
    assert odd.bandwidth(1000) == 30e9


def test_a_layer_takes_the_longer_of_its_two_times():
    compute = layer_limit(200_000_000, 1000, "fp32", MACHINE)
    assert (compute.compute_ms, compute.memory_ms) == (pytest.approx(2.0), 0)
    memory = layer_limit(1000, 20_000_000, "fp32", MACHINE)
    assert (memory.compute_ms, memory.memory_ms) == (0, pytest.approx(2.0))
    quick = layer_limit(200_000_000, 1000, "int8", MACHINE)
    assert quick.total_ms == pytest.approx(0.5)
    two = layer_limit(200_000_000, 1000, "fp32", MACHINE, threads=2)
    assert two.total_ms == pytest.approx(1.0)


def test_layers_add_up_each_by_what_binds_it():
    layers = [layer(200_000_000, 1000), layer(0, 10_000_000), layer(100_000_000, 1000, "int8")]
    found = limit(layers, MACHINE)
    assert found.compute_ms == pytest.approx(2.0 + 0.25)
    assert found.memory_ms == pytest.approx(1.0)
    assert found.total_ms == pytest.approx(3.25)
    batch = limit(layers, MACHINE, images=4)
    assert batch.compute_ms == pytest.approx(4 * 2.25)


def test_weights_of_a_batch_count_once():
    heavy = dataclasses.replace(layer(0, 0), weight_bytes=10_000_000)
    assert limit([heavy], MACHINE, images=8) == limit([heavy], MACHINE)


def test_what_binds_a_run_is_told_by_how_much_of_it_the_limit_explains():
    mixed = Limit(compute_ms=2.0, memory_ms=1.0)
    assert mixed.bound(4.9) == "compute"
    assert mixed.bound(5.1) == "overhead"  # 3.0 ms are less than 60 % of it
    assert Limit(compute_ms=1.0, memory_ms=2.0).bound(3.0) == "memory"
    assert larger(1.0, 2.0) == Limit(compute_ms=0, memory_ms=2.0)


def test_without_the_rate_of_a_precision_there_is_no_limit():
    assert limit([layer(1, 1), layer(1, 1, "bf16")], MACHINE) is None
    assert limit([layer(0, 1000, "bf16")], MACHINE) is not None  # it multiplies nothing


@pytest.fixture
def calibrations(monkeypatch):
    """How often the machine was measured; it is always the made-up one."""
    taken = []

    def calibrate():
        taken.append(1)
        return MACHINE

    monkeypatch.setattr(module, "calibrate", calibrate)
    return taken


def test_a_machine_is_measured_once_per_folder(tmp_path, calibrations):
    assert measured(tmp_path) == MACHINE
    assert measured(tmp_path) == MACHINE
    assert len(calibrations) == 1
    stored = json.loads((tmp_path / "roofline.json").read_text())
    assert (stored["schema"], stored["kind"]) == (1, "roofline")
    assert stored["roofline"]["fp32_macs_per_s"] == [90e9, 100e9]
    assert from_json(stored["roofline"]) == MACHINE


@pytest.mark.parametrize("change", ["machine", "schema", "roofline"])
def test_another_machine_or_a_broken_record_is_measured_anew(tmp_path, calibrations, change):
    measured(tmp_path)
    path = tmp_path / "roofline.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, change: {"cpu_model": "another"}}))
    assert measured(tmp_path) == MACHINE
    assert len(calibrations) == 2
    assert json.loads(path.read_text())["machine"] == machine()


def test_a_real_machine_has_all_its_rates():
    found = module.calibrate()
    assert min(found.fp32_macs_per_s) > 0
    assert [copy.traffic_bytes for copy in found.copies] == sorted(
        {copy.traffic_bytes for copy in found.copies}
    )
    assert len(found.copies) == 5
    assert all(len(copy.bytes_per_s) == 3 and min(copy.bytes_per_s) > 0 for copy in found.copies)
    assert (found.method == "libscunext") == (found.isa is not None)


@pytest.fixture
def quick(monkeypatch):
    """Calls of no length, so that nothing takes its time."""
    monkeypatch.setattr(module, "_MATMUL_S", 0.0)
    monkeypatch.setattr(module, "_REPEATS", 1)


def test_without_the_library_a_product_of_matrices_stands_for_it(monkeypatch, quick):
    def missing():
        raise BackendMissing("not built")

    monkeypatch.setattr(module.native, "instruction_sets", missing)
    notes = []
    found = module._rates([], notes)
    assert (found["method"], found["isa"], found["int8_macs_per_s"]) == ("numpy matmul", None, None)
    assert found["fp32_macs_per_s"][0] > 0
    assert "libscunext does not run here" in notes[0]


@pytest.mark.parametrize(("isa", "known"), [(["avx512_vnni"], True), (["amx_int8"], False)])
def test_int8_is_not_known_where_the_library_leaves_instructions_unused(
    monkeypatch, quick, isa, known
):
    monkeypatch.setattr(module.native, "instruction_sets", lambda: ("avx512vnni",))
    monkeypatch.setattr(module.native, "peak", lambda what: {"f32": 1e9, "int8": 4e9}[what])
    notes = []
    found = module._rates(isa, notes)
    assert found["fp32_macs_per_s"] == (1e9,)
    assert (found["int8_macs_per_s"] == (4e9,), notes == []) == (known, known)


@pytest.mark.parametrize(
    ("cache", "available", "size", "said"),
    [
        (32 << 20, 64 << 30, 128 << 20, None),
        (1 << 20, 64 << 30, 64 << 20, None),
        (None, 64 << 30, 64 << 20, "not known"),
        (32 << 20, 512 << 20, 64 << 20, "less than 4 times"),
        (256 << 20, None, 512 << 20, "less than 4 times"),
    ],
)
def test_the_largest_copy_lies_beyond_the_caches_if_memory_allows(cache, available, size, said):
    notes = []
    assert module._beyond(cache, available, notes) == size
    assert (said in notes[0]) if said else not notes


@pytest.mark.parametrize(
    ("free", "limit", "known"),
    [(100, 50, 50), (100, "unlimited", 100), (100, None, 100), (None, None, None)],
)
def test_a_container_has_no_more_memory_than_it_may_have(monkeypatch, free, limit, known):
    monkeypatch.setattr(module, "conditions", lambda: {"memory_available_bytes": free})
    monkeypatch.setattr(module, "machine", lambda: {"memory_limit_bytes": limit})
    assert module._available_bytes() == known
