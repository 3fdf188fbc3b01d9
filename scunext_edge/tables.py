"""Results as tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scunext_edge.benchmarks.layers import LayerProfile, LayerTime
    from scunext_edge.data.check import Finding
    from scunext_edge.doctor import Examination
    from scunext_edge.models.complexity import Profile
    from scunext_edge.models.paper import PaperRow
    from scunext_edge.pipeline.compare import Outcome


def profile_tables(profile: Profile, paper: Sequence[PaperRow]) -> None:
    """Totals, modules, and the paper's Table 1 beside ours."""
    thop = profile.thop
    totals = [
        ("parameters", f"{profile.params:,}"),
        ("MACs, conv + linear + matmul, by torch", f"{profile.macs:,}"),
        ("the same by fvcore", f"{profile.fvcore.macs:,}"),
        ("they differ by", profile.difference_reason or "nothing"),
        ("FLOPs (2 x MACs)", f"{profile.flops:,}"),
        ("thop prints", f"{thop.total:,}"),
        ("  of it norm layers", f"{thop.norm_ops:,}"),
        ("  of it transposed convolutions counted again", f"{thop.transposed_overcount:,}"),
        ("  of it upsampling, pooling, activation modules", f"{_modules(thop):,}"),
        ("  missed by it", f"{thop.macs_missed:,}"),
        ("  not explained", f"{thop.remainder:,}"),
        ("weights in float32", f"{profile.float32_bytes:,} bytes"),
        ("activation peak, float32, batch 1", f"{profile.activation_peak_bytes:,} bytes"),
    ]
    _show(f"{profile.model} at {profile.size} x {profile.size}", ("", ""), totals)
    rows = [
        (
            "  " * (row.depth - 1) + row.name,
            row.kind,
            f"{row.params:,}",
            f"{row.macs:,}",
            ", ".join("x".join(map(str, shape)) for shape in row.output_shapes),
        )
        for row in profile.modules
    ]
    _show("per module", ("module", "class", "parameters", "MACs", "output"), rows)
    table = [
        (
            *(row.method, row.model, row.paper_parameters, row.our_parameters),
            *(row.paper_flops, row.our_flops, f"{row.macs / 1e9:.3f} G"),
        )
        for row in paper
    ]
    titles = ("paper", "ours", "params", "ours", "FLOPs", "ours, thop", "MACs")
    _show("the paper's Table 1, at 256 x 256", titles, table)
    _say([f"{row.method} and {row.model}: {row.explanation}" for row in paper])


def compare_table(outcome: Outcome) -> None:
    """A line per case, its notes beneath; then what only one run holds."""
    rows = []
    for row in outcome.rows:
        found = row.comparison
        ends = f"{found.low:.3f} to {found.high:.3f}" if found.low and found.high else ""
        ratio = f"{found.ratio:.3f}" if found.ratio else ""
        times = [f"{it:.4g}" if it else "" for it in (row.a_ms, row.b_ms)]
        rows.append((row.case, *times, ratio, ends, found.answer))
    titles = ("case", "A, ms", "B, ms", "B / A", "interval", "B is")
    _show("medians of all values", titles, rows)
    for row in outcome.rows:
        refused = row.comparison.answer in {"refused", "inconclusive"}
        words = [*(row.comparison.reasons if refused else ()), *row.over, *row.notes]
        _say([f"{row.case}: {word}" for word in words])
    for name, only in (("A", outcome.only_a), ("B", outcome.only_b)):
        if only:
            _say([f"only {name} holds {', '.join(only)}"])


def layer_tables(profile: LayerProfile) -> None:
    """The layers in order, what belongs to none of them by kind, and the whole."""
    matched = [row for row in profile.layers if row.matched]
    rows = [_layer_cells(row, profile.total_ms) for row in matched]
    others: dict[str, list[float]] = {}
    for row in profile.layers:
        if not row.matched:
            others.setdefault(row.op, []).append(row.time_ms or 0.0)
    total_ms = profile.total_ms
    for op, times in others.items():
        name = f"not matched: {len(times)} x {op}"
        rows.append((name, *[""] * 4, *_time_cells(sum(times), total_ms), *[""] * 3))
    between = _time_cells(profile.between_ms, total_ms)
    rows.append(("between the kernels", *[""] * 4, *between, *[""] * 3))
    whole = (profile.limit_ms, profile.limit_share, profile.bound_by)
    macs = sum(row.macs or 0 for row in matched)
    moved = sum(row.moved_bytes or 0 for row in matched)
    sums = (f"{macs / 1e6:.2f}", f"{moved / 1e3:,.0f}")
    rows.append(("all", "", "", *sums, *_time_cells(total_ms, total_ms), *_limit_cells(*whole)))
    ran = profile.precision_ran or "a precision that it does not tell"
    _show(
        f"{profile.model} {profile.size} x {profile.size} on {profile.backend} "
        f"{profile.backend_version}, {profile.device}, threads {profile.threads}: it ran {ran}; "
        f"median of {profile.runs} runs",
        ("layer", "op", "", "MMAC", "KB", "ms", "of all", "limit, ms", "of limit", "bound by"),
        rows,
    )
    machine = profile.machine
    peaks = [f"{max(machine.fp32_macs_per_s) / 1e9:.1f} G fp32"]
    if machine.int8_macs_per_s:
        peaks.append(f"{max(machine.int8_macs_per_s) / 1e9:.1f} G int8")
    copies = [
        f"{max(it.bytes_per_s) / 1e9:.1f} GB/s ({it.traffic_bytes / 1e6:.3g} MB)"
        for it in machine.copies
    ]
    _say(
        [
            f"one core multiplies and adds per second: {', '.join(peaks)} ({machine.method})",
            f"and copies, by what one copy moves: {', '.join(copies)}",
            *machine.notes,
        ]
    )


def doctor_tables(found: Examination, machine: Mapping[str, Any]) -> None:
    """Engines, optional packages, networks, the machine."""
    engines = [
        (
            status.name,
            "works" if status.available else "does not",
            status.version or "",
            ", ".join(status.devices),
            status.reason or "",
        )
        for status in found.engines
    ]
    _show("engines", ("engine", "", "version", "devices", "why not"), engines)
    for status in found.engines:
        if status.name == "native" and status.available:
            _, best, *others = status.devices  # cpu, then each of its instruction sets
            forced = f"; --device {' or '.join(others)} forces another" if others else ""
            _say([f"on cpu, native uses what {best} does{forced}"])
    extras = [(extra.name, extra.version or "missing", extra.needed_for) for extra in found.extras]
    _show("optional parts", ("extra", "version", "needed to"), extras)
    # not in the tables: a command that is folded there cannot be copied
    hints = [status.hint for status in found.engines] + [extra.hint for extra in found.extras]
    _say([f"to get it: {hint}" for hint in dict.fromkeys(hints) if hint])
    networks = ", ".join(found.networks) or "none"
    pairs = [(key.replace("_", " "), _words(value)) for key, value in machine.items()]
    _show("this machine", ("", ""), [("networks that ship", networks), *pairs])


def finding_table(findings: Sequence[Finding]) -> None:
    """What is wrong with a data set."""
    rows = [(finding.kind, ", ".join(finding.ids), finding.message) for finding in findings]
    _show(f"{len(rows)} findings", ("kind", "images", "what"), rows)


def _layer_cells(row: LayerTime, total_ms: float) -> tuple[str, ...]:
    return (
        row.name,
        row.op,
        row.precision or "",
        f"{row.macs / 1e6:.2f}" if row.macs else "",
        "" if row.moved_bytes is None else f"{row.moved_bytes / 1e3:,.0f}",
        *_time_cells(row.time_ms, total_ms),
        *_limit_cells(row.limit_ms, row.limit_share, row.bound_by),
    )


def _time_cells(time_ms: float | None, total_ms: float) -> tuple[str, str]:
    if time_ms is None:
        return ("not known", "")
    return (f"{time_ms:.3f}", f"{time_ms / total_ms:.1%}")


def _limit_cells(
    limit_ms: float | None, share: float | None, bound_by: str | None
) -> tuple[str, str, str]:
    return (
        "" if limit_ms is None else f"{limit_ms:.3f}",
        "" if share is None else f"{share:.0%}",
        bound_by or "",
    )


def _modules(thop: Any) -> int:
    return int(thop.upsample_ops + thop.pooling_ops + thop.activation_ops)


def _words(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value)) or "none"
    return str(value)


def _say(lines: Sequence[str]) -> None:
    from rich.console import Console

    for line in (*lines, ""):
        Console(soft_wrap=True).print(line, markup=False, highlight=False)


def _show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", show_header=any(columns), show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table, "")
