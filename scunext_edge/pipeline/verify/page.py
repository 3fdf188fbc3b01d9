"""A verification as Markdown, which reads well in a terminal, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scunext_edge.report.markdown import plain, table
from scunext_edge.report.numbers import count, drop, pixels, score

_MISSING = "\N{EN DASH}"
_SHOWN = {
    "passed": "passed",
    "failed": "FAILED",
    "inconclusive": "INCONCLUSIVE",
    "noted": "NOTE",
    "skipped": "not asked",
}


def to_markdown(record: Mapping[str, Any]) -> str:
    """Verdict, checks, what a mean hides, by size, census."""
    parts = [
        f"# {headline(record)}",
        "",
        *_checks(record["checks"]),
        *_figures(record),
        *_by_size(record["acceptance"]["groups"]),
        *_census(record["census"]),
    ]
    return "\n".join(parts) + "\n"


def headline(record: Mapping[str, Any]) -> str:
    """One sentence."""
    failed = [it["name"] for it in record["checks"] if it["verdict"] in {"failed", "inconclusive"}]
    verdict = record["verdict"]
    why = f" ({', '.join(failed)})" if failed else ""
    data = record["dataset"]
    return (
        f"{name_of(record['candidate'])} against {name_of(record['reference'])}, on "
        f"{data['images']} images of {data['name']} ({data['part']}): {verdict}{why}"
    )


def name_of(side: Mapping[str, Any]) -> str:
    """``scunext INT8 on native``."""
    quantizer = f" {side['quantizer']}" if side["quantizer"] else ""
    return f"{side['model']} {side['precision'].upper()}{quantizer} on {side['backend']}"


def _checks(checks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from table(
        ("check", "", "what was seen"),
        [(it["name"], _SHOWN[it["verdict"]], it["message"]) for it in checks],
    )


def _figures(record: Mapping[str, Any]) -> Iterator[str]:
    found, criteria = record["acceptance"], record["criteria"]
    confidence = f"{criteria['confidence']:.0%}"
    loss, change = found["loss"]["drop"], found["area_change"]
    yield from ("", "## What a mean hides", "")
    rows = [
        ("mean Dice", *_pair(found["dice"], score), f"lost {_interval(loss)}"),
        ("Dice of the worst tenth", *_pair(found["worst_decile"], score), ""),
        (
            f"images below {criteria['floor']:g}",
            *_pair(found["below_floor"], count),
            f"{len(found['fallen'])} fell, {found['risen']} rose",
        ),
        (
            "lesions missed altogether",
            *_pair(found["missed"], count),
            f"{len(found['newly_missed'])} newly",
        ),
        (
            "area against the truth",
            *_pair(found["area_bias"], _percent),
            f"changed by {_interval(change, _percent)}",
        ),
    ]
    outline = found["outline"]
    if outline:
        rise = outline["hd95_rise"]
        rows += [
            ("masks without an outline to compare", *_pair(outline["without_hd95"], count), ""),
            (
                "HD95, pixels",
                *_pair(outline["hd95"], pixels),
                f"rose by {_interval(rise)}" if rise else "",
            ),
            (
                f"surface Dice at {outline['tolerance']:g} pixels",
                *_pair(outline["nsd"], score),
                f"lost {_interval(outline['nsd_drop'])}",
            ),
        ]
    yield from table(
        ("", "reference", "candidate", f"from one to the other ({confidence} interval)"), rows
    )
    yield ""
    yield (
        f"The tenth that lost most lost {drop(found['worst_drops'])} of Dice on average, "
        f"{found['worst_image']} most of all ({drop(found['worst_drop'])})."
    )
    if record["no_outline"]:
        yield from (
            "",
            f"Distances between outlines were not measured: {plain(record['no_outline'])}",
        )


def _by_size(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not groups:
        return
    yield from ("", "## By size of the lesion", "")
    rows = []
    for it in groups:
        extra = [
            text
            for name, shown in (("hd95", pixels), ("nsd", score))
            for text in _pair(it[name] or {"reference": None, "candidate": None}, shown)
        ]
        share = f"{it['size']} ({it['low']:.0%} to {it['high']:.0%} of the frame)"
        rows.append(
            (
                share,
                count(it["images"]),
                *_pair(it["dice"], score),
                _interval(it["drop"]),
                count(it["fallen"]),
                *extra,
            )
        )
    heads = ("lesions", "images", "Dice, reference", "candidate", "drop", "fell")
    yield from table((*heads, "HD95, reference", "candidate", "NSD, reference", "candidate"), rows)


def _census(census: Mapping[str, Any] | None) -> Iterator[str]:
    if not census:
        return
    yield from ("", "## What ran in which precision", "")
    rows = [(name.upper(), f"{share:.1%}") for name, share in census["shares"].items()]
    yield from table(("precision", "share of the MACs"), rows)
    if census["conversions"] is not None:
        yield from ("", f"Conversions between number formats: {census['conversions']}.")


def _pair(pair: Mapping[str, Any], shown: Any) -> tuple[str, str]:
    one, other = (
        _MISSING if pair[name] is None else shown(pair[name]) for name in ("reference", "candidate")
    )
    return one, other


def _interval(it: Mapping[str, float], shown: Any = drop) -> str:
    return f"{shown(it['mean'])} ({shown(it['low'])} to {shown(it['high'])})"


def _percent(value: float) -> str:
    return f"{value:+.1%}"
