"""Which conditions of two measurements differ, and whether their latencies may be compared.

The rule: what decides how fast the same code runs (processor, instructions, limits, clocks, power
mode, power source, GPU and its limits, threads) refuses; what may matter (versions, kernel, memory)
is noted. What is known of one of them only is noted too, since it may or may not differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Environment = Mapping[str, Any]  # {"machine": ..., "before": ..., "after": ..., "versions": ...}
Weight = Literal["refuse", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One condition; ``text`` is a sentence for a report."""

    condition: str
    first: Any
    second: Any
    weight: Weight
    text: str


def differences(
    first: Environment, second: Environment, *, device: str | None = None
) -> list[Difference]:
    """All conditions that differ, those that refuse first.

    ``device`` is what both ran on, if it is known: on a CPU, the GPU beside it is only noted.
    """
    found = []
    for name, read, weight in _CONDITIONS:
        if device == "cpu" and name.startswith("GPU"):
            weight = "note"
        found += _compared(name, read(first), read(second), weight)
    for package in {**_versions(first), **_versions(second)}:
        one, other = (_version(it, package) for it in (first, second))
        found += _compared(f"version of {package}", one, other, "note")
    return sorted(found, key=lambda it: it.weight != "refuse")


def _compared(name: str, one: Any, other: Any, weight: Weight) -> list[Difference]:
    if one == other:
        return []
    if one is None or other is None:
        known = _words(other if one is None else one)
        text, weight = f"{name}: {known} in one, unknown on the other side", "note"
    elif name == "instructions":
        text = f"{name}: {_sets(one, other)}"
    else:
        text = f"{name}: {_words(one)} in the first, {_words(other)} in the second"
    return [Difference(condition=name, first=one, second=other, weight=weight, text=text)]


def _sets(one: Sequence[str], other: Sequence[str]) -> str:
    sides = {
        "first": sorted(set(one) - set(other)),
        "second": sorted(set(other) - set(one)),
    }
    return ", ".join(f"{' '.join(it)} only in the {side}" for side, it in sides.items() if it)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(it)}" for key, it in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value)) or "none"
    return str(value)


def _versions(environment: Environment) -> Mapping[str, str | None]:
    return environment.get("versions") or {}


def _version(environment: Environment, package: str) -> str | None:
    """Null only where nobody looked."""
    versions = _versions(environment)
    return (versions[package] or "not installed") if package in versions else None


def _machine(key: str) -> Callable[[Environment], Any]:
    return lambda environment: (environment.get("machine") or {}).get(key)


def _before(*keys: str) -> Callable[[Environment], Any]:
    def read(environment: Environment) -> Any:
        value: Any = environment.get("before")
        for key in keys:
            value = (value or {}).get(key)
        return value

    return read


def _governor(environment: Environment) -> Any:
    """Of all CPUs where it is told so, else the one of the first."""
    policies = _before("clock_policies")(environment) or []
    names = {policy["governor"] for policy in policies}
    if names and None not in names:
        return ", ".join(sorted(names))
    return _machine("governor")(environment)


def _clock_limits(environment: Environment) -> Any:
    policies = _before("clock_policies")(environment) or []
    limits = [(it["cpus"], it["limit_min_khz"], it["limit_max_khz"]) for it in policies]
    if not limits or any(None in it for it in limits):
        return None
    return ", ".join(
        f"{least / 1000:g} to {most / 1000:g} MHz (CPU {cpus})" for cpus, least, most in limits
    )


def _gpus(key: str) -> Callable[[Environment], Any]:
    """One value per GPU; null if one GPU does not tell."""

    def read(environment: Environment) -> Any:
        for part in ("machine", "before"):
            found = [it[key] for it in (environment.get(part) or {}).get("gpus") or () if key in it]
            if found:
                return None if None in found else found
        return None

    return read


def _gpu_names(environment: Environment) -> Any:
    return _gpus("name")(environment) or _only(_machine("gpu_name")(environment))


def _gpu_power(environment: Environment) -> Any:
    limits = _gpus("power_limit_mw")(environment)
    return None if limits is None else [f"{limit / 1000:g} W" for limit in limits]


def _only(value: Any) -> list[Any] | None:
    return None if value is None else [value]


_CONDITIONS: tuple[tuple[str, Callable[[Environment], Any], Weight], ...] = (
    ("processor", _machine("cpu_model"), "refuse"),
    ("architecture", _machine("architecture"), "refuse"),
    ("instructions", _machine("isa"), "refuse"),
    ("physical cores", _machine("cores_physical"), "refuse"),
    ("logical cores", _machine("cores_logical"), "refuse"),
    ("board", _machine("board"), "refuse"),
    ("virtual machine", _machine("hypervisor"), "refuse"),
    ("limit on CPU time, in cores", _machine("cpu_limit_cores"), "refuse"),
    ("CPUs that it may run on", _before("cpus_allowed"), "refuse"),
    ("thread settings", _before("thread_settings"), "refuse"),
    ("governor", _governor, "refuse"),
    ("turbo", _machine("turbo"), "refuse"),
    ("limits of the clock", _clock_limits, "refuse"),
    ("lowest clock in kHz", _machine("clock_min_khz"), "refuse"),
    ("highest clock in kHz", _machine("clock_max_khz"), "refuse"),
    ("power source", _before("power_source"), "refuse"),
    ("L4T release", _machine("l4t"), "refuse"),
    ("power mode", _before("jetson", "power_mode"), "refuse"),
    ("number of the power mode", _before("jetson", "power_mode_id"), "refuse"),
    ("clocks by jetson_clocks", _before("jetson", "clocks"), "refuse"),
    ("GPU", _gpu_names, "refuse"),
    ("GPU driver", _machine("gpu_driver"), "refuse"),
    ("GPU power limit", _gpu_power, "refuse"),
    ("GPU clock limit in MHz", _gpus("clock_max_sm_mhz"), "refuse"),
    ("GPU memory clock limit in MHz", _gpus("clock_max_memory_mhz"), "refuse"),
    ("GPU partitioned (MIG)", _gpus("mig"), "refuse"),
    ("GPU persistence mode", _gpus("persistence"), "note"),
    ("which CPUs it may run on", _before("cpus_allowed_list"), "note"),
    ("memory in bytes", _machine("memory_bytes"), "note"),
    ("limit on memory in bytes", _machine("memory_limit_bytes"), "note"),
    ("container", _machine("container"), "note"),
    ("operating system", _machine("os"), "note"),
    ("kernel", _machine("kernel"), "note"),
    ("Python", _machine("python"), "note"),
    ("CUDA of the driver", _machine("gpu_cuda"), "note"),
)
