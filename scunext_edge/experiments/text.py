"""The text of a results file: tables, and what they show and do not show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scunext_edge.experiments.analysis import (
    GAIN,
    Analysis,
    Difference,
    Effect,
    RowFound,
    Spread,
    analyse,
)
from scunext_edge.experiments.findings import (
    DICE,
    METRICS,
    NONE,
    chance,
    comparisons,
    findings,
    is_single,
    limits,
    missing_of,
    planned,
    so_far,
)
from scunext_edge.experiments.pace import Pace, pace_of
from scunext_edge.experiments.paper import PaperTable, Printed, paper_table
from scunext_edge.experiments.parts import (
    drawn,
    of_parts,
    parts_of,
    redrawn,
    splits_of,
    spread_over,
)
from scunext_edge.experiments.protocol import PROTOCOLS
from scunext_edge.experiments.question import QUESTIONS
from scunext_edge.experiments.results import Results

# Columns of the further scores: head, name of the score in a row, scale.
_COLUMNS = {
    "hd95": (("HD95, pixels", "hd95", 1), ("HD95, % of diagonal", "hd95_share", 100)),
    "threshold": (
        ("threshold", "threshold", 1),
        ("Dice at it", "dice_at_threshold", 100),
        ("IoU at it", "iou_at_threshold", 100),
    ),
}
_HD95 = (
    "HD95 is the 95th percentile of the Hausdorff distance between the outlines, the worse of "
    "both directions, as a mean over images: in pixels of a picture's own size, and in percent of "
    "its diagonal. Less is better. "
)
_THRESHOLD = (
    "The threshold, from 0 to 1, is that of the highest mean Dice on the validation images; all "
    "scores but those at it are at 0.5. "
)
_TOLD = {"hd95": _HD95, "threshold": _THRESHOLD}


def written(found: Results) -> str:
    """Markdown: what was done, the rows, the comparisons, and a sentence for each finding."""
    tables = [(part, analyse(part.found)) for part in parts_of(found)]
    several = len(tables) > 1
    full = not found.terms["protocol"]["reduced"]
    paper = paper_table(found.terms["paper"]) if full else None
    parts = [_head(found)]
    for part, analysis in tables:
        parts += [f"## {part.title}"] if several else []
        parts.append(_rows(found, analysis, paper))
        if analysis.effects:
            parts += [*([] if several else ["## Effects"]), _effects(analysis.effects)]
        if analysis.differences:
            parts += [] if several else ["## Differences"]
            parts.append(_differences(part.found, analysis))
        if pace := pace_of(part.found):
            parts.append(
                "Time to a validation Dice:" if several else "## Time to a validation Dice"
            )
            parts.append(_pace(pace, spread_over(part.found.terms)))
        if several and (said := list(comparisons(part.found, analysis))):
            parts.append(_listing(said))
    if not several:
        parts.append(_listing(findings(found, tables[0][1])))
    elif said := [*so_far(found), *limits(found)]:
        parts += ["## In all", _listing(said)]
    if paper:
        parts.append(
            f"The paper's numbers: {paper.source}. {paper.note} They are of other trainings."
        )
    return "\n\n".join(parts) + "\n"


def told(found: Results) -> dict[str, Any]:
    """The same as data."""
    head = {name: found.terms[name] for name in ("experiment", "protocol")}
    parts = parts_of(found)
    if len(parts) == 1:
        analysis = analyse(found)
        said = list(findings(found, analysis))
        return {**head, **asdict(analysis), "pace": _paced(found), "findings": said}
    tables = []
    for part in parts:
        analysis = analyse(part.found)
        said = list(comparisons(part.found, analysis))
        one = {"title": part.title, **asdict(analysis), "pace": _paced(part.found)}
        tables.append({**one, "findings": said})
    return {**head, "parts": tables, "findings": [*so_far(found), *limits(found)]}


def _paced(found: Results) -> dict[str, Any] | None:
    pace = pace_of(found)
    return asdict(pace) if pace else None


def _head(found: Results) -> str:
    terms = found.terms
    data, protocol = terms["data"], terms["protocol"]
    every = splits_of(terms)
    how = "; ".join(map(drawn, every))
    told = _recipes(found)
    done = planned(found) - len(missing_of(found))
    return (
        f"# {terms['title']}\n\n"
        f"Protocol **{protocol['name']}** ({protocol['label']}{_own_presets(terms)}): "
        f"{data['images']} images of "
        f"{data['name']}{of_parts(every[0])}, {how}"
        f"{f'; {told}' if told else ''}. {done} of {planned(found)} trials. Test images decide "
        "nothing; each training scores its own once, at their own size. Dice and IoU are means "
        "over images, pooled ones of all pixels together; mean ± standard deviation over "
        f"{spread_over(terms)}, in percent. {''.join(_TOLD[score] for score in _asked(terms))}"
        f"Made by `{command(terms)}`."
    )


def _own_presets(terms: Mapping[str, Any]) -> str:
    """A protocol's label names its recipe, which a row with a preset of its own does not take."""
    own = ", ".join(f"`{arm['name']}`" for arm in terms["arms"] if arm.get("preset"))
    return f"; only pixels and images of it for {own}, by presets of their own" if own else ""


def _recipes(found: Results) -> str:
    """Epochs and pixels of the trainings that are there; of which rows, where they differ."""
    arms: dict[tuple[int, int, float], list[str]] = {}
    for one in found.trials:
        recipe = one["recipe"]
        how = (recipe["epochs"], recipe["size"], recipe.get("halved", 0.0))
        same = arms.setdefault(how, [])
        same += [one["arm"]] if one["arm"] not in same else []
    if len(arms) == 1:
        return "".join(map(_sizes, arms))
    most = sum(map(len, arms.values())) / 2
    return "; ".join(
        f"{_sizes(how)} ("
        + ("most rows" if len(names) > max(most, 2) else ", ".join(f"`{name}`" for name in names))
        + ")"
        for how, names in sorted(arms.items())
    )


def _sizes(how: tuple[int, int, float]) -> str:
    epochs, size, halved = how
    first = f", {size // 2} in the first {halved:.0%} of epochs" if halved else ""
    return f"epochs: {epochs}, pixels: {size}{first}"


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
    asked = _asked(found.terms)
    head = ["", "trials", "Dice", "IoU", "Dice, pooled", "IoU, pooled"]
    head += [name for score in asked for name, *_ in _COLUMNS[score]]
    head += ["parameters", "MACs"]
    if paper and grid:
        head += ["paper: Dice", "paper: mean of its folds"]
    elif paper:
        head += ["paper: Dice", "paper: IoU", "paper: parameters, FLOPs"]
    rows = []
    for row in analysis.rows:
        cells = [f"`{row.arm}`", str(row.trials), *_scores(row, asked), *_costs(row)]
        if paper:
            cells += _printed(paper.rows.get(row.arm), grid=grid)
        rows.append(cells)
    return _table(head, rows)


def _scores(row: RowFound, asked: Sequence[str]) -> list[str]:
    cells = [_spread(row.scores[name]) for name in ("dice", "iou", "dice_pooled", "iou_pooled")]
    further = (column for score in asked for column in _COLUMNS[score])
    return cells + [_spread(row.scores[name], scale) for _, name, scale in further]


def _costs(row: RowFound) -> list[str]:
    if row.params is None or row.macs is None:
        return [NONE, NONE]
    return [f"{row.params:,}", f"{row.macs / 1e6:,.1f} M"]


def _printed(row: Printed | None, *, grid: bool) -> list[str]:
    if row is None:
        return [NONE] * (2 if grid else 3)
    if grid:
        return [f"{row.dice:.2f}", NONE if row.folds_mean is None else f"{row.folds_mean:.2f}"]
    iou = NONE if row.iou is None else f"{row.iou:.2f}"
    return [f"{row.dice:.2f}", iou, f"{row.parameters}, {row.flops}"]


def _differences(found: Results, analysis: Analysis) -> str:
    """A table for each score; for a single split without what several would say."""
    tables = [
        _difference_table(
            name, [each for each in analysis.differences if each.metric == name], found
        )
        for name in dict.fromkeys(each.metric for each in analysis.differences)
    ]
    if redrawn(found.terms["splits"]):
        by = "Student's t with Nadeau and Bengio's correction for splits that share training images"
    elif found.terms["splits"]["kind"] == "fixed":
        by = "Student's t over trainings that differ in their seeds alone"
    else:
        by = "Student's t over seeds, which draw the validation part, and not the test images"
    note = (
        "Paired on the same test images. There is one training of each, so the interval, a "
        "bootstrap over images, is of these networks alone."
        if is_single(found)
        else "Paired on the same test images. The interval over "
        f"{spread_over(found.terms)}, and p, are of {by}: they ask whether other trainings would "
        "show it, and the conclusions rest on them. The interval over images is a bootstrap that "
        "keeps an image's occurrences together, and is of these networks."
    )
    return "\n\n".join([*tables, note])


def _difference_table(name: str, differences: Sequence[Difference], found: Results) -> str:
    metric = METRICS[name]
    over = spread_over(found.terms)
    head = [f"{metric.name}, {metric.unit}", "difference", f"95 % over {over}", "95 % over images"]
    rows = [
        [
            f"`{each.arm}`" if name == GAIN else f"`{each.arm}` minus `{each.base}`",
            metric.signed(each.splits.mean),
            metric.interval(each.splits),
            metric.interval(each.images),
            chance(each.splits.p),
            chance(each.holm),
        ]
        for each in differences
    ]
    if is_single(found):
        return _table([*head[:2], head[3]], [[*row[:2], row[3]] for row in rows])
    return _table([*head, "p", "p, Holm"], rows)


def _effects(effects: Sequence[Effect]) -> str:
    head = ["effect on Dice, points", "mean", "95 % over folds", "p, trainings", "p, Holm"]
    head += ["p, folds", "p, images"]
    rows = [
        [
            effect.name,
            DICE.signed(effect.splits.mean),
            DICE.interval(effect.splits),
            chance(effect.trainings),
            chance(effect.holm),
            chance(effect.folds),
            chance(effect.images),
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
    return f"{_table(head, rows)}\n\n{note}"


def _pace(pace: Pace, over: str) -> str:
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
    one = over.removesuffix("s")
    note = (
        f"Validation Dice ({span} percent, at the network's size) is in each {one} the best of "
        f"the row whose best is least, so that every row reaches it; means over {len(dice)} "
        f"{one if len(dice) == 1 else over}. Minutes are of a clock on the wall, validations "
        "included: they hold for this machine and for what else ran on it."
    )
    if pace.taught:
        names = ", ".join(f"`{name}`" for name in pace.taught)
        note += f" The training of the teachers is not in epochs and minutes of {names}."
    return f"{_table(head, rows)}\n\n{note}"


def _minutes(seconds: float | None) -> str:
    return NONE if seconds is None else f"{seconds / 60:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _listing(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _spread(value: Spread, scale: float = 100) -> str:
    if value.mean is None:
        return NONE
    return f"{scale * value.mean:.2f}" + ("" if value.sd is None else f" ± {scale * value.sd:.2f}")


def _asked(terms: Mapping[str, Any]) -> tuple[str, ...]:
    """The further scores of a results file; one from before there were any has none."""
    return tuple(terms.get("scores") or ())
