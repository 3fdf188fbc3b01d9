"""Why no row can be recommended, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scunext_edge.report.choice import LeftOut
from scunext_edge.report.comparable import emulation
from scunext_edge.report.naming import full_name, short_name
from scunext_edge.report.records import Run

_NAMED = 4  # rows whose reasons are spelled out


def obstacles(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """What stands against all rows is said once; then the fastest rows have their own reasons."""
    shared = _shared(left_out) if len(left_out) > 1 else []
    yield from (f"All rows: {reason}." for reason in shared)
    by_speed = sorted(left_out, key=lambda it: it.row.latency_ms.median if it.row.latency_ms else 0)
    for it in by_speed[:_NAMED]:
        own = [reason for reason in it.row.stability_reasons if reason not in shared]
        if reason := "; ".join(own) if shared else it.reason:
            yield f"{full_name(it.row)}: {reason}."
    if (more := len(left_out) - _NAMED) > 0:
        yield f"{more} slower rows were left out, too: the table shows why."


def _shared(left_out: Sequence[LeftOut]) -> list[str]:
    """Reasons that all rows are unstable for, such as a machine that drifted."""
    if any(it.step != "stability" for it in left_out):
        return []
    first, *others = (it.row.stability_reasons for it in left_out)
    return [reason for reason in first if all(reason in other for other in others)]


def obstacle(run: Run, left_out: Sequence[LeftOut]) -> tuple[str, str]:
    """The last step that any row reached, why none passed it, and what to do."""
    if not left_out:
        return "no row was measured", "The reasons stand with the rows that could not run."
    if emulator := emulation(run):
        return (
            f"this device is {emulator}, and its times are those of the emulator",
            "Measure on the device itself.",
        )
    steps = ("conditions", "gate", "network", "stability", "interval")
    last = max((it.step for it in left_out), key=steps.index)
    many = [it for it in left_out if it.step == last]
    return {
        "conditions": ("no row was measured as the others were", "Measure all in one run."),
        "gate": _gate_obstacle(many),
        "network": (
            "no row of the most accurate network may be shipped, and the others are less accurate",
            "Train or quantize it again, or allow a larger loss with --gate.",
        ),
        "stability": (
            f"{_all(many)} accurate enough {'is' if len(many) == 1 else 'are'} unstable",
            "Close what else runs, let the device reach its temperature, and measure again.",
        ),
        "interval": (
            f"{_all(many)} accurate enough ran in one process only, so nothing is known about "
            "how processes differ",
            "Measure with --suite full.",
        ),
    }[last]


def _gate_obstacle(many: Sequence[LeftOut]) -> tuple[str, str]:
    if any(it.row.gate == "failed" for it in many):
        return (
            "no row passed the accuracy gate",
            "Try another precision or quantizer (`scunext-edge quantize` searches them).",
        )
    return (
        "no row was scored, so only its speed is known",
        "Train the network (`scunext-edge train`), and give --data.",
    )


def _all(many: Sequence[LeftOut]) -> str:
    return f"the one row ({short_name(many[0].row)})" if len(many) == 1 else f"all {len(many)} rows"
