"""Which trials of a results file belong together: no mean is over two kinds of splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scunext_edge.experiments.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Trials that one table is made of, as a results file of their own."""

    title: str
    found: Results


def parts_of(found: Results) -> list[Part]:
    """One for all random splits, one for all folds, one for each group that was left out."""
    return [
        Part(title=title, found=_only(found, splits))
        for each in splits_of(found.terms)
        for title, splits in _tables(each)
    ]


def splits_of(terms: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The terms hold one description, or a list of several."""
    splits = terms["splits"]
    return [splits] if isinstance(splits, Mapping) else list(splits)


def all_cuts(terms: Mapping[str, Any]) -> list[str]:
    """The name of every split, in the order of a plan."""
    return [name for splits in splits_of(terms) for name in cut_names(splits)]


def cut_names(splits: Mapping[str, Any], *, several: bool | None = None) -> list[str]:
    """The names of splits; ``several`` seeds stand in them."""
    seeds: Sequence[int] = splits["seeds"]
    if splits["kind"] == "random":
        return [f"split{seed}" for seed in seeds]
    if splits["kind"] == "fixed":
        return [f"seed{seed}" for seed in seeds]
    if splits["kind"] == "folds":
        names = [f"fold{number + 1}" for number in range(splits["folds"])]
    else:
        names = [f"test-{group}" for group in splits["groups"]]
    several = len(seeds) > 1 if several is None else several
    return [f"seed{seed}-{name}" if several else name for seed in seeds for name in names]


def drawn(splits: Mapping[str, Any]) -> str:
    """How the images of a trial are chosen, in words."""
    seeds = ", ".join(map(str, splits["seeds"]))
    if splits["kind"] == "fixed":
        return f"the data set's own split, one training for each seed ({seeds})"
    whose = " not left out" if splits["kind"] == "leave-one-out" else ""
    return (
        f"{_drawn(splits, seeds)}, {splits['val']:.0%} of the images{whose} to choose the epoch by"
    )


def redrawn(splits: Mapping[str, Any]) -> bool:
    """Whether each split tests other images; else trainings on the same ones differ by seed."""
    return splits["kind"] in ("random", "folds")


def spread_over(terms: Mapping[str, Any]) -> str:
    """What a standard deviation is over: ``splits``, ``seeds``, or both in tables apart."""
    several = [each for each in splits_of(terms) if redrawn(each) or len(each["seeds"]) > 1]
    what = dict.fromkeys("splits" if redrawn(each) else "seeds" for each in several)
    return " or ".join(what) or "seeds"


def of_parts(splits: Mapping[str, Any]) -> str:
    """Which parts of the data set's own split take part, where not all do."""
    parts = splits.get("parts")
    return f" (of its own parts {' and '.join(parts)} alone)" if parts else ""


def _drawn(splits: Mapping[str, Any], seeds: str) -> str:
    if splits["kind"] == "random":
        return (
            f"{len(splits['seeds'])} random splits (seeds {seeds}) with {splits['test']:.0%} test"
        )
    if splits["kind"] == "folds":
        alike = f", each with its share of every {splits['column']}" if splits.get("column") else ""
        return f"{splits['folds']} folds (seed {seeds}{alike})"
    return f"each {splits['column']} left out once (seed {seeds})"


def _tables(splits: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if splits["kind"] == "random":
        yield "Random splits", splits
    elif splits["kind"] == "fixed":
        yield "The data set's own split", splits
    elif splits["kind"] == "folds":
        yield f"{splits['folds']} folds", splits
    else:
        for left in splits["groups"]:
            others = [group for group in splits["groups"] if group != left]
            title = f"Trained on {' and '.join(others)}, tested on {left}"
            yield title, {**splits, "groups": [left]}


def _only(found: Results, splits: Mapping[str, Any]) -> Results:
    names = {*cut_names(splits)}
    return replace(
        found,
        terms={**found.terms, "splits": splits},
        trials=tuple(one for one in found.trials if one["cut"] in names),
    )
