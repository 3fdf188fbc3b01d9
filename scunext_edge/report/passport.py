"""Under which conditions each row was measured: what its processes recorded before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scunext_edge.benchmarks.records import Record
from scunext_edge.report import facts
from scunext_edge.report.records import Run
from scunext_edge.results import Row

# Times that were summed up since the start: only their differences say anything, in the doubts.
_SUMS = ("_s", "_us")
_ARROW = " \N{RIGHTWARDS ARROW} "


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a row's processes told; null: nothing. ``differs``: from what most rows told."""

    text: str | None
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Passport:
    """``shared`` holds for all rows and stands nowhere else; ``silent``: what no row could tell."""

    shared: Sequence[tuple[str, str]]
    heads: Sequence[str]
    rows: Sequence[tuple[Row, Sequence[Cell]]]
    silent: Sequence[str]


def passport(run: Run) -> Passport | None:
    """The conditions of all rows side by side; null where no record holds any."""
    rows = [row for row in run.rows if row.key in run.measurements]
    machines = [_machine(run.measurements[row.key]) for row in rows]
    states = [_conditions(run.measurements[row.key]) for row in rows]
    above = dict(flat(run.environment))
    shared, heads, columns, silent = [], [], [], []
    for told, are_states in ((machines, False), (states, True)):
        for name in dict.fromkeys(name for row in told for name in row):
            values = [row.get(name) for row in told]
            known = {value for value in values if value is not None}
            if not known:
                silent += [] if name in above and not are_states else [facts.label(name)]
            elif len(known) > 1 or None in values or are_states:
                heads.append(facts.label(name))
                columns.append(_column(values))
            elif values[0] != facts.text(name, above.get(name)):
                shared.append((facts.label(name), str(values[0])))
    if not (shared or heads or silent):
        return None
    cells = [[column[at] for column in columns] for at in range(len(rows))]
    return Passport(
        shared=shared, heads=heads, rows=list(zip(rows, cells, strict=True)), silent=silent
    )


def flat(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """As one level: ``gpu`` with ``driver`` as ``gpu_driver``; of several, ``gpus_1_driver``."""
    for name, value in mapping.items():
        inner = value if isinstance(value, list) else [value]
        if inner and all(isinstance(each, Mapping) and each for each in inner):
            for number, each in enumerate(inner, start=1):
                yield from flat(
                    each, f"{prefix}{name}_{number}_" if inner[1:] else f"{prefix}{name}_"
                )
        else:
            yield f"{prefix}{name}", value


def _machine(record: Record) -> dict[str, str | None]:
    """What does not change while a machine runs; several answers where it did."""
    told: dict[str, dict[str | None, None]] = {}
    for run in record.runs:
        versions = run.environment.get("versions") or {}
        installed = {f"version of {name}": it for name, it in versions.items() if it is not None}
        for name, value in flat({**(run.environment.get("machine") or {}), **installed}):
            told.setdefault(name, {})[facts.text(name, value)] = None
    return {name: _joined(list(values)) for name, values in told.items()}


def _joined(values: Sequence[str | None]) -> str | None:
    if set(values) == {None}:
        return None
    return " or ".join(value or "not told" for value in values)


def _conditions(record: Record) -> dict[str, str | None]:
    """Before and after, each as the range over the processes."""
    sides: dict[str, dict[str, list[Any]]] = {}
    for side in ("before", "after"):
        for run in record.runs:
            for name, value in flat(run.environment.get(side) or {}):
                if not name.endswith(_SUMS):
                    sides.setdefault(name, {}).setdefault(side, []).append(value)
    found = {}
    for name, told in sides.items():
        before, after = (_range(name, told.get(side, [])) for side in ("before", "after"))
        same = before == after or after is None
        found[name] = before if same else f"{before or 'not told'}{_ARROW}{after}"
    return found


def _range(name: str, values: Sequence[Any]) -> str | None:
    """``0.4 to 1.2`` of numbers, lists of them included; of anything else each different word."""
    known = [value for value in values if value is not None]
    numbers = [it for value in known for it in (value if isinstance(value, list) else [value])]
    if not all(isinstance(it, int | float) and not isinstance(it, bool) for it in numbers):
        return _joined(list(dict.fromkeys(facts.text(name, value) for value in known)) or [None])
    if not numbers:
        return None
    low, high = facts.text(name, min(numbers)), facts.text(name, max(numbers))
    return low if low == high else f"{low} to {high}"


def _column(values: Sequence[str | None]) -> list[Cell]:
    """Where more than half of the rows agree, the others are marked."""
    usual, count = Counter(values).most_common(1)[0]
    most = 2 * count > len(values)
    return [Cell(text=value, differs=most and value != usual) for value in values]
