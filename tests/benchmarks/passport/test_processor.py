"""Processors that are not at hand, on text as their kernels write it."""

from __future__ import annotations

import pytest

from scunext_edge.benchmarks.passport import processor

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
THOR = """\
processor\t: 0
Features\t: fp asimd asimdhp asimddp sve i8mm bf16 sve2 svei8mm paca
CPU implementer\t: 0x41
CPU part\t: 0xd84
"""
RK3588 = """\
processor\t: 0
Features\t: fp asimd asimdhp asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd05

processor\t: 1
Features\t: fp asimd asimdhp asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0b
"""
CPUS = "sys/devices/system/cpu"
CPU0 = f"{CPUS}/cpu0"


def test_an_x86_processor_is_read(write):
    found = processor.identity(write({"proc/cpuinfo": XEON}))
    assert found["cpu_model"] == "Intel(R) Xeon(R) Gold 6430"
    assert found["isa"] == ["amx_int8", "amx_tile", "avx2", "avx512_bf16", "avx512_vnni", "avx512f"]
    assert found["hypervisor"] is True


def test_x86_without_the_flag_of_a_hypervisor_has_none(write):
    bare = XEON.replace(" hypervisor", "")
    assert processor.identity(write({"proc/cpuinfo": bare}))["hypervisor"] is False


@pytest.mark.parametrize(
    ("cpuinfo", "model", "isa"),
    [
        (ORIN, "implementer 0x41 part 0xd42", ["asimd", "asimddp", "asimdhp"]),
        (
            THOR,
            "implementer 0x41 part 0xd84",
            ["asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve", "sve2", "svei8mm"],
        ),
        (
            RK3588,
            "implementer 0x41 part 0xd05 + implementer 0x41 part 0xd0b",
            ["asimd", "asimddp", "asimdhp"],
        ),
    ],
    ids=["orin", "thor", "two kinds of cores"],
)
def test_an_arm_processor_is_read(write, cpuinfo, model, isa):
    found = processor.identity(write({"proc/cpuinfo": cpuinfo}))
    assert (found["cpu_model"], found["isa"]) == (model, isa)
    assert found["hypervisor"] is None  # it has no flag that could be absent


def test_clocks_governor_and_turbo_are_read(write):
    root = write(
        {
            f"{CPU0}/cpufreq/scaling_governor": "schedutil\n",
            f"{CPU0}/cpufreq/cpuinfo_min_freq": "400000\n",
            f"{CPU0}/cpufreq/cpuinfo_max_freq": "3600000\n",
            f"{CPUS}/intel_pstate/no_turbo": "1\n",
        }
    )
    found = processor.identity(root)
    assert (found["governor"], found["turbo"]) == ("schedutil", False)
    assert (found["clock_min_khz"], found["clock_max_khz"]) == (400_000, 3_600_000)


def test_turbo_of_other_drivers_is_read(write):
    assert processor.identity(write({f"{CPUS}/cpufreq/boost": "1\n"}))["turbo"] is True


def cpufreq(cpu, *, least, most, now, governor="schedutil"):
    folder = f"{CPUS}/cpu{cpu}/cpufreq"
    return {
        f"{folder}/scaling_governor": f"{governor}\n",
        f"{folder}/scaling_driver": "tegra194\n",
        f"{folder}/scaling_min_freq": f"{least}\n",
        f"{folder}/scaling_max_freq": f"{most}\n",
        f"{folder}/scaling_cur_freq": f"{now}\n",
    }


def test_limits_are_told_once_for_cpus_that_share_them(write):
    root = write(
        {
            **cpufreq(0, least=100, most=1500, now=900),
            **cpufreq(1, least=100, most=1500, now=901),
            **cpufreq(2, least=100, most=2000, now=902, governor="performance"),
            **cpufreq(10, least=100, most=1500, now=910),
        }
    )
    found = processor.state(root)
    assert found["clock_khz"] == [900, 901, 902, 910]  # by number, not by letter
    assert found["clock_policies"] == [
        {
            "cpus": "0-1,10",
            "governor": "schedutil",
            "driver": "tegra194",
            "limit_min_khz": 100,
            "limit_max_khz": 1500,
        },
        {
            "cpus": "2",
            "governor": "performance",
            "driver": "tegra194",
            "limit_min_khz": 100,
            "limit_max_khz": 2000,
        },
    ]


def topology(cpus, threads_per_core=2, cores_per_package=2):
    for cpu in range(cpus):
        core = cpu // threads_per_core
        yield f"{CPUS}/cpu{cpu}/topology/physical_package_id", f"{core // cores_per_package}\n"
        yield f"{CPUS}/cpu{cpu}/topology/core_id", f"{core % cores_per_package}\n"


def test_two_threads_of_a_core_are_one_core(write):
    assert processor.identity(write(dict(topology(8))))["cores_physical"] == 4


def test_a_cpu_that_does_not_tell_its_core_leaves_the_count_unknown(write):
    root = write({**dict(topology(4)), f"{CPU0}/topology/core_id": "none\n"})
    assert processor.identity(root)["cores_physical"] is None


def test_throttling_is_counted_once_per_core_and_package(write):
    counts = {}
    for cpu in range(8):
        core = cpu // 2
        counts[f"{CPUS}/cpu{cpu}/thermal_throttle/core_throttle_count"] = f"{core}\n"
        counts[f"{CPUS}/cpu{cpu}/thermal_throttle/package_throttle_count"] = f"{core // 2 + 10}\n"
    found = processor.state(write({**dict(topology(8)), **counts}))
    assert found["core_throttles"] == 0 + 1 + 2 + 3
    assert found["package_throttles"] == 10 + 11


def zone(index, kind, millidegrees):
    folder = f"sys/class/thermal/thermal_zone{index}"
    return {f"{folder}/type": f"{kind}\n", f"{folder}/temp": f"{millidegrees}\n"}


def monitor(index, name, **files):
    folder = f"sys/class/hwmon/hwmon{index}"
    return {
        f"{folder}/name": f"{name}\n",
        **{f"{folder}/{file}": f"{value}\n" for file, value in files.items()},
    }


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({**zone(0, "x86_pkg_temp", 47500), **zone(1, "iwlwifi_1", 61000)}, {"x86_pkg_temp": 47.5}),
        ({**zone(0, "acpitz", 27800)}, None),
        ({**zone(0, "cpu-thermal", 51000), **zone(1, "gpu-thermal", 60000)}, {"cpu-thermal": 51.0}),
        ({**zone(0, "CPU-therm", 40000), **zone(3, "tj-thermal", 41468)},
         {"CPU-therm": 40.0, "tj-thermal": 41.468}),
        ({**zone(0, "cpu-thermal", 51000), **zone(1, "cpu-thermal", 53000)}, {"cpu-thermal": 53.0}),
        ({**zone(0, "cpu-thermal", -256000)}, None),
        ({**zone(0, "cpu-thermal", "hot")}, None),
        (monitor(2, "k10temp", temp1_input=55125, temp1_label="Tctl", temp3_input=48000,
                 temp3_label="Tccd1"), {"k10temp Tctl": 55.125, "k10temp Tccd1": 48.0}),
        (monitor(2, "zenpower", temp1_input=50000, temp1_label="Tdie", temp2_input=77000,
                 temp2_label="Tctl"), {"zenpower Tdie": 50.0}),
        (monitor(1, "coretemp", temp1_input=62000, temp1_label="Package id 0", temp2_input=61000,
                 temp2_label="Core 0"), {"coretemp Package id 0": 62.0}),
        (monitor(0, "cpu_thermal", temp1_input=48312), {"cpu_thermal": 48.312}),
        (monitor(0, "nvme", temp1_input=48312), None),
    ],
)  # fmt: skip
def test_only_sensors_of_the_processor_are_read(write, files, found):
    state = processor.state(write(files))
    assert state["temperatures_c"] == found
    assert state["temperature_c"] == (max(found.values()) if found else None)


def test_what_cannot_be_read_is_null(tmp_path):
    found = {**processor.identity(tmp_path), **processor.state(tmp_path)}
    assert found.pop("isa") == []
    assert set(found.values()) == {None}


def test_what_makes_no_sense_is_null(write):
    root = write(
        {
            "proc/cpuinfo": "no fields here\n\n\n",
            f"{CPU0}/cpufreq/scaling_cur_freq": "<unknown>\n",
            f"{CPU0}/cpufreq/cpuinfo_max_freq": "\n",
            f"{CPUS}/intel_pstate/no_turbo": "maybe\n",
            f"{CPU0}/thermal_throttle/core_throttle_count": "many\n",
            "sys/class/hwmon/hwmon0/name": "coretemp\n",
            "sys/class/hwmon/hwmon0/temp1_input": "\0\n",
        }
    )
    found = {**processor.identity(root), **processor.state(root)}
    names = ("cpu_model", "turbo", "clock_khz", "clock_max_khz", "core_throttles", "temperature_c")
    assert {name: found[name] for name in names} == dict.fromkeys(names)


def test_the_last_cache_is_that_of_the_highest_level(tmp_path):
    assert processor.last_level_cache(tmp_path) is None
    levels = {"index0": ("1", "48K"), "index3": ("3", "32768K"), "index2": ("2", "1024K")}
    for name, (level, size) in levels.items():
        folder = tmp_path / processor.CPU / "cpu0/cache" / name
        folder.mkdir(parents=True)
        (folder / "level").write_text(f"{level}\n")
        (folder / "size").write_text(f"{size}\n")
    assert processor.last_level_cache(tmp_path) == 32 << 20
