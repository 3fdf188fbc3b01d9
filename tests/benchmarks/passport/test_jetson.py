"""Jetsons that are not at hand: release, power mode, pinned clocks, fan, rails."""

from __future__ import annotations

import pytest

from scunext_edge.benchmarks.passport import jetson
from scunext_edge.benchmarks.passport.rails import read_rails, total_of

MODEL = "proc/device-tree/model"
NANO = {MODEL: "NVIDIA Jetson Orin Nano Developer Kit\0"}
AGX = {MODEL: "NVIDIA Jetson AGX Orin Developer Kit\0"}
THOR = {MODEL: "NVIDIA Jetson AGX Thor Developer Kit\0"}


def release(major, revision):
    return {
        "etc/nv_tegra_release": f"# R{major} (release), REVISION: {revision}, GCID: 42132812, "
        "BOARD: generic, EABI: aarch64, DATE: Thu Sep 18 22:54:44 UTC 2025\n"
    }


@pytest.mark.parametrize(
    ("major", "revision", "l4t", "jetpack"),
    [
        (36, "4.7", "36.4.7", "6.2.1"),
        (36, "5.0", "36.5.0", "6.2.2"),
        (38, "2.0", "38.2.0", "7.0"),
        (38, "2.2", "38.2.2", "7.0"),
        (38, "4.0", "38.4.0", "7.1"),
        (39, "2.0", "39.2.0", "7.2"),
        (39, "2.1", "39.2.1", "7.2.1"),
        (40, "1.0", "40.1.0", None),
    ],
)
def test_the_release_is_read_and_named_where_its_name_is_known(
    write, major, revision, l4t, jetpack
):
    assert jetson.identity(write(release(major, revision))) == {"l4t": l4t, "jetpack": jetpack}


@pytest.mark.parametrize("told", ["", "# R36 release\n", "R (release), REVISION: x"])
def test_a_release_that_makes_no_sense_is_null(write, told):
    found = jetson.identity(write({"etc/nv_tegra_release": told}))
    assert found == {"l4t": None, "jetpack": None}


def test_any_other_machine_is_no_jetson(write, nobody):
    assert jetson.state(write({MODEL: "Raspberry Pi 5 Model B Rev 1.0\0"}), nobody) is None


CONFIGURATION = """\
# a comment
< PARAM TYPE=FILE NAME=CPU_ONLINE >
CORE_1 /sys/devices/system/cpu/cpu1/online
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_1 1
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< PM_CONFIG DEFAULT=2 >
"""


@pytest.mark.parametrize(
    ("told", "files", "mode"),
    [
        ("NV Power Mode: MAXN_SUPER\n2\n", {}, ("MAXN_SUPER", 2)),
        ("NVPM WARN: fan mode is not set!\nNV Power Mode: MODE_15W_6CORE\n2", {},
         ("MODE_15W_6CORE", 2)),
        (None, {"var/lib/nvpmodel/status": "pmode:0002\n", "etc/nvpmodel.conf": CONFIGURATION},
         ("MAXN_SUPER", 2)),
        (None, {"var/lib/nvpmodel/status": "pmode:0000 fmode:quiet\n",
                "etc/nvpmodel.conf": CONFIGURATION}, ("15W", 0)),
        ("NVPM ERROR: no permission", {"var/lib/nvpmodel/status": "pmode:0001\n"}, (None, 1)),
        (None, {"etc/nvpmodel.conf": CONFIGURATION}, (None, None)),
        (None, {"var/lib/nvpmodel/status": "pmode:\n"}, (None, None)),
    ],
)  # fmt: skip
def test_the_power_mode_is_read(write, tools, told, files, mode):
    assert jetson.power_mode(write(files), tools(nvpmodel=told)) == mode


def clocks(cpu, gpu, governor="schedutil"):
    cpufreq = "sys/devices/system/cpu/cpu0/cpufreq/scaling"
    devfreq = "sys/class/devfreq/17000000.gpu"
    return {
        f"{cpufreq}_governor": f"{governor}\n",
        f"{cpufreq}_min_freq": f"{cpu[0]}\n",
        f"{cpufreq}_max_freq": f"{cpu[1]}\n",
        f"{devfreq}/min_freq": f"{gpu[0]}\n",
        f"{devfreq}/cur_freq": f"{gpu[0]}\n",
        f"{devfreq}/max_freq": f"{gpu[1]}\n",
    }


@pytest.mark.parametrize(
    ("files", "state"),
    [
        (clocks((1420, 1420), (1300, 1300)), "pinned"),
        (clocks((115, 1420), (1300, 1300)), "not pinned"),
        (clocks((1420, 1420), (306, 1300)), "not pinned"),
        (clocks((1420, 1420), ("?", 1300)), None),
        ({}, None),
    ],
)
def test_pinned_clocks_are_derived_from_their_limits(write, files, state):
    assert jetson.clocks(write(files)) == state


def ina3221(index, *rails, first=1):
    folder = f"sys/class/hwmon/hwmon{index}"
    files = {f"{folder}/name": "ina3221\n"}
    for channel, (name, mv, ma) in enumerate(rails, first):
        files |= {
            f"{folder}/in{channel}_label": f"{name}\n",
            f"{folder}/in{channel}_input": f"{mv}\n",
            f"{folder}/curr{channel}_input": f"{ma}\n",
        }
    return files


def test_an_orin_nano_is_read_as_a_whole(write, tools):
    root = write(
        {
            **NANO,
            **release(36, "4.7"),
            **clocks((1420, 1420), (1300, 1300)),
            **ina3221(1, ("VDD_IN", 5072, 1008), ("VDD_CPU_GPU_CV", 5064, 200), ("NC", 0, 0)),
            "sys/class/hwmon/hwmon1/in7_label": "sum of shunt voltages\n",
            "sys/class/hwmon/hwmon2/name": "pwmfan\n",
            "sys/class/hwmon/hwmon2/pwm1": "89\n",
            "sys/class/hwmon/hwmon3/name": "pwm_tach\n",
            "sys/class/hwmon/hwmon3/rpm": "1832\n",
            "sys/class/thermal/thermal_zone0/type": "tj-thermal\n",
            "sys/class/thermal/thermal_zone0/temp": "41468\n",
            "sys/class/thermal/thermal_zone1/type": "cv0-thermal\n",
            "sys/class/thermal/thermal_zone1/temp": "-256000\n",
            "sys/kernel/debug/bpmp/debug/clk/emc/rate": "2133000000\n",
        }
    )
    line = "RAM 2148/7620MB GR3D_FREQ 0%@1300 VDD_IN 5112mW/5112mW/5112mW"
    found = jetson.state(root, tools(nvpmodel="NV Power Mode: 15W\n0", tegrastats=line))
    assert (found["power_mode"], found["power_mode_id"]) == ("15W", 0)
    assert found["clocks"] == "pinned"
    assert found["gpu_clock_hz"] == [{"min": 1300, "cur": 1300, "max": 1300}]
    assert found["emc_clock_hz"] == 2_133_000_000
    assert (found["fan_pwm"], found["fan_rpm"]) == (89, 1832)
    assert [rail["name"] for rail in found["rails"]] == ["VDD_IN", "VDD_CPU_GPU_CV"]
    assert found["rails"][0]["milliwatts"] == pytest.approx(5072 * 1008 / 1000)
    assert found["total_of_rails"] == ["VDD_IN"]
    assert found["temperatures_c"] == {"tj": 41.468}
    assert found["tegrastats"]["power_mw"] == {"VDD_IN": 5112}


def test_a_jetson_that_tells_nothing_has_nulls(write, nobody):
    found = jetson.state(write(NANO), nobody)
    assert set(found.values()) == {None}


@pytest.mark.parametrize(
    ("states", "alarms"),
    [
        ({"curr1_crit_alarm": 1, "curr2_crit_alarm": 0}, ["ina3221 curr1_crit"]),
        ({"curr1_crit_alarm": 0}, []),
        ({"curr1_crit_alarm": "?"}, None),
        ({}, None),
    ],
)
def test_alarms_that_are_raised_are_told(write, nobody, states, alarms):
    files = {f"sys/class/hwmon/hwmon0/{name}": f"{state}\n" for name, state in states.items()}
    root = write({**NANO, "sys/class/hwmon/hwmon0/name": "ina3221\n", **files})
    assert jetson.state(root, nobody)["alarms"] == alarms


def test_what_makes_no_sense_is_null(write, tools):
    root = write({**NANO, **ina3221(0, ("VDD_IN", "volts", "amps")), "sys/class/hwmon/x/name": "y"})
    found = jetson.state(root, tools(nvpmodel="?", tegrastats="?"))
    assert set(found.values()) == {None}


def test_a_thors_input_is_a_sensor_that_tells_power_itself(write):
    root = write(
        {
            **ina3221(0, ("VDD_GPU", 12000, 500), ("VDD_CPU_SOC_MSS", 12000, 700)),
            "sys/class/hwmon/hwmon1/name": "ina238\n",
            "sys/class/hwmon/hwmon1/power1_input": "28906000\n",
        }
    )
    found = {rail.name: rail.milliwatts for rail in read_rails(root)}
    assert found == {"VDD_GPU": 6000.0, "VDD_CPU_SOC_MSS": 8400.0, "VIN": 28906.0}
    (given,) = [rail for rail in read_rails(root) if rail.name == "VIN"]
    assert (given.millivolts, given.milliamperes) == (None, None)


@pytest.mark.parametrize(
    ("board", "rails", "total"),
    [
        (NANO[MODEL], {"VDD_IN", "VDD_SOC"}, ("VDD_IN",)),
        ("NVIDIA Jetson Orin NX", {"VDD_IN", "VDD_SOC"}, ("VDD_IN",)),
        (
            AGX[MODEL],
            {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"},
            ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
        ),
        (AGX[MODEL], {"VDD_GPU_SOC", "VDD_CPU_CV"}, None),  # a sum without one would be too small
        (THOR[MODEL], {"VDD_GPU", "VIN_SYS_5V0", "VIN"}, ("VIN",)),
        ("NVIDIA Jetson of the future", {"VDD_IN"}, None),
        (None, {"VDD_IN"}, None),
    ],
)
def test_which_rails_are_the_whole_board_is_known_per_board(board, rails, total):
    assert total_of(board, rails) == total
