"""Counters that wrap or may not be read, power that is integrated, GPUs of every kind."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from scunext_edge.benchmarks.energy import Unreadable, probe
from scunext_edge.benchmarks.energy.sources import Sampled

RAPL = "sys/class/powercap"


def zone(path, name, uj, most=262_143_328_850):
    return {
        f"{RAPL}/{path}/name": f"{name}\n",
        f"{RAPL}/{path}/energy_uj": f"{uj}\n",
        f"{RAPL}/{path}/max_energy_range_uj": f"{most}\n",
    }


SERVER = {
    **zone("intel-rapl:0", "package-0", 1_000),
    **zone("intel-rapl:0:0", "core", 10),
    **zone("intel-rapl:0:1", "dram", 100),
    **zone("intel-rapl:1", "package-1", 2_000),
    **zone("intel-rapl:2", "psys", 9_000),
    **zone("intel-rapl-mmio:0", "package-0", 1_000),
    **zone("intel-rapl-mmio:0:0", "dram again", 100),
}


def test_packages_are_summed_and_the_rest_is_told(write):
    source = probe("cpu", write(SERVER))
    assert source.total_of == ("package-0", "package-1")
    assert source.samples() is None
    write({**zone("intel-rapl:0", "package-0", 1_500), **zone("intel-rapl:2", "psys", 9_900)})
    assert source.read() == {
        "package-0": 500,
        "package-0 core": 0,
        "package-0 dram": 0,
        "package-1": 0,
        "psys": 900,
    }


def test_a_counter_that_began_again_goes_on(write):
    source = probe("cpu", write(zone("intel-rapl:0", "package-0", 990, most=1_000)))
    readings = []
    for count in (995, 5, 20, 3):
        write(zone("intel-rapl:0", "package-0", count, most=1_000))
        readings.append(source.read()["package-0"])
    assert readings == [5, 15, 30, 1013]


def test_what_only_root_may_read_is_told_with_its_remedy(write, monkeypatch):
    real = Path.read_text

    def refuse(path, *arguments, **options):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    found = probe("cpu", write(SERVER))
    assert isinstance(found, Unreadable)
    assert "root alone" in found.reason
    assert "chmod" in found.hint


def test_a_machine_without_counters_says_so(tmp_path):
    found = probe("cpu", tmp_path)
    assert isinstance(found, Unreadable)
    assert "RAPL" in found.reason


def test_a_counter_that_makes_no_sense_is_no_counter(write):
    found = probe("cpu", write(zone("intel-rapl:0", "package-0", "lots")))
    assert isinstance(found, Unreadable)
    assert "no number" in found.reason


def sampled(clock, powers):
    """Power in mW, one mapping per sample."""
    values = iter(powers)
    return Sampled("test", lambda: next(values), ("A",), clock=clock)


def test_power_is_integrated_by_trapezoids(clock):
    source = sampled(clock, [{"A": 1000, "B": 10}, {"A": 3000, "B": 10}, {"A": 3000, "B": 30}])
    assert source.read() == {"A": 0, "B": 0}
    clock.sleep(0.5)
    assert source.read() == {"A": pytest.approx(1e6), "B": pytest.approx(5e3)}
    clock.sleep(1)
    assert source.read() == {"A": pytest.approx(4e6), "B": pytest.approx(25e3)}
    assert source.samples() == 3


def test_a_rail_that_misses_a_sample_is_integrated_over_it(clock):
    source = sampled(clock, [{"A": 1000}, {}, {"A": 1000}])
    for _ in range(2):
        source.read()
        clock.sleep(0.5)
    assert source.read() == {"A": pytest.approx(1e6)}


def test_a_rail_that_falls_silent_is_not_taken_for_one_without_power(clock):
    source = sampled(clock, [{"A": 1000, "B": 5}, {"B": 5}])
    source.read()
    clock.sleep(2)
    with pytest.raises(OSError, match="no power any more"):
        source.read()


def ina(mv, ma):
    folder = "sys/class/hwmon/hwmon3"
    return {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        f"{folder}/name": "ina3221\n",
        f"{folder}/in1_label": "VDD_IN\n",
        f"{folder}/in1_input": f"{mv}\n",
        f"{folder}/curr1_input": f"{ma}\n",
        f"{folder}/in2_label": "VDD_SOC\n",
        f"{folder}/in2_input": "5000\n",
        f"{folder}/curr2_input": "200\n",
    }


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_jetson_measures_its_board_whatever_works_on_it(write, clock, device):
    source = probe(device, write(ina(5000, 1000)), clock=clock)
    try:
        assert (source.name, source.total_of) == ("INA sensors", ("VDD_IN",))
        assert set(source.read()) == {"VDD_IN", "VDD_SOC"}
    finally:
        source.close()


class NotSupported(Exception):
    pass


@pytest.fixture
def nvml(monkeypatch):
    """A stand-in with devices that know these answers; returns what was opened and closed."""

    def install(*devices):
        calls = []

        def ask(question):
            def answer(device):
                if question not in device:
                    raise NotSupported(question)
                return device[question]

            return answer

        library = SimpleNamespace(
            nvmlInit=lambda: calls.append("open"),
            nvmlShutdown=lambda: calls.append("close"),
            nvmlDeviceGetCount=lambda: len(devices),
            nvmlDeviceGetHandleByIndex=lambda index: devices[index],
            nvmlDeviceGetTotalEnergyConsumption=ask("energy"),
            nvmlDeviceGetPowerUsage=ask("power"),
        )
        monkeypatch.setitem(sys.modules, "pynvml", library)
        return calls

    return install


def test_a_gpu_that_counts_is_read(nvml, tmp_path):
    one = {"energy": 5000, "power": 80_000}
    calls = nvml(one, {"energy": 7, "power": 9})
    source = probe("cuda", tmp_path)
    assert (source.name, source.total_of) == ("NVML", ("gpu0", "gpu1"))
    assert source.read() == {"gpu0": 5_000_000.0, "gpu1": 7000.0}
    del one["energy"]
    with pytest.raises(OSError, match="gpu0"):
        source.read()
    assert calls == ["open"]
    source.close()
    assert calls == ["open", "close"]


def test_a_gpu_that_does_not_count_is_sampled(nvml, tmp_path, clock):
    calls = nvml({"power": 80_000})
    source = probe("cuda:0", tmp_path, clock=clock)
    source.read()
    clock.sleep(1)
    assert source.read()["gpu0"] == pytest.approx(80e6)
    source.close()
    assert (source.name, calls) == ("NVML power", ["open", "close"])


def test_a_gpu_that_tells_neither_says_so(nvml, tmp_path):
    calls = nvml({})
    assert probe("cuda", tmp_path) == Unreadable(
        reason="this GPU tells neither its energy nor its power"
    )
    assert calls == ["open", "close"]


def test_without_nvml_the_remedy_is_told(tmp_path):
    found = probe("cuda", tmp_path)
    assert isinstance(found, Unreadable)
    assert "scunext-edge[gpu]" in found.hint


def test_power_is_sampled_in_the_background_until_it_is_closed():
    often = threading.Event()
    calls = []

    def power():
        calls.append(1)
        if len(calls) >= 3:
            often.set()
        return {"A": 1.0}

    source = Sampled("test", power, ("A",), clock=time.monotonic).start()
    assert often.wait(timeout=30)
    source.close()
    assert source.samples() == len(calls)
    assert not source._thread.is_alive()
