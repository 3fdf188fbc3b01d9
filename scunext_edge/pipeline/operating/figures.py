"""The figures of an operating point, as SVG files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from scunext_edge.pipeline.operating.page import name_of
from scunext_edge.report import drawing
from scunext_edge.report.drawing import COLOURS, GREY


def figures(record: Mapping[str, Any]) -> dict[str, str]:
    """File name to SVG; none where matplotlib (extra ``report``) is not installed."""
    if find_spec("matplotlib") is None:
        return {}
    with drawing.settings():
        return {
            "reliability.svg": _as_file(_reliability(record)),
            "corruptions.svg": _as_file(_corruptions(record)),
        }


def _reliability(record: Mapping[str, Any]) -> str:
    """Frequency against probability; below, the share of the pixels in each bin."""
    networks = record["networks"]
    figure = drawing.new_figure(max(4.3, 3.4 * len(networks)), 4.4)
    panels = figure.subplots(
        2, len(networks), squeeze=False, height_ratios=[3, 1], sharex="col", sharey="row"
    )
    for column, network in enumerate(networks):
        above, below = panels[:, column]
        above.plot([0, 1], [0, 1], color=GREY, lw=0.8)
        for colour, (of, found) in zip(COLOURS, network["reliability"].items(), strict=False):
            points = [
                (p, f)
                for p, f in zip(found["probability"], found["frequency"], strict=True)
                if p is not None
            ]
            label = f"{record['data'][of]['part']}: ECE {found['ece']:.3f}"
            above.plot(*zip(*points, strict=True), "o-", color=colour, ms=4, lw=1.2, label=label)
            total = sum(found["pixels"])
            count = len(found["pixels"])
            edges = [at / count for at in range(count + 1)]
            below.stairs([it / total for it in found["pixels"]], edges, color=colour, lw=1.2)
        above.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        above.set_title(name_of(network), loc="left", fontsize=9.5)
        above.legend(loc="upper left", fontsize=8)
        below.set_yscale("log")
        below.set_xlabel("probability of lesion")
    panels[0, 0].set_ylabel("share that is lesion")
    panels[1, 0].set_ylabel("share of pixels")
    alt = "Reliability diagram: the table gives ECE and Brier score of each network."
    return drawing.to_svg(figure, name="reliability", alt=alt)


def _corruptions(record: Mapping[str, Any]) -> str:
    """Mean Dice against severity, a line for each fault; hollow where flags refuse most."""
    networks = record["networks"]
    figure = drawing.new_figure(max(4.3, 3.4 * len(networks)), 3.4)
    panels = figure.subplots(1, len(networks), squeeze=False, sharey=True)[0]
    for axes, network in zip(panels, networks, strict=True):
        clean, *lines = network["corruptions"]
        for colour, fault in zip(COLOURS, record["corruptions"], strict=False):
            of = [it for it in lines if it["corruption"] == fault["name"]]
            x, y = [0, *(it["severity"] for it in of)], [clean["dice"], *(it["dice"] for it in of)]
            axes.plot(x, y, color=colour, lw=1.2, label=fault["name"])
            for it in of:
                hollow = it["refused"] is not None and it["refused"]["share"] > 0.5
                face = "white" if hollow else colour
                axes.plot(it["severity"], it["dice"], "o", ms=5, mec=colour, mfc=face, mew=1.2)
        axes.set_title(name_of(network), loc="left", fontsize=9.5)
        axes.set_xlabel("severity")
        axes.set_xticks(range(6))
    panels[0].set_ylabel("mean Dice")
    panels[-1].legend(loc="lower left", fontsize=8)
    alt = "Mean Dice against the severity of each corruption; the table gives the numbers."
    return drawing.to_svg(figure, name="corruptions", alt=alt)


def _as_file(svg: str) -> str:
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"
