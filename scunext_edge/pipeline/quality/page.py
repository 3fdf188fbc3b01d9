"""A study's rates as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scunext_edge.quality.flags import FLAGS
from scunext_edge.report.markdown import table
from scunext_edge.report.numbers import score

Record = Mapping[str, Any]


def to_markdown(records: Sequence[Record]) -> str:
    """Every table of every network."""
    lines = ["# Quality of masks", ""]
    for record in records:
        same = record["rates"]["same_in_fp32"]
        lines += [f"## {record['model']}", "", *about(record), ""]
        for title, rows in (
            ("Flags", flags(record)),
            ("Planted faults and pictures of other kinds", caught(record)),
            ("Kept and left out", kept([record])),
            ("The surest masks alone", surest(record)),
        ):
            lines += [f"{title}:", "", *rows, ""]
        lines += [
            *([f"The same flags in FP32: {share(same)}.", ""] if same else []),
            f"Bad masks (Dice below 0.5) that no flag was raised for: {len(record['missed'])}.",
            "",
        ]
    return "\n".join(lines)


def about(record: Record) -> list[str]:
    """Which images, in words."""
    of, settings = record["about"], record["rule"]["settings"]
    found = record["rates"]["predictors"]
    lines = [
        f"Limits set on {_parts(of['set_on'])}, measured on {_parts(of['measured_on'])}, "
        f"with {of['backend']} {of['precision'].upper()}, at the network's size. A fault is "
        f"harmful from a mean loss of {settings['harm']:g} of Dice. Intervals: Wilson, 95 %.",
    ]
    if found is None:
        return lines
    return [
        *lines,
        "",
        f"To find the {found['bad_to_find']} masks below a Dice of {found['dice_below']:g}: AUC "
        f"{found['auc_confidence']:.3f} by the confidence alone, {found['auc_logistic']:.3f} by a "
        f"logistic regression on all signals, fitted on {found['fitted_on']} images with "
        f"{found['bad_to_fit_on']} such masks.",
    ]


def flags(record: Record) -> list[str]:
    """A line per flag: its limit and its false alarms."""
    alarms, told = record["rates"]["false_alarms"], record["rule"]
    lines = [
        [
            rule.name,
            f"{rule.signal} {'below' if rule.below else 'above'} {record['limits'][rule.name]:.3g}",
            _level(told[rule.name]["mildest_harmful"]),
            share(alarms[rule.name]),
        ]
        for rule in FLAGS
    ]
    heads = ("flag", "raised where", "mildest harmful fault", "of pictures as they are")
    return list(table(heads, lines))


def caught(record: Record) -> list[str]:
    """A line per case: what it costs, and who notices."""
    lines = [
        [
            it["flag"],
            it["case"] + (f" {it['level']:g}" if it["level"] else ""),
            str(it["by_this_flag"]["of"]),
            None if it["dice_lost"] is None else score(it["dice_lost"]),
            share(it["by_this_flag"]),
            share(it["by_any_flag"]),
        ]
        for it in record["rates"]["caught"]
    ]
    heads = ("flag", "pictures", "how many", "Dice lost", "by this flag", "by any flag")
    return list(table(heads, lines))


def kept(records: Sequence[Record]) -> list[str]:
    """What is gained by leaving out every mask with a flag, network by network."""
    lines = []
    for record in records:
        found = record["rates"]["kept"]
        for bad in found["bad"]:
            lines.append(
                [
                    record["model"],
                    share(found["left_out"]),
                    " / ".join(
                        _dice(found[it]) for it in ("dice_all", "dice_kept", "dice_left_out")
                    ),
                    f"{bad['dice_below']:g}",
                    " / ".join(_percent(bad[it]) for it in ("of_all", "of_kept", "of_left_out")),
                    share(bad["caught"]),
                    share(bad["good_lost"]),
                ]
            )
    heads = ["network", "left out", "Dice: all / kept / left out", "bad: Dice below"]
    heads += ["bad ones of all / kept / left out", "bad ones caught", "good ones lost"]
    return list(table(heads, lines))


def surest(record: Record) -> list[str]:
    """Risk and coverage, by the confidence alone."""
    lines = [
        [f"{it['coverage']:.0%}", score(it["dice"]), score(it["dice_at_best"])]
        for it in record["rates"]["curve"]
    ]
    return list(table(("kept", "mean Dice", "at best"), lines))


def share(found: Mapping[str, Any]) -> str:
    """12.3 % (10.1 to 14.9; 65 of 529)."""
    if found["share"] is None:
        return "none"
    low, high = 100 * found["low"], 100 * found["high"]
    return f"{_percent(found)} ({low:.1f} to {high:.1f}; {found['hits']} of {found['of']})"


def _percent(found: Mapping[str, Any]) -> str:
    return "none" if found["share"] is None else f"{100 * found['share']:.1f} %"


def _dice(value: float | None) -> str:
    return "none" if value is None else score(value)


def _level(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _parts(data: Mapping[str, Any]) -> str:
    parts = [f"{it['images']} of {name}" for name, it in data["parts"].items()]
    return f"{data['name']} ({', '.join(parts)})"
