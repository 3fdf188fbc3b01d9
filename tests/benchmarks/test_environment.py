"""The readers, on recorded text of machines that are not at hand."""

from __future__ import annotations

import getpass
import json
import os
import platform
import subprocess

import pytest

from scunext_edge.benchmarks import environment
from scunext_edge.benchmarks.environment import conditions, machine

XEON = """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Gold 6430
flags\t\t: fpu sse2 avx2 avx512f avx512_vnni avx512_bf16 amx_tile amx_int8 hypervisor

processor\t: 1
model name\t: something else
"""
ORIN = """\
processor\t: 0
BogoMIPS\t: 62.50
Features\t: fp asimd evtstrm aes crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd42
"""
CPU0 = "sys/devices/system/cpu/cpu0"


@pytest.fixture
def write(tmp_path):
    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_an_x86_processor_is_read(write):
    found = machine(write({"proc/cpuinfo": XEON}))
    assert found["cpu_model"] == "Intel(R) Xeon(R) Gold 6430"
    assert found["isa"] == ["amx_int8", "amx_tile", "avx2", "avx512_bf16", "avx512_vnni", "avx512f"]


def test_an_arm_processor_is_read(write):
    found = machine(write({"proc/cpuinfo": ORIN}))
    assert found["cpu_model"] == "implementer 0x41 part 0xd42"
    assert found["isa"] == ["asimd", "asimddp", "asimdhp"]


def test_a_jetson_is_recognized(write):
    root = write(
        {
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "etc/nv_tegra_release": "# R36 (release), REVISION: 4.7, GCID: 42132812, BOARD: "
            "generic, EABI: aarch64, DATE: Thu Sep 18 22:54:44 UTC 2025\n",
        }
    )
    found = machine(root)
    assert found["board"] == "NVIDIA Jetson Orin Nano Developer Kit"
    assert found["l4t"] == "36.4.7"


def test_clocks_governor_and_turbo_are_read(write):
    root = write(
        {
            f"{CPU0}/cpufreq/scaling_governor": "schedutil\n",
            f"{CPU0}/cpufreq/cpuinfo_min_freq": "400000\n",
            f"{CPU0}/cpufreq/cpuinfo_max_freq": "3600000\n",
            "sys/devices/system/cpu/intel_pstate/no_turbo": "1\n",
        }
    )
    found = machine(root)
    assert (found["governor"], found["turbo"]) == ("schedutil", False)
    assert (found["clock_min_khz"], found["clock_max_khz"]) == (400_000, 3_600_000)


def test_two_threads_of_a_core_are_one_core(write):
    root = write(
        {
            f"sys/devices/system/cpu/cpu{cpu}/topology/{name}": text
            for cpu in range(4)
            for name, text in (("physical_package_id", "0"), ("core_id", str(cpu // 2)))
        }
    )
    assert machine(root)["cores_physical"] == 2


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, "unlimited"),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            2.0,
        ),
        (
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            "unlimited",
        ),
        ({}, None),
    ],
)
def test_a_containers_share_of_the_cpus_is_read_in_both_forms(write, files, limit):
    assert machine(write(files))["cpu_limit_cores"] == limit


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"sys/fs/cgroup/memory.max": "2147483648\n"}, 2 << 30),
        ({"sys/fs/cgroup/memory.max": "max\n"}, "unlimited"),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, "unlimited"),
        ({}, None),
    ],
)
def test_a_containers_share_of_the_memory_is_read_in_both_forms(write, files, limit):
    assert machine(write(files))["memory_limit_bytes"] == limit


def test_conditions_are_read(write):
    tick = os.sysconf("SC_CLK_TCK")
    numbers = [tick, 2 * tick, 3 * tick, 99 * tick, 98 * tick, 4 * tick, 5 * tick, 6 * tick, 0, 0]
    zones = "sys/class/thermal/thermal_zone"
    root = write(
        {
            "proc/stat": "cpu  " + " ".join(map(str, numbers)) + "\ncpu0 1 2 3\n",
            "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n",
            "proc/meminfo": "MemTotal:        2048 kB\nMemAvailable:    1024 kB\n",
            f"{CPU0}/cpufreq/scaling_cur_freq": "1420000\n",
            f"{zones}0/type": "x86_pkg_temp\n",
            f"{zones}0/temp": "47500\n",
            f"{zones}1/type": "iwlwifi_1\n",
            f"{zones}1/temp": "61000\n",
        }
    )
    found = conditions(root)
    assert found["cpu_busy_s"] == 21.0  # all but idle and waiting for a disk
    assert found["load_1min"] == 0.52
    assert found["memory_available_bytes"] == 1 << 20
    assert found["clock_khz"] == [1_420_000]
    assert found["temperature_c"] == 47.5


def test_a_sensor_that_is_switched_off_has_no_temperature(write):
    zone = "sys/class/thermal/thermal_zone0"
    root = write({f"{zone}/type": "cpu-thermal\n", f"{zone}/temp": "-256000\n"})
    assert conditions(root)["temperature_c"] is None


def test_what_cannot_be_read_is_null(tmp_path):
    found = {**machine(tmp_path), **conditions(tmp_path)}
    unread = {
        *("cpu_model", "cores_physical", "cpu_limit_cores", "memory_bytes", "memory_limit_bytes"),
        *("governor", "turbo", "clock_min_khz", "clock_max_khz", "board", "l4t"),
        *("cpu_busy_s", "load_1min", "clock_khz", "temperature_c", "memory_available_bytes"),
    }
    assert {name for name in unread if found[name] is not None} == set()
    assert found["isa"] == []


def test_a_gpu_is_asked_for_only_where_its_tool_is(monkeypatch, tmp_path):
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    monkeypatch.setattr(environment.subprocess, "run", lambda *a, **k: pytest.fail("was asked"))
    assert machine(tmp_path)["gpu_name"] is None


def test_a_gpu_is_named_with_its_driver(monkeypatch, tmp_path):
    answer = subprocess.CompletedProcess([], 0, stdout="NVIDIA H200, 580.65.06\nNVIDIA H200, 580\n")
    monkeypatch.setattr(environment.shutil, "which", lambda name: name)
    monkeypatch.setattr(environment.subprocess, "run", lambda *a, **k: answer)
    found = machine(tmp_path)
    assert (found["gpu_name"], found["gpu_driver"]) == ("NVIDIA H200", "580.65.06")


def test_a_gpu_tool_that_fails_leaves_null(monkeypatch, tmp_path):
    def fail(command, **options):
        raise subprocess.CalledProcessError(9, command)

    monkeypatch.setattr(environment.shutil, "which", lambda name: name)
    monkeypatch.setattr(environment.subprocess, "run", fail)
    assert machine(tmp_path)["gpu_name"] is None


def test_nothing_names_the_user_the_host_or_a_folder():
    text = json.dumps({**machine(), **conditions()}).replace("GNU/Linux", "")
    assert "/" not in text
    strings = {json.dumps(name) for name in (platform.node(), getpass.getuser())}
    assert not [string for string in strings if string in text]
