"""Where energy can be read: RAPL on x86, NVML on a GPU, INA sensors on a Jetson."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from scunext_edge.benchmarks.energy.records import Unreadable
from scunext_edge.benchmarks.passport import nvml
from scunext_edge.benchmarks.passport.rails import read_rails, total_of
from scunext_edge.benchmarks.passport.sources import ROOT, number, text

_RAPL = Path("sys/class/powercap")
_PERIOD_S = 0.05
_SILENCE_S = 1.0
Clock = Callable[[], float]


class Source(Protocol):
    """Counters of energy. ``total_of`` names the rails whose sum is the total, if it is known."""

    name: str
    total_of: tuple[str, ...] | None

    def read(self) -> dict[str, float]:
        """Microjoules by rail since some start; they never fall. OSError: it answers no more."""
        ...

    def samples(self) -> int | None:
        """How often power was sampled; null where the source counts by itself."""
        ...

    def close(self) -> None: ...


def probe(device: str, root: Path = ROOT, *, clock: Clock = time.monotonic) -> Source | Unreadable:
    """The source that covers what ``device`` does, or why there is none.

    A Jetson measures its whole board, whatever works on it. Close the source after use.
    """
    rails = read_rails(root)
    if rails:
        names = {rail.name for rail in rails}
        total = total_of(text(root / "proc/device-tree/model"), names)
        return Sampled("INA sensors", lambda: _board(root), total, clock=clock).start()
    if device.startswith("cuda"):
        return _gpu(clock)
    return _rapl(root)


@contextmanager
def opened(device: str) -> Iterator[Source | Unreadable]:
    """The source of :func:`probe`, closed afterwards."""
    source = probe(device)
    try:
        yield source
    finally:
        if not isinstance(source, Unreadable):
            source.close()


class Counters:
    """The processor's own counters. They begin at zero again above ``max_energy_range_uj``."""

    name = "RAPL"

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._last = {rail: _count(path) for rail, path in files.items()}
        self._sums = dict.fromkeys(files, 0.0)
        # Parts ("package-0 core") are in their package; memory ("dram") and the whole platform
        # ("psys"), which holds the packages, are told and not added.
        packages = [rail for rail in files if re.fullmatch(r"package-\d+(-die-\d+)?", rail)]
        self.total_of = tuple(packages) or None

    def read(self) -> dict[str, float]:
        for rail, path in self._files.items():
            count = _count(path)
            passed = count - self._last[rail]
            if passed < 0:
                passed += number(path.with_name("max_energy_range_uj")) or 0
            self._sums[rail] += max(0, passed)
            self._last[rail] = count
        return dict(self._sums)

    def samples(self) -> None:
        return None

    def close(self) -> None:
        """Nothing is held."""


class Sampled:
    """Power, sampled by a thread and integrated by the trapezoid rule."""

    def __init__(
        self,
        name: str,
        power_mw: Callable[[], Mapping[str, float]],
        total_of: tuple[str, ...] | None,
        *,
        clock: Clock,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.total_of = total_of
        self._power_mw = power_mw
        self._clock = clock
        self._release = release
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last: dict[str, tuple[float, float]] = {}  # moment, milliwatts
        self._sums: dict[str, float] = {}
        self._samples = 0

    def start(self) -> Sampled:
        """Sample in the background; without it, only where it is read."""
        self._thread = threading.Thread(target=self._keep_sampling, daemon=True)
        self._thread.start()
        return self

    def read(self) -> dict[str, float]:
        self._sample()
        with self._lock:
            newest = max((moment for moment, _ in self._last.values()), default=0.0)
            oldest = min((moment for moment, _ in self._last.values()), default=0.0)
            if newest - oldest > _SILENCE_S:
                raise OSError("a rail tells no power any more")
            return dict(self._sums)

    def samples(self) -> int:
        return self._samples

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._release()

    def _keep_sampling(self) -> None:
        while not self._stop.wait(_PERIOD_S):
            self._sample()

    def _sample(self) -> None:
        """A rail that does not answer now is integrated from its last answer to its next."""
        with self._lock:
            power = self._power_mw()
            now = self._clock()
            for rail, mw in power.items():
                before, was = self._last.get(rail, (now, mw))
                # milliwatts times seconds are millijoules
                passed = (was + mw) / 2 * (now - before) * 1000
                self._sums[rail] = self._sums.get(rail, 0.0) + passed
                self._last[rail] = (now, mw)
            self._samples += 1


class GpuCounters:
    """NVML's count of millijoules since the driver was loaded, of every GPU."""

    name = "NVML"

    def __init__(self, devices: Mapping[str, nvml.Device], release: Callable[[], None]) -> None:
        self._devices = devices
        self._release = release
        self.total_of: tuple[str, ...] | None = tuple(devices)

    def read(self) -> dict[str, float]:
        found = {rail: it.ask("TotalEnergyConsumption") for rail, it in self._devices.items()}
        silent = [rail for rail, mj in found.items() if mj is None]
        if silent:
            raise OSError(f"{', '.join(silent)} does not tell its energy")
        return {rail: mj * 1000.0 for rail, mj in found.items()}

    def samples(self) -> None:
        return None

    def close(self) -> None:
        self._release()


def _rapl(root: Path) -> Counters | Unreadable:
    """Zones of the first interface alone: "intel-rapl-mmio" counts the same package again."""
    files: dict[str, Path] = {}
    for zone in sorted((root / _RAPL).glob("intel-rapl:*")):
        name = text(zone / "name")
        if name is None or not (zone / "energy_uj").exists():
            continue
        parent = text(zone.with_name(zone.name.rpartition(":")[0]) / "name")
        files[name if parent is None else f"{parent} {name}"] = zone / "energy_uj"
    if not files:
        return Unreadable(
            reason="this machine shows no counter of energy (RAPL)",
            hint="virtual machines hide it; Linux on x86 has it in the module intel_rapl_msr; "
            "elsewhere use a power meter",
        )
    try:
        return Counters(files)
    except PermissionError:
        return Unreadable(
            reason="the counter of energy (RAPL) may be read by root alone, as Linux has it "
            "since 5.10",
            hint="sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next start)",
        )
    except OSError as error:
        return Unreadable(reason=f"the counter of energy (RAPL) does not answer: {error.strerror}")


def _gpu(clock: Clock) -> Source | Unreadable:
    with contextlib.ExitStack() as stack:
        library = stack.enter_context(nvml.opened())
        if library is None:
            return Unreadable(
                reason="the GPU's energy is told by NVML, which does not answer",
                hint="pip install 'scunext-edge[gpu]', on a machine with NVIDIA's driver",
            )
        devices = {f"gpu{index}": it for index, it in enumerate(nvml.devices(library))}
        if devices and all(it.ask("TotalEnergyConsumption") is not None for it in devices.values()):
            return GpuCounters(devices, stack.pop_all().close)
        if devices and all(it.ask("PowerUsage") is not None for it in devices.values()):
            release = stack.pop_all().close
            power = _power_of(devices)
            return Sampled(
                "NVML power", power, tuple(devices), clock=clock, release=release
            ).start()
    return Unreadable(reason="this GPU tells neither its energy nor its power")


def _power_of(devices: Mapping[str, nvml.Device]) -> Callable[[], Mapping[str, float]]:
    def power() -> Mapping[str, float]:
        asked: dict[str, Any] = {rail: it.ask("PowerUsage") for rail, it in devices.items()}
        return {rail: float(mw) for rail, mw in asked.items() if mw is not None}

    return power


def _board(root: Path) -> Mapping[str, float]:
    return {it.name: it.milliwatts for it in read_rails(root) if it.milliwatts is not None}


def _count(path: Path) -> int:
    """A counter; OSError where it cannot be read, or holds no number."""
    try:
        return int(path.read_text(encoding="ascii"))
    except ValueError as error:
        raise OSError(0, "it holds no number") from error
