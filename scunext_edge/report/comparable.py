"""Which rows were measured in the same way, and why the others may not stand beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scunext_edge.report.records import Run
from scunext_edge.results import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A measured row that is shown and not ranked."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The timed rows of a run: those that may be ranked, and those that may not."""

    rows: Sequence[Row]
    apart: Sequence[Apart]


def compare_conditions(run: Run) -> Comparison:
    """Rank what was measured as most rows were (the first such way, where two are as common)."""
    timed = [row for row in run.rows if row.status == "ok" and row.latency_ms]
    usual = _commonest(run, [row for row in timed if not emulation(run, row)])
    apart = []
    for row in timed:
        if emulator := emulation(run, row):
            apart.append(Apart(row=row, reason=f"{emulator}: its time is that of the emulator"))
        elif reason := differences(way(run, row), usual):
            apart.append(Apart(row=row, reason=reason))
    left = {id(it.row) for it in apart}
    return Comparison(rows=[row for row in timed if id(row) not in left], apart=apart)


def usual_way(run: Run) -> dict[str, str]:
    """How most timed rows were measured, emulated or not; empty without any."""
    return _commonest(run, [row for row in run.rows if row.status == "ok" and row.latency_ms])


def emulation(run: Run, row: Row | None = None) -> str | None:
    """Whether the machine that a row ran on says that it is emulated, and by what it is said."""
    record = run.measurements.get(row.key) if row else None
    machines = [dict(it.environment.get("machine") or {}) for it in record.runs] if record else []
    for machine in (*machines, run.environment):
        if found := machine.get("emulated"):
            return "emulated" if found is True else f"emulated by {found}"
    return None


def way(run: Run, row: Row) -> dict[str, str]:
    """What two latencies must share before one is called the shorter."""
    assert row.latency_ms is not None
    record = run.measurements.get(row.key)
    subject: Any = record.subject if record else None
    return {
        "region": row.latency_ms.region.replace("_", " "),
        "scenario": row.scenario,
        "batch": str(subject.batch) if subject else "1",
        "threads": str(row.threads),
        "pinned to CPUs": ", ".join(map(str, subject.cpus)) if subject and subject.cpus else "none",
    }


def differences(one: dict[str, str], usual: dict[str, str], *, usual_is: str = "the others") -> str:
    """In which of its conditions a way differs from the usual one; empty: in none."""
    found = [
        f"{name} {value} ({usual_is}: {usual[name]})"
        for name, value in one.items()
        if value != usual[name]
    ]
    return "; ".join(found)


def _commonest(run: Run, rows: Sequence[Row]) -> dict[str, str]:
    counted = Counter(tuple(way(run, row).items()) for row in rows)
    return dict(counted.most_common(1)[0][0]) if counted else {}
