"""Which conditions forbid a comparison, which are noted, and in what words."""

from __future__ import annotations

import copy

import pytest

from scunext_edge.benchmarks.passport import Window, differences, machine

KNOWN = {
    "machine": {
        "cpu_model": "Example CPU",
        "architecture": "x86_64",
        "isa": ["avx2", "avx512_vnni"],
        "cores_physical": 4,
        "cores_logical": 8,
        "cpu_limit_cores": "unlimited",
        "governor": "performance",
        "turbo": True,
        "kernel": "6.1.0",
        "python": "3.12.1",
        "memory_bytes": 8 << 30,
        "gpu_name": "NVIDIA L4",
        "gpu_driver": "580.65.06",
        "gpus": [{"name": "NVIDIA L4", "clock_max_sm_mhz": 2040, "mig": False}],
    },
    "before": {
        "cpus_allowed": 8,
        "cpus_allowed_list": "0-7",
        "thread_settings": {"OMP_NUM_THREADS": "2"},
        "power_source": "mains",
        "clock_policies": [
            {
                "cpus": "0-7",
                "governor": "performance",
                "driver": "acpi",
                "limit_min_khz": 800_000,
                "limit_max_khz": 3_600_000,
            }
        ],
        "gpus": [{"power_limit_mw": 72_000, "persistence": True}],
        "jetson": {"power_mode": "15W", "power_mode_id": 0, "clocks": "pinned"},
    },
    "after": {},
    "versions": {"onnxruntime": "1.31.1", "torch": None},
}


def changed(*path, to):
    """The known environment with one value replaced."""
    copied = copy.deepcopy(KNOWN)
    place = copied
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return copied


def only(*path, to, **options):
    """The one difference that a changed value makes."""
    found = differences(KNOWN, changed(*path, to=to), **options)
    assert len(found) == 1, found
    return found[0]


def test_the_same_conditions_do_not_differ():
    assert differences(KNOWN, copy.deepcopy(KNOWN)) == []
    assert differences({}, {}) == []


def test_a_machine_does_not_differ_from_itself():
    one, other = ({"machine": machine(), **Window().close()} for _ in range(2))
    assert [it for it in differences(one, other) if it.weight == "refuse"] == []


@pytest.mark.parametrize(
    ("path", "to", "text"),
    [
        (("machine", "cpu_model"), "Other CPU",
         "processor: Example CPU in the first, Other CPU in the second"),
        (("machine", "isa"), ["avx2", "avx_vnni"],
         "instructions: avx512_vnni only in the first, avx_vnni only in the second"),
        (("machine", "cores_physical"), 2,
         "physical cores: 4 in the first, 2 in the second"),
        (("machine", "cpu_limit_cores"), 1.5,
         "limit on CPU time, in cores: unlimited in the first, 1.5 in the second"),
        (("machine", "turbo"), False, "turbo: yes in the first, no in the second"),
        (("machine", "gpu_driver"), "570.1",
         "GPU driver: 580.65.06 in the first, 570.1 in the second"),
        (("before", "cpus_allowed"), 4,
         "CPUs that it may run on: 8 in the first, 4 in the second"),
        (("before", "thread_settings"), {},
         "thread settings: OMP_NUM_THREADS 2 in the first, none in the second"),
        (("before", "power_source"), "battery",
         "power source: mains in the first, battery in the second"),
        (("before", "clock_policies", 0, "governor"), "powersave",
         "governor: performance in the first, powersave in the second"),
        (("before", "clock_policies", 0, "limit_max_khz"), 2_000_000,
         "limits of the clock: 800 to 3600 MHz (CPU 0-7) in the first, 800 to 2000 MHz (CPU 0-7) "
         "in the second"),
        (("before", "jetson", "power_mode"), "MAXN",
         "power mode: 15W in the first, MAXN in the second"),
        (("before", "jetson", "clocks"), "not pinned",
         "clocks by jetson_clocks: pinned in the first, not pinned in the second"),
        (("machine", "gpus", 0, "name"), "NVIDIA L40",
         "GPU: NVIDIA L4 in the first, NVIDIA L40 in the second"),
        (("machine", "gpus", 0, "clock_max_sm_mhz"), 1000,
         "GPU clock limit in MHz: 2040 in the first, 1000 in the second"),
        (("before", "gpus", 0, "power_limit_mw"), 40_000,
         "GPU power limit: 72 W in the first, 40 W in the second"),
    ],
)  # fmt: skip
def test_what_changes_the_number_refuses(path, to, text):
    found = only(*path, to=to)
    assert (found.weight, found.text) == ("refuse", text)


@pytest.mark.parametrize(
    ("path", "to", "text"),
    [
        (("machine", "kernel"), "6.8.0", "kernel: 6.1.0 in the first, 6.8.0 in the second"),
        (("machine", "python"), "3.10.12", "Python: 3.12.1 in the first, 3.10.12 in the second"),
        (("before", "cpus_allowed_list"), "8-15",
         "which CPUs it may run on: 0-7 in the first, 8-15 in the second"),
        (("before", "gpus", 0, "persistence"), False,
         "GPU persistence mode: yes in the first, no in the second"),
        (("versions", "onnxruntime"), "1.32.0",
         "version of onnxruntime: 1.31.1 in the first, 1.32.0 in the second"),
        (("versions", "torch"), "2.13.0",
         "version of torch: not installed in the first, 2.13.0 in the second"),
    ],
)  # fmt: skip
def test_what_may_matter_is_noted(path, to, text):
    found = only(*path, to=to)
    assert (found.weight, found.text) == ("note", text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("machine", "cpu_model"), "processor: Example CPU in one, unknown on the other side"),
        (("before", "power_source"), "power source: mains in one, unknown on the other side"),
        (("before", "gpus"), "GPU power limit: 72 W in one, unknown on the other side"),
        (("before", "jetson"), "power mode: 15W in one, unknown on the other side"),
        (("versions",), "version of onnxruntime: 1.31.1 in one, unknown on the other side"),
    ],
)
def test_what_one_side_does_not_know_is_noted(path, text):
    for pair in ((KNOWN, changed(*path, to=None)), (changed(*path, to=None), KNOWN)):
        found = differences(*pair)
        assert {it.weight for it in found} == {"note"}
        assert text in [it.text for it in found]


def test_a_governor_of_the_first_cpu_alone_is_better_than_none():
    one, other = ({"machine": {"governor": name}} for name in ("performance", "powersave"))
    (found,) = differences(one, other)
    assert (found.condition, found.weight) == ("governor", "refuse")
    assert differences({"machine": {"governor": "performance"}}, KNOWN)[0].condition != "governor"


def test_a_gpu_that_was_named_by_its_tool_alone_is_compared():
    one, other = ({"machine": {"gpu_name": name}} for name in ("NVIDIA L4", "NVIDIA L40"))
    assert [it.condition for it in differences(one, other)] == ["GPU"]


def test_on_a_cpu_the_gpu_is_only_noted():
    assert only("machine", "gpu_driver", to="570.1", device="cpu").weight == "note"
    assert only("machine", "gpu_driver", to="570.1", device="cuda").weight == "refuse"
    assert only("machine", "turbo", to=False, device="cpu").weight == "refuse"


def test_what_refuses_comes_first():
    other = changed("machine", "kernel", to="7")
    other["before"]["power_source"] = "battery"
    assert [it.weight for it in differences(KNOWN, other)] == ["refuse", "note"]


def test_values_are_kept_beside_the_words():
    found = only("machine", "cores_logical", to=4)
    assert (found.condition, found.first, found.second) == ("logical cores", 8, 4)
