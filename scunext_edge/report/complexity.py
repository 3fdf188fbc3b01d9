"""What each network costs: our counts beside those that the paper printed."""

from __future__ import annotations

from scunext_edge.report import numbers
from scunext_edge.report.records import Run

HEADS = (
    "network",
    "parameters",
    "paper",
    "MACs (fvcore)",
    "MACs (torch)",
    "MACs (thop)",
    "paper's FLOPs",
)


def complexity_lines(run: Run) -> list[list[str | None]]:
    """Network, our figures and the paper's, and a note; from the rows where no list was stored."""
    found: list[list[str | None]] = []
    for entry in run.complexity:
        names = ("params", "paper_params", "macs_fvcore", "macs_torch", "macs_thop", "paper_flops")
        found.append([str(entry["model"]), *(_figure(name, entry.get(name)) for name in names)])
        found[-1].append(entry.get("note"))
    listed = {line[0] for line in found}
    for row in run.rows:
        if row.model not in listed and row.params is not None:
            listed.add(row.model)
            macs = _figure("macs", row.macs)
            found.append(
                [row.model, _figure("params", row.params), None, macs, None, None, None, None]
            )
    return found


def _figure(name: str, value: object) -> str | None:
    """Our numbers are formatted; what the paper printed stays as it is."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, int | float):
        return str(value)
    return numbers.count(value) if name.endswith("params") else numbers.cost(value)
