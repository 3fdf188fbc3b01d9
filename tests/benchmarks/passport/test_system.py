"""Memory, load, supply and threads, on text as the kernel writes it."""

from __future__ import annotations

import os

import pytest

from scunext_edge.benchmarks.passport import system
from scunext_edge.benchmarks.passport.sources import ranges

SUPPLY = "sys/class/power_supply"
PRESSURE = """\
some avg10=2.37 avg60=1.16 avg300=0.36 total=231191
full avg10=0.00 avg60=0.00 avg300=0.00 total=99
"""


def test_the_state_is_read(write):
    tick = os.sysconf("SC_CLK_TCK")
    numbers = [tick, 2 * tick, 3 * tick, 99 * tick, 98 * tick, 4 * tick, 5 * tick, 6 * tick, 0, 0]
    root = write(
        {
            "proc/stat": "cpu  " + " ".join(map(str, numbers)) + "\ncpu0 1 2 3\n",
            "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n",
            "proc/pressure/cpu": PRESSURE,
            "proc/meminfo": "MemTotal:        2048 kB\nMemAvailable:    1024 kB\n"
            "SwapTotal:        512 kB\nSwapFree:         384 kB\n",
        }
    )
    found = system.state(root)
    assert found["cpu_busy_s"] == 21.0  # all but idle and waiting for a disk
    assert found["cpu_steal_s"] == 6.0
    assert found["load_1min"] == 0.52
    assert (found["cpu_pressure_percent_10s"], found["cpu_pressure_us"]) == (2.37, 231191)
    assert found["memory_available_bytes"] == 1 << 20
    assert found["swap_used_bytes"] == 128 << 10
    whole = system.identity(root)
    assert (whole["memory_bytes"], whole["swap_bytes"]) == (2 << 20, 512 << 10)


UNREAD = (
    *("cpu_busy_s", "cpu_steal_s", "load_1min", "cpu_pressure_percent_10s", "cpu_pressure_us"),
    *("memory_available_bytes", "swap_used_bytes", "power_source", "battery_percent"),
)


def test_what_cannot_be_read_is_null(tmp_path):
    found = system.state(tmp_path)
    assert {name: found[name] for name in UNREAD} == dict.fromkeys(UNREAD)
    names = ("memory_bytes", "swap_bytes", "product", "container", "board")
    assert {name: system.identity(tmp_path)[name] for name in names} == dict.fromkeys(names)


def test_what_makes_no_sense_is_null(write):
    root = write(
        {
            "proc/stat": "cpu a b c d e f g h i\n",
            "proc/loadavg": "high\n",
            "proc/pressure/cpu": "some avg10=often\n",
            "proc/meminfo": "MemAvailable: plenty\n",
            f"{SUPPLY}/BAT0/type": "Battery\n",
            f"{SUPPLY}/BAT0/status": "Melting\n",
            f"{SUPPLY}/BAT0/capacity": "some\n",
        }
    )
    found = system.state(root)
    assert {name: found[name] for name in UNREAD} == dict.fromkeys(UNREAD)


def supply(name, **files):
    return {f"{SUPPLY}/{name}/{file}": f"{value}\n" for file, value in files.items()}


MOUSE = supply("hidpp", type="Battery", scope="Device", status="Discharging", capacity=3)


@pytest.mark.parametrize(
    ("files", "source", "percent"),
    [
        ({**supply("AC", type="Mains", online=1), **MOUSE}, "mains", None),
        (MOUSE, None, None),
        (
            {
                **supply("AC", type="Mains", online=0),
                **supply("BAT0", type="Battery", status="Discharging", capacity=81),
            },
            "battery",
            81,
        ),
        (supply("BAT1", type="Battery", status="Charging", capacity=40), "mains", 40),
        (
            {
                **supply("ucsi", type="USB", online=1),
                **supply("BAT0", type="Battery", status="Unknown", capacity=99),
            },
            "mains",
            99,
        ),
        (supply("ucsi", type="USB", online=0), None, None),
    ],
)
def test_the_source_of_power_is_read(write, files, source, percent):
    found = system.state(write(files))
    assert (found["power_source"], found["battery_percent"]) == (source, percent)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({"run/systemd/container": "lxc\n"}, "lxc"),
        ({"proc/1/cgroup": "0::/kubepods/besteffort/pod1\n"}, "kubepods"),
        ({"proc/1/cgroup": "0::/init.scope\n"}, None),
    ],
)
def test_a_container_is_recognized(write, files, kind):
    assert system.identity(write(files))["container"] == kind


def test_a_product_is_told_unless_it_names_somebody(write, monkeypatch):
    root = write({"sys/class/dmi/id/product_name": "Latitude 5420\n"})
    assert system.identity(root)["product"] == "Latitude 5420"
    write({"sys/class/dmi/id/product_name": "Laptop of Ada\n"})
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert system.identity(root)["product"] is None


def test_settings_of_threads_are_told_but_no_path(monkeypatch):
    for name in system._SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("KMP_AFFINITY", "granularity=fine,compact")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "/home/somebody")
    assert system.thread_settings() == {
        "OMP_NUM_THREADS": "2",
        "KMP_AFFINITY": "granularity=fine,compact",
        "CUDA_VISIBLE_DEVICES": "set",
    }


@pytest.mark.parametrize(
    ("numbers", "text"), [({0, 1, 2, 5, 7, 8}, "0-2,5,7-8"), ({3}, "3"), (set(), "")]
)
def test_cpus_are_told_as_ranges(numbers, text):
    assert ranges(numbers) == text
