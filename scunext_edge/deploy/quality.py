"""What the model card tells of the flags: how often each is wrong, and what they are good for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scunext_edge.pipeline.quality.page import share
from scunext_edge.quality.flags import FLAGS
from scunext_edge.report.markdown import table


def quality_lines(quality: Mapping[str, Any] | None) -> list[str]:
    """A part of the card in Markdown; nothing where no limits were set."""
    if quality is None:
        return []
    rates = quality["error_rates"]
    kept, on = rates["kept"], rates["measured_on"]["name"]
    lines = [
        "## When a mask is not to be used",
        "",
        f"Limits set on {quality['set_on']['name']}; rates measured on {rates['pictures']} images "
        f"of {on}, with 95 % intervals. A mask with any flag is not to be used: "
        f"{share(kept['left_out'])} of them.",
        "",
        *table(
            ("flag", "false alarms", "mildest harmful fault", "caught"),
            [_line(rule.name, rates) for rule in FLAGS],
        ),
        "",
    ]
    for bad in kept["bad"]:
        lines.append(
            f"- Flagged of the masks with a Dice below {bad['dice_below']:g}: "
            f"{share(bad['caught'])}; of the others: {share(bad['good_lost'])}. Such masks among "
            f"those that are kept: {share(bad['of_kept'])}."
        )
    return [*lines, ""]


def _line(flag: str, rates: Mapping[str, Any]) -> list[str | None]:
    harmful = [
        it
        for it in rates["caught"]
        if it["flag"] == flag and (it["dice_lost"] is None or it["dice_lost"] >= rates["harm"])
    ]
    first = harmful[0] if harmful else None
    if first is None:
        return [flag, share(rates["false_alarms"][flag]), None, None]
    name = first["case"] + (f" {first['level']:g}" if first["level"] else "")
    return [flag, share(rates["false_alarms"][flag]), name, share(first["by_this_flag"])]
