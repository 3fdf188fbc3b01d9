"""An operating point as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scunext_edge.pipeline.operating.summary import RIVAL, SIGNALS
from scunext_edge.report.markdown import table
from scunext_edge.report.numbers import MINUS, drop, score

Record = Mapping[str, Any]
FEW = 10  # pictures: a mean of fewer is not shown


def to_markdown(record: Record, *, figures: Sequence[str] = ()) -> str:
    """Every table of every network; ``figures`` lie beside the page."""
    parts = ["# Operating point", "", about(record), ""]
    for title, rows in (
        ("Threshold", thresholds(record)),
        ("Reliability", reliability(record)),
        ("Eight views", views(record)),
        ("Whether a doubt finds bad masks", doubts(record)),
        ("Corruptions", corruptions(record)),
    ):
        parts += [f"## {title}", "", *rows, ""]
    for name in figures:
        parts += [f"![{name.removesuffix('.svg')}]({name})", ""]
    return "\n".join(parts)


def about(record: Record) -> str:
    """Which images, in words."""
    data = record["data"]
    chosen, measured = data["chosen_on"], data["measured_on"]
    return (
        f"Thresholds chosen on {chosen['images']} images of {data['name']} ({chosen['part']}), all "
        f"else measured on {measured['images']} ({measured['part']}), at each picture's own size. "
        "In brackets: 95 % intervals, images resampled."
    )


def thresholds(record: Record) -> list[str]:
    """A line per network: what was chosen, and what it gains on images that did not choose."""
    lines = []
    for network in record["networks"]:
        found = network["threshold"]
        measured = found["measured"]
        lines.append(
            [
                name_of(network),
                f"{found['threshold']:.2f} ({found['low']:.2f} to {found['high']:.2f})",
                f"{score(found['dice_at_half'])} / {score(found['dice'])}",
                *(
                    text
                    for metric in ("dice", "iou")
                    for text in (
                        f"{score(measured[metric]['at_half'])} / "
                        f"{score(measured[metric]['at_chosen'])}",
                        _interval(measured[metric]["gain"]),
                    )
                ),
            ]
        )
    data = record["data"]
    part, other = data["chosen_on"]["part"], data["measured_on"]["part"]
    heads = ["network", "threshold", f"Dice at 0.5 / chosen, {part}", f"Dice, {other}", "gain"]
    return list(table([*heads, f"IoU, {other}", "gain"], lines))


def reliability(record: Record) -> list[str]:
    """ECE and Brier score, of all pixels together and of a picture on average."""
    lines = []
    for network in record["networks"]:
        for of, found in network["reliability"].items():
            lines.append(
                [
                    name_of(network),
                    record["data"][of]["part"],
                    f"{found['ece']:.4f}",
                    _interval(found["ece_of_a_picture"]),
                    f"{found['brier']:.4f}",
                    _interval(found["brier_of_a_picture"]),
                ]
            )
    heads = ["network", "part", "ECE, all pixels", "ECE of a picture, mean"]
    return list(table([*heads, "Brier, all pixels", "Brier of a picture, mean"], lines))


def views(record: Record) -> list[str]:
    """What the mean over eight views gains."""
    lines = [
        [
            name_of(network),
            score(network["views"]["dice"]),
            _interval(network["views"]["gain"]),
        ]
        for network in record["networks"]
    ]
    return list(table(["network", "Dice of eight views", "gain over one"], lines))


def doubts(record: Record) -> list[str]:
    """How well each signal tells bad masks of eight views from the others."""
    lines = []
    for network in record["networks"]:
        for it in network["views"]["signals"]:
            lines.append(
                [
                    name_of(network),
                    SIGNALS[it["name"]],
                    *(_measured(it[name]) for name in ("auc", "auc_gain", "spearman")),
                ]
            )
    bad = ", ".join(
        f"{network['views']['bad']} of {name_of(network)}" for network in record["networks"]
    )
    below = record["networks"][0]["views"]["dice_below"]
    heads = ["network", "signal", "AUC", f"AUC, more than {SIGNALS[RIVAL]}"]
    heads.append("rank correlation with Dice")
    return [f"Bad masks of eight views (Dice below {below:g}): {bad}.", "", *table(heads, lines)]


def corruptions(record: Record) -> list[str]:
    """A line per fault and severity, the networks beside each other."""
    units = {it["name"]: it["unit"] for it in record["corruptions"]}
    networks = record["networks"]
    lines = []
    for at, first in enumerate(networks[0]["corruptions"]):
        cells = [first["corruption"], "", ""]
        if first["severity"]:
            cells[1:] = [str(first["severity"]), f"{first['level']:g}"]
        for network in networks:
            it = network["corruptions"][at]
            refused = it["refused"]
            cells += [
                score(it["dice"]),
                _interval(it["drop"]) if it["severity"] else "",
                f"{100 * refused['share']:.0f} %" if refused else "no limits",
                _kept(it),
            ]
        lines.append(cells)
    heads = ["corruption", "severity", "level"]
    for network in networks:
        name = name_of(network)
        heads += [f"{name}: Dice", "lost", "refused", "Dice of the rest"]
    told = "; ".join(f"{name}: {unit}" for name, unit in units.items())
    return [*table(heads, lines), "", f"Levels: {told}."]


def name_of(network: Mapping[str, Any]) -> str:
    """``scunext FP32 on native``."""
    return f"{network['model']} {network['precision'].upper()} on {network['backend']}"


def _kept(it: Mapping[str, Any]) -> str | None:
    """Dice of those that are not refused, where they are enough for a mean."""
    refused = it["refused"]
    if refused is None or refused["of"] - refused["hits"] < FEW:
        return None
    return score(it["dice_kept"])


def _interval(it: Mapping[str, float]) -> str:
    return f"{drop(it['mean'])} ({drop(it['low'])} to {drop(it['high'])})"


def _measured(it: Mapping[str, float] | None) -> str | None:
    if it is None:
        return None
    value, low, high = (f"{it[name]:.3f}".replace("-", MINUS) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
