"""What the words in a report mean, one sentence each."""

from __future__ import annotations

from scunext_edge.report.records import Run

_RULE = (
    "Of the rows measured in the same way that passed the gate, are as accurate as the most "
    "accurate network of the run (by the same gate), and are not unstable: the one whose p50 has "
    "the lowest upper end. Rows that speed does not tell from it are told apart by the bound of "
    "their Dice, then by memory, then by size."
)
_TERMS = (
    (
        "\N{EN DASH}",
        "Not measured; never a guess, and never zero.",
    ),
    (
        "row",
        "One network on one engine in one precision, on one device.",
    ),
    (
        "ran",
        "The precision that the engine says it executed, which may not be the one asked for.",
    ),
    (
        "p50, p90, p99",
        "Half of all single calls, nine of ten, and 99 of 100, took no longer than this. Of too "
        "few calls for a p99 there is a bound (<) that it stays below, or nothing.",
    ),
    (
        "95 % interval",
        "Where p50 would lie if the case were measured again in other processes of the same "
        "machine in the same state: from how much the processes of this run differ.",
    ),
    (
        "stable, unstable, inconclusive",
        "Whether a latency may be believed; unstable: something moved it while it was measured; "
        "inconclusive: too little was measured to know.",
    ),
    (
        "n / processes",
        "How many single calls were timed, and over how many freshly started processes they are "
        "spread.",
    ),
    (
        "compute, transfer, end to end",
        "The network alone; with handing the image in and the result out; from the bytes of an "
        "image file to a mask at the image's own size.",
    ),
    (
        "memory",
        "Peak resident memory of a process of its own, beyond what its imports take, in MB.",
    ),
    (
        "Dice",
        "Twice the overlap of prediction and truth, divided by the sum of their areas: 1 is "
        "perfect; computed for each image at its own size, then averaged.",
    ),
    (
        "IoU",
        "The overlap divided by the union, for each image, then averaged; never above Dice.",
    ),
)


_OPTIONAL = {
    "images_per_s": (
        "images/s",
        "All images of all processes by all the time they took, call after call.",
    ),
    "cold_start_ms": (
        "cold start",
        "From the start of a process to its first mask, in ms.",
    ),
    "energy_mj": (
        "energy",
        "Millijoules for one image.",
    ),
    "limit_share": (
        "of the limit",
        "How much of the fastest possible on this machine was reached, by its measured rates of "
        "computing and copying; below it what holds the row up.",
    ),
}


def glossary(run: Run) -> list[tuple[str, str]]:
    """Definitions, with the gate as this run set it."""
    confidence = f"{100 * float(run.gate.get('confidence', 0.95)):g} %"
    return [
        ("recommended", _RULE),
        *_TERMS,
        *(
            term
            for name, term in _OPTIONAL.items()
            if any(getattr(row, name) is not None for row in run.rows)
        ),
        (
            "drop",
            "FP32 minus this row, image by image, then averaged: positive means that something "
            "was lost.",
        ),
        (
            "upper bound",
            f"The drop that is not exceeded with {confidence} confidence, by resampling the "
            "images.",
        ),
        ("gate", _gate(run)),
        (
            "doubt",
            "A reason not to trust a number of the row, found by the measurement itself.",
        ),
        (
            "MACs",
            "Multiply-accumulate operations for one image; the paper calls them FLOPs.",
        ),
    ]


def _gate(run: Run) -> str:
    limit = run.gate.get("limit")
    if limit is None:
        return "A row passes when the upper bound of its drop is within the limit that was set."
    metric = {"dice": "Dice", "iou": "IoU"}.get(str(run.gate.get("metric")), run.gate.get("metric"))
    return (
        f"A row passes when the upper bound of its drop in mean {metric or 'Dice'} is at most "
        f"{limit:g}: it has been shown to be good enough, not merely failed to look bad."
    )
