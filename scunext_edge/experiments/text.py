"""The text of a results file: tables, and what they show and do not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scunext_edge.experiments.analysis import (
    LEVEL,
    Analysis,
    Difference,
    Effect,
    RowFound,
    Spread,
    analyse,
    cut_names,
)
from scunext_edge.experiments.pace import Pace, pace_of
from scunext_edge.experiments.paper import PaperTable, Printed, paper_table
from scunext_edge.experiments.protocol import PROTOCOLS
from scunext_edge.experiments.question import QUESTIONS
from scunext_edge.experiments.results import Results
from scunext_edge.experiments.statistics import Estimate

_NONE = "n/a"


def written(found: Results) -> str:
    """Markdown: what was done, the rows, the comparisons, and a sentence for each finding."""
    told = analyse(found)
    full = not found.terms["protocol"]["reduced"]
    paper = paper_table(found.terms["paper"]) if full else None
    parts = [_head(found, told), _rows(found, told, paper)]
    if told.effects:
        parts.append(_effects(told.effects))
    if told.differences:
        parts.append(_differences(told.differences, found.terms["splits"]["kind"]))
    parts.append("\n".join(f"- {sentence}" for sentence in findings(found, told)))
    if pace := pace_of(found):
        parts.append(_pace(pace))
    if paper:
        parts.append(
            f"The paper's numbers: {paper.source}. {paper.note} They are of other trainings."
        )
    return "\n\n".join(parts) + "\n"


def told(found: Results) -> dict[str, Any]:
    """The same as data."""
    analysis = analyse(found)
    return {
        "experiment": found.terms["experiment"],
        "protocol": found.terms["protocol"],
        **asdict(analysis),
        "pace": asdict(pace) if (pace := pace_of(found)) else None,
        "findings": list(findings(found, analysis)),
    }


def findings(found: Results, analysis: Analysis) -> Iterator[str]:
    """What is significant and what is not, in sentences."""
    if analysis.missing:
        yield (
            f"{len(analysis.missing)} of {_planned(found)} trials are missing "
            f"({_listed(analysis.missing)}): what is said here may change."
        )
    if analysis.codes > 1:
        yield f"The trials were made by {analysis.codes} states of the code."
    if found.terms["factors"]:
        yield from _said_of_effects(analysis.effects)
        yield from _said_of_differences(analysis.differences, what="arm")
    elif found.terms.get("base"):
        yield from _said_of_changes(analysis.differences)
    else:
        yield from _said_of_differences(analysis.differences, what="network")
    if found.terms["protocol"]["reduced"]:
        yield (
            "This is a reduced protocol: its numbers say how these rows compare with each other "
            "under it, and are not to be put beside those of full trainings."
        )


def _said_of_effects(effects: Sequence[Effect]) -> Iterator[str]:
    if not effects:
        yield "No fold has every combination yet, so no effect can be told."
        return
    sure = [effect for effect in effects if effect.significant]
    for effect in sure:
        way = "raises" if effect.splits.mean > 0 else "lowers"
        yield (
            f"**{effect.name}** {way} Dice by {100 * abs(effect.splits.mean):.2f} points "
            f"(p {_chance(effect.holm)} after Holm): significant."
        )
    if rest := [effect.name for effect in effects if not effect.significant]:
        yield f"Not significant at {LEVEL:.0%}: {', '.join(rest)}."
    for least in sorted({each.least for each in effects if each.least > LEVEL}):
        names = ", ".join(effect.name for effect in effects if effect.least == least)
        yield (
            f"Too few trainings to be significant whatever they show: {names} "
            f"(p cannot be less than {_chance(least)})."
        )


def _said_of_differences(differences: Sequence[Difference], *, what: str) -> Iterator[str]:
    sure = [each for each in differences if each.significant]
    for each in sure:
        way = "better" if each.splits.mean > 0 else "worse"
        yield (
            f"**{each.arm}** is {way} than {each.base} by {100 * abs(each.splits.mean):.2f} points "
            f"of Dice (p {_chance(each.holm)} after Holm): significant."
        )
    rest = [each for each in differences if not each.significant]
    if rest and not sure:
        yield f"No {what} differs significantly from another in the test over splits."
    elif rest:
        pairs = _listed([f"{each.arm} and {each.base}" for each in rest], most=28)
        yield f"Not significantly different in the test over splits: {pairs}."
    if apart := [each for each in rest if _apart(each.images)]:
        pairs = _listed([f"{each.arm} and {each.base}" for each in apart], most=28)
        yield (
            f"The interval over images excludes zero all the same for {pairs}: these very "
            "networks differ, but another training might turn it around."
        )


def _said_of_changes(differences: Sequence[Difference]) -> Iterator[str]:
    """One change each: what is kept is what has its whole interval over splits above zero."""
    known = [each for each in differences if each.splits.low is not None]
    for each in known:
        if _apart(each.splits):
            way = "better" if each.splits.mean > 0 else "worse"
            yield (
                f"**{each.arm}** is {way} than {each.base}: {_points(each.splits.mean)} points of "
                f"Dice, {_interval(each.splits)} over splits (p {_chance(each.holm)} after Holm)."
            )
    if open_ := [each.arm for each in known if not _apart(each.splits)]:
        yield f"No difference can be told from zero over splits: {_listed(open_, most=28)}."


def _head(found: Results, analysis: Analysis) -> str:
    terms = found.terms
    data, splits, protocol = terms["data"], terms["splits"], terms["protocol"]
    recipes = {(one["recipe"]["epochs"], one["recipe"]["size"]) for one in found.trials}
    told = "; ".join(f"epochs: {epochs}, pixels: {size}" for epochs, size in sorted(recipes))
    done = _planned(found) - len(analysis.missing)
    return (
        f"# {terms['title']}\n\n"
        f"Protocol **{protocol['name']}** ({protocol['label']}): {data['images']} images of "
        f"{data['name']}{_of_parts(splits)}, {_drawn(splits)}"
        f"{f'; {told}' if told else ''}. {done} of {_planned(found)} trials. Test images decide "
        "nothing; each is scored once a split, at its own size. Dice and IoU are means over "
        "images, pooled ones of all pixels together; mean ± standard deviation over splits, in "
        f"percent. Made by `{command(terms)}`."
    )


def _drawn(splits: Mapping[str, Any]) -> str:
    """How the images of a trial are chosen, in words."""
    seeds = ", ".join(map(str, splits["seeds"]))
    if splits["kind"] == "fixed":
        return f"the data set's own split, one training for each seed ({seeds})"
    val = f"{splits['val']:.0%} of the images to choose the epoch by"
    if splits["kind"] == "random":
        count, test = len(splits["seeds"]), splits["test"]
        return f"{count} random splits (seeds {seeds}) with {test:.0%} test, {val}"
    return f"{splits['folds']} folds (seed {seeds}), {val}"


def _of_parts(splits: Mapping[str, Any]) -> str:
    parts = splits.get("parts")
    return f" (of its own parts {' and '.join(parts)} alone)" if parts else ""


def rows(found: Results) -> str:
    """The rows alone, as a table; beside full ones stands what the paper prints."""
    full = not found.terms["protocol"]["reduced"]
    paper = paper_table(found.terms["paper"]) if full else None
    return _rows(found, analyse(found), paper)


def command(terms: Mapping[str, Any]) -> str:
    """What makes a results file again."""
    name, protocol = terms["experiment"], terms["protocol"]["name"]
    what = name if name in QUESTIONS else f"{name}.toml"
    how = protocol if protocol in PROTOCOLS else f"{protocol}.toml"
    own = "" if protocol == name else f" --protocol {how}"  # it stands in the experiment's file
    return (
        f"scunext-edge experiment {what}{own} --data {terms['data']['name']} "
        f"--out runs/{name} --record {name}.json"
    )


def _rows(found: Results, analysis: Analysis, paper: PaperTable | None) -> str:
    grid = bool(found.terms["factors"])
    head = ["", "trials", "Dice", "IoU", "Dice, pooled", "IoU, pooled", "parameters", "MACs"]
    if paper and grid:
        head += ["paper: Dice", "paper: mean of its folds"]
    elif paper:
        head += ["paper: Dice", "paper: IoU", "paper: parameters, FLOPs"]
    rows = []
    for row in analysis.rows:
        cells = [f"`{row.arm}`", str(row.trials), *_scores(row), *_costs(row)]
        if paper:
            cells += _printed(paper.rows.get(row.arm), grid=grid)
        rows.append(cells)
    return _table(head, rows)


def _scores(row: RowFound) -> list[str]:
    return [_spread(row.scores[name]) for name in ("dice", "iou", "dice_pooled", "iou_pooled")]


def _costs(row: RowFound) -> list[str]:
    if row.params is None or row.macs is None:
        return [_NONE, _NONE]
    return [f"{row.params:,}", f"{row.macs / 1e6:,.1f} M"]


def _printed(row: Printed | None, *, grid: bool) -> list[str]:
    if row is None:
        return [_NONE] * (2 if grid else 3)
    if grid:
        return [f"{row.dice:.2f}", _NONE if row.folds_mean is None else f"{row.folds_mean:.2f}"]
    iou = _NONE if row.iou is None else f"{row.iou:.2f}"
    return [f"{row.dice:.2f}", iou, f"{row.parameters}, {row.flops}"]


def _differences(differences: Sequence[Difference], kind: str) -> str:
    head = ["Dice, points", "difference", "95 % over splits", "95 % over images", "p", "p, Holm"]
    rows = [
        [
            f"`{each.arm}` minus `{each.base}`",
            _points(each.splits.mean),
            _interval(each.splits),
            _interval(each.images),
            _chance(each.splits.p),
            _chance(each.holm),
        ]
        for each in differences
    ]
    by = (
        "Student's t over trainings that differ in their seeds alone"
        if kind == "fixed"
        else "Student's t with Nadeau and Bengio's correction for splits that share training images"
    )
    note = (
        f"Paired on the same test images. The interval over splits, and p, are of {by}: they ask "
        "whether other trainings would show it, and the conclusions rest on them. The interval "
        "over images is a bootstrap that keeps an image's occurrences together, and is of these "
        "networks."
    )
    return f"## Differences\n\n{_table(head, rows)}\n\n{note}"


def _effects(effects: Sequence[Effect]) -> str:
    head = ["effect on Dice, points", "mean", "95 % over folds", "p, trainings", "p, Holm"]
    head += ["p, folds", "p, images"]
    rows = [
        [
            effect.name,
            _points(effect.splits.mean),
            _interval(effect.splits),
            _chance(effect.trainings),
            _chance(effect.holm),
            _chance(effect.folds),
            _chance(effect.images),
        ]
        for effect in effects
    ]
    note = (
        "An effect is the mean difference between on and off over the states of the other factors; "
        "an interaction, how much more than their sum two or three do. Each p is of a paired "
        "permutation. Conclusions rest on that of *trainings*: within a fold, two networks that "
        "differ in the factor alone are one pair. *Folds* as the unit are too few to say anything "
        "alone; *images* as the unit ignore that another training gives another network."
    )
    return f"## Effects\n\n{_table(head, rows)}\n\n{note}"


def _pace(pace: Pace) -> str:
    head = ["", "epochs to it", "minutes to it", "epochs in all", "minutes in all", "on"]
    rows = [
        [
            f"`{row.arm}`",
            f"{row.epochs:.1f}",
            _minutes(row.seconds),
            str(row.of_epochs),
            _minutes(row.of_seconds),
            " and ".join(row.on),
        ]
        for row in pace.rows
    ]
    dice = [100 * value for value in pace.dice.values()]
    span = f"{min(dice):.2f}" + (f" to {max(dice):.2f}" if len(dice) > 1 else "")
    note = (
        f"Validation Dice ({span} percent, at the network's size) is in each split the best of "
        f"the row whose best is least, so that every row reaches it; means over {len(dice)} "
        f"split{'' if len(dice) == 1 else 's'}. Minutes are of a clock on the wall, validations "
        "included: they hold for this machine and for what else ran on it."
    )
    return f"## Time to a validation Dice\n\n{_table(head, rows)}\n\n{note}"


def _minutes(seconds: float | None) -> str:
    return _NONE if seconds is None else f"{seconds / 60:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(value: Spread) -> str:
    if value.mean is None:
        return _NONE
    return f"{100 * value.mean:.2f}" + ("" if value.sd is None else f" ± {100 * value.sd:.2f}")


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def _interval(value: Estimate) -> str:
    if value.low is None or value.high is None:
        return _NONE
    return f"{_points(value.low)} to {_points(value.high)}"


def _chance(value: float | None) -> str:
    if value is None:
        return _NONE
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def _apart(value: Estimate) -> bool:
    return value.low is not None and value.high is not None and value.low * value.high > 0


def _planned(found: Results) -> int:
    terms: Mapping[str, Any] = found.terms
    return len(terms["arms"]) * len(cut_names(terms["splits"]))


def _listed(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
