"""A Raspberry Pi's flags and rails."""

from __future__ import annotations

import pytest

from scunext_edge.benchmarks.passport import raspberry

PI = {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0"}
FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
ADC = """\
     VDD_CORE_A current(7)=1.52340000A
     3V3_SYS_A current(2)=0.06830000A
     VDD_CORE_V volt(15)=0.85000000V
      3V3_SYS_V volt(10)=3.30000000V
        EXT5V_V volt(24)=5.10000000V
"""


@pytest.mark.parametrize(
    ("told", "bits", "now", "since"),
    [
        ("throttled=0x0", 0, [], []),
        ("throttled=0x50005", 0x50005, ["under-voltage", "throttled"],
         ["under-voltage", "throttled"]),
        ("throttled=0x50000", 0x50000, [], ["under-voltage", "throttled"]),
        ("throttled=0xe0008", 0xE0008, ["soft temperature limit"],
         ["ARM frequency capped", "throttled", "soft temperature limit"]),
        ("throttled=0xF000F", 0xF000F,
         ["under-voltage", "ARM frequency capped", "throttled", "soft temperature limit"],
         ["under-voltage", "ARM frequency capped", "throttled", "soft temperature limit"]),
    ],
)  # fmt: skip
def test_every_flag_is_put_in_words(write, tools, told, bits, now, since):
    def ask(*command, first_line=False):
        return told if command == ("vcgencmd", "get_throttled") else None

    found = raspberry.state(write(PI), ask)
    assert (found["throttled"], found["now"], found["since_start"]) == (bits, now, since)


def test_without_the_tool_the_kernels_file_is_read(write, nobody):
    found = raspberry.state(write({**PI, FIRMWARE: "50005\n"}), nobody)
    assert found["throttled"] == 0x50005


@pytest.mark.parametrize("told", [None, "VCHI initialization failed", "throttled=", "throttled=0x"])
def test_what_makes_no_sense_is_null(write, tools, told):
    found = raspberry.state(write(PI), tools(vcgencmd=told))
    assert set(found.values()) == {None}


def test_rails_of_the_power_chip_are_read_in_pairs(write):
    def ask(*command, first_line=False):
        return ADC if command == ("vcgencmd", "pmic_read_adc") else None

    found = raspberry.state(write(PI), ask)["rails"]
    assert [rail["name"] for rail in found] == ["VDD_CORE", "3V3_SYS"]  # EXT5V tells no current
    assert found[0]["millivolts"] == 850.0
    assert found[0]["milliwatts"] == pytest.approx(1523.4 * 0.85)


def test_any_other_machine_is_no_raspberry_pi(write, tools):
    assert raspberry.state(write({}), tools(vcgencmd="throttled=0x1")) is None
