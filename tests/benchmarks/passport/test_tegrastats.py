"""Lines in every form that is known: old and new power, one clock or one per cluster."""

from __future__ import annotations

import pytest

from scunext_edge.benchmarks.passport import tegrastats

XAVIER_JETPACK_4 = (
    "RAM 2591/7771MB (lfb 912x4MB) SWAP 12/3885MB (cached 0MB) CPU [14%@1190,9%@1190,off,off,"
    "3%@1191,0%@1190] EMC_FREQ 2%@1600 GR3D_FREQ 7%@318 VIC_FREQ 0%@115 APE 150 MTS fg 0% bg 0% "
    "AO@36C GPU@37.5C PMIC@100C AUX@36C CPU@38.5C thermal@36.85C VDD_IN 3480/3522 "
    "VDD_CPU_GPU_CV 488/501 VDD_SOC 976/984"
)
ORIN_NANO_JETPACK_6 = (
    "06-14-2026 10:21:07 RAM 2148/7620MB (lfb 4x4MB) SWAP 0/3810MB (cached 0MB) "
    "CPU [12%@1420,0%@1420,off,off,3%@729,1%@729] EMC_FREQ 0%@2133 GR3D_FREQ 0%@1300 NVDEC off "
    "NVJPG off VIC off OFA off APE 200 cpu@42.281C soc2@41.156C soc0@41.468C gpu@41.75C "
    "cv0@-256C tj@42.281C soc1@41.062C VDD_IN 5139mW/5139mW/5139mW "
    "VDD_CPU_GPU_CV 1026mW/1026mW/1026mW VDD_SOC 1466mW/1466mW/1466mW"
)
ORIN_NX_JETPACK_7 = (
    "11-02-2026 08:00:01 RAM 3011/15656MB (lfb 33x4MB) SWAP 0/7828MB (cached 0MB) "
    "CPU [1%@1984,0%@1984,0%@1984,0%@1984] EMC_FREQ 1%@3199 GR3D_FREQ 35%@[1300,1300] "
    "cpu@45C tj@46.5C/46.5C gpu@44.187C/44.5C VDD_IN 9120mW/8010mW/12040mW"
)
AGX_ORIN = (
    "RAM 6120/30697MB (lfb 4x4MB) SWAP 0/15348MB (cached 0MB) CPU [5%@2201,2%@2201] "
    "EMC_FREQ 0%@3199 GR3D_FREQ 0%@[0,0] Tboard@34C tj@45.437C "
    "VDD_GPU_SOC 3203mW/3203mW VDD_CPU_CV 800mW/800mW VIN_SYS_5V0 2922mW/2922mW"
)
THOR = (
    "03-08-2026 20:58:23 RAM 3429/125749MB (lfb 120x4MB) CPU [0%,5%,off]@2601 EMC_FREQ @4266 "
    "GR3D_FREQ @[1000,1000,1000] cpu@49.75C/49.75C tj@51.218C/51.218C gpu@51.218C/51.218C "
    "VDD_GPU 6330mW/6330mW/6330mW VDD_CPU_SOC_MSS 9100mW/9000mW/9300mW "
    "VIN_SYS_5V0 5486mW/5424mW/5486mW VIN 28906mW/14453mW/28906mW"
)


def test_power_and_clocks_of_the_old_form():
    found = tegrastats.parse(XAVIER_JETPACK_4)
    assert found["power_mw"] == {"VDD_IN": 3480, "VDD_CPU_GPU_CV": 488, "VDD_SOC": 976}
    assert (found["gpu_load_percent"], found["gpu_clock_mhz"]) == (7, [318])
    assert found["cpu_load_percent"] == [14, 9, None, None, 3, 0]
    assert found["cpu_clock_mhz"] == [1190, 1190, None, None, 1191, 1190]
    assert (found["ram_used_mib"], found["ram_total_mib"]) == (2591, 7771)
    assert (found["swap_used_mib"], found["swap_total_mib"]) == (12, 3885)
    assert (found["emc_load_percent"], found["emc_clock_mhz"]) == (2, 1600)
    assert found["temperatures_c"]["thermal"] == 36.85


def test_an_orin_nano():
    found = tegrastats.parse(ORIN_NANO_JETPACK_6)
    assert found["power_mw"] == {"VDD_IN": 5139, "VDD_CPU_GPU_CV": 1026, "VDD_SOC": 1466}
    assert (found["gpu_load_percent"], found["gpu_clock_mhz"]) == (0, [1300])
    assert found["cpu_clock_mhz"] == [1420, 1420, None, None, 729, 729]
    assert found["temperatures_c"]["tj"] == 42.281
    assert "cv0" not in found["temperatures_c"]  # -256 degrees: it is switched off


def test_an_orin_with_a_clock_per_cluster():
    found = tegrastats.parse(ORIN_NX_JETPACK_7)
    assert (found["gpu_load_percent"], found["gpu_clock_mhz"]) == (35, [1300, 1300])
    assert found["power_mw"] == {"VDD_IN": 9120}
    assert found["temperatures_c"] == {"cpu": 45.0, "tj": 46.5, "gpu": 44.187}


def test_an_agx_orin_has_no_rail_of_the_whole():
    found = tegrastats.parse(AGX_ORIN)
    assert found["power_mw"] == {"VDD_GPU_SOC": 3203, "VDD_CPU_CV": 800, "VIN_SYS_5V0": 2922}
    assert found["gpu_clock_mhz"] == [0, 0]


def test_a_thor_tells_no_load_of_its_gpu():
    found = tegrastats.parse(THOR)
    assert (found["gpu_load_percent"], found["gpu_clock_mhz"]) == (None, [1000, 1000, 1000])
    assert (found["emc_load_percent"], found["emc_clock_mhz"]) == (None, 4266)
    assert found["cpu_load_percent"] == [0, 5, None]
    assert found["cpu_clock_mhz"] == [2601, 2601, None]
    assert found["power_mw"]["VIN"] == 28906
    assert found["power_mw"]["VIN_SYS_5V0"] == 5486
    assert found["swap_used_mib"] is None


@pytest.mark.parametrize(
    ("line", "load", "clocks"),
    [
        ("GR3D_FREQ 0%@1300", 0, [1300]),
        ("GR3D_FREQ 0%@[1300,1300]", 0, [1300, 1300]),
        ("GR3D_FREQ @[1000,1000,1000]", None, [1000, 1000, 1000]),
        ("GR3D_FREQ 12% EMC_FREQ 0%", 12, None),
        ("GR3D_FREQ @[300,off,600]", None, [300, None, 600]),
    ],
)
def test_every_form_of_the_gpu(line, load, clocks):
    found = tegrastats.parse(f"RAM 1/2MB {line}")
    assert (found["gpu_load_percent"], found["gpu_clock_mhz"]) == (load, clocks)


@pytest.mark.parametrize(
    "line", [None, "", "tegrastats: command failed", "CPU GR3D_FREQ RAM x/yMB"]
)
def test_a_line_that_says_nothing_is_null(line):
    assert tegrastats.parse(line) is None


@pytest.mark.parametrize("cut", range(0, len(ORIN_NANO_JETPACK_6), 7))
def test_a_line_that_was_cut_off_is_no_error(cut):
    tegrastats.parse(ORIN_NANO_JETPACK_6[:cut])
    tegrastats.parse(ORIN_NANO_JETPACK_6[cut:])
